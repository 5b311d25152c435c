"""The newest event, of the primary's event log and of those that a secondary has processed: what lag is read from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from geosync.events import GeoEvent
from geosync.notifications.publish import hour_of
from geosync.sync_registry.changes import ConditionFailed, Key, Store, Update
from geosync.sync_registry.items import SITE, Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HOURS = 48
"""Hours of the event log in which `last` looks for an event, a query each; on a busy site the first one finds it."""
PAGE = 50
CURSOR = Key(SITE, "cursor")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastEvent:
    """An event's id, and when the primary took it (milliseconds since the epoch)."""

    id: str
    received_at: int


def last(dynamodb: DynamoDBClient, events_table: str, *, now: int) -> LastEvent | None:
    """The newest event in a primary's event log, None when none came in the last HOURS. `now` is in milliseconds.

    Raises botocore's errors.
    """
    for hour in range(HOURS):
        found = dynamodb.query(
            TableName=events_table,
            IndexName="recent",
            KeyConditionExpression="#hour = :hour",
            ExpressionAttributeNames={"#hour": "hour"},
            ExpressionAttributeValues={":hour": {"S": hour_of(now - hour * 3_600_000)}},
            ScanIndexForward=False,
            Limit=PAGE,
        )
        for item in found["Items"]:
            if item.get("outcome", {}).get("S") == "accepted":
                return LastEvent(id=item["id"]["S"], received_at=int(item["received_at"]["N"]))
    return None


def record_processed(store: Store, event: GeoEvent) -> None:
    """Keep `event` as the last one that this secondary processed, unless a newer one was."""
    newest = Attr("received_at").not_exists() | Attr("received_at").lt(event.received_at)
    with suppress(ConditionFailed):
        store.write(Update(key=CURSOR, set={"id": event.id, "received_at": event.received_at}, when=newest))


def last_processed(item: Item | None) -> LastEvent | None:
    """Read the item that record_processed writes."""
    if item is None:
        return None
    received_at = item.get("received_at")
    return LastEvent(id=str(item.get("id", "")), received_at=received_at if isinstance(received_at, int) else 0)
