"""The newest event that a secondary has processed, as GitLab's cursor: beside the primary's newest it says the lag."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

KEY = Key(SITE, "cursor")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCursor:
    """The newest event that this site has processed; `received_at` (ms) is when the primary received it."""

    id: str
    received_at: int

    @classmethod
    def from_item(cls, item: Item | None) -> EventCursor | None:
        """Read the item `cursor`; None when there is none."""
        if item is None:
            return None
        return cls(id=str(item.get("id", "")), received_at=whole_number(item, "received_at"))


class Cursors:
    """Keeps the newest event."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> EventCursor | None:
        """The newest event, None when none was ever processed."""
        return EventCursor.from_item(self._store.get(KEY))

    def record(self, *, event_id: str, received_at: int) -> None:
        """Keep an event as the last one that this site processed, unless a newer one was."""
        newest = Attr("received_at").not_exists() | Attr("received_at").lt(received_at)
        with suppress(ConditionFailed):
            self._store.write(Update(key=KEY, set={"id": event_id, "received_at": received_at}, when=newest))

    def forget(self, *, after: int) -> None:
        """Forget an event that was received after `after` (ms): the next one that is processed is kept."""
        with suppress(ConditionFailed):
            self._store.write(Delete(key=KEY, when=Attr("received_at").gt(after)))
