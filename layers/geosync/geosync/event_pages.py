"""The event log, read page by page, newest first: the geo events of a primary, and the actions of its operators.

One query reads one hour (the partition of the index `recent`, see notifications/publish.py). A page goes back through
at most HOURS hours, so that a quiet month costs no thousand queries: it then ends early and says where to go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from geosync import event_log
from geosync.notifications.publish import hour_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "recent"
AUDIT = "audit#"
"""Before the hour of what an operator did: the same index, other partitions."""
HOURS = 48
HOUR_MS = 3_600_000

_plain = TypeDeserializer().deserialize


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Where a page ended: entries before this one are still to come. `id` is empty at the end of an hour."""

    received_at: int
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries as they are stored, newest first, and where the next page begins (None: nothing older is kept)."""

    entries: tuple[Mapping[str, Any], ...]
    following: Before | None


class EventLog:
    """Reads one site's event log."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, *, retention_days: int) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._retention_ms = retention_days * 24 * HOUR_MS

    def page(self, *, now: int, limit: int, before: Before | None = None, kind: str = "") -> Page:
        """At most `limit` entries before `before`; `kind` is "" for geo events and AUDIT for what operators did."""
        found: list[Mapping[str, Any]] = []
        oldest = now - self._retention_ms
        moment = before.received_at if before is not None else now
        start = before if before is not None and before.id else None
        for _ in range(HOURS):
            if moment < oldest:
                return Page(entries=tuple(found), following=None)
            for item in self._of_hour(kind + hour_of(moment), start, limit - len(found) + 1):
                if len(found) == limit:
                    last = found[-1]
                    return Page(
                        entries=tuple(found), following=Before(received_at=int(last["received_at"]), id=last["id"])
                    )
                found.append(item)
            start = None
            moment = moment - moment % HOUR_MS - 1
        return Page(entries=tuple(found), following=Before(received_at=moment))

    def last(self, *, now: int) -> event_log.LastEvent | None:
        """The newest event that was accepted; None when none came lately."""
        return event_log.last(self._dynamodb, self._table, now=now)

    def _of_hour(self, name: str, start: Before | None, limit: int) -> Iterator[Mapping[str, Any]]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": INDEX,
            "KeyConditionExpression": "#hour = :hour",
            "ExpressionAttributeNames": {"#hour": "hour"},
            "ExpressionAttributeValues": {":hour": {"S": name}},
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if start is not None:
            query["ExclusiveStartKey"] = {
                "hour": {"S": name},
                "received_at": {"N": str(start.received_at)},
                "id": {"S": start.id},
            }
        while True:
            answer = self._dynamodb.query(**query)
            for item in answer["Items"]:
                yield {key: _number(_plain(value)) for key, value in item.items()}
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _number(value: Any) -> Any:
    return int(value) if not isinstance(value, str | dict | bool) and value is not None else value
