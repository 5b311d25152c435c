"""The newest event that a secondary has processed, as GitLab's cursor: beside the primary's newest it says the lag."""

from __future__ import annotations

from contextlib import suppress

from boto3.dynamodb.conditions import Attr

from geosync.messages.event_log import LastEvent
from geosync.messages.geo_event import GeoEvent
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update

KEY = Key(SITE, "cursor")


def record(store: Store, event: GeoEvent) -> None:
    """Keep `event` as the last one that this secondary processed, unless a newer one was."""
    newest = Attr("received_at").not_exists() | Attr("received_at").lt(event.received_at)
    with suppress(ConditionFailed):
        store.write(Update(key=KEY, set={"id": event.id, "received_at": event.received_at}, when=newest))


def read(item: Item | None) -> LastEvent | None:
    """Read the item that `record` writes."""
    if item is None:
        return None
    received_at = item.get("received_at")
    return LastEvent(id=str(item.get("id", "")), received_at=received_at if isinstance(received_at, int) else 0)
