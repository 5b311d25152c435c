"""Values that the parts of the sync registry share: table, clock, times, and the primary that the site follows."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from geosync.clock import Clock
from geosync.errors import CorruptItem, SyncRegistryError
from geosync.sync_registry.items import Item, Owed, Seen
from geosync.sync_registry.table.changes import Store, Update
from geosync.sync_registry.timing import Timing

TABLE_ERRORS = (BotoCoreError, ClientError, SyncRegistryError)
"""What a call to the table raises: DynamoDB's errors, and those of the sync registry. Not LeaseLost."""
ATTEMPTS = 10
"""Tries of a transition; each is built anew from the item that was there instead."""


class TableAccess:
    """One site's table, as it is read and written under one primary (None: under any)."""

    def __init__(
        self, store: Store, *, primary: str | None, timing: Timing, clock: Clock, names: Callable[[], str]
    ) -> None:
        self.timing = timing
        self._store = store
        self._primary = primary
        self._clock = clock
        self._names = names

    def _owed(self, item: Item, seen: Seen | None = None) -> Owed:
        return Owed.from_item(item, seen, primary=self._primary)

    def _readable(self, item: Item) -> Owed | None:
        """The owed reference of an item; None: it cannot be read, and `due` parks it with the reason."""
        try:
            return self._owed(item)
        except CorruptItem:
            return None

    def _written(self, change: Update) -> Item:
        item = self._store.write(change)
        assert item is not None, "an update returns the item"  # noqa: S101
        return item
