"""What the parts of the sync registry work with: the store, the clock, and the primary under which items count."""

from __future__ import annotations

from geosync.clock import Clock
from geosync.sync_registry.items import Item, Owed, Seen
from geosync.sync_registry.table.changes import Store, Update

ATTEMPTS = 10
"""How often a transition is built anew from the item that was there instead."""


class TableAccess:
    """One site's table, as it is read and written under one primary (None: under whichever)."""

    def __init__(self, store: Store, *, primary: str | None, clock: Clock) -> None:
        self._store = store
        self._primary = primary
        self._clock = clock

    def _owed(self, item: Item, seen: Seen | None = None) -> Owed:
        return Owed.from_item(item, seen, primary=self._primary)

    def _written(self, change: Update) -> Item:
        item = self._store.write(change)
        assert item is not None, "an update returns the item"  # noqa: S101
        return item
