"""The last run of functions/reconcile: a status shows when a minute is missing."""

from __future__ import annotations

from geosync.clock import Clock
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update

KEY = Key(SITE, "minute")


def last_minute(item: Item | None) -> int | None:
    """Read from the item `minute` when functions/reconcile last ran (ms); None when it never did."""
    return whole_number(item, "at") if item is not None else None


class Minutes:
    """Keeps when functions/reconcile last ran."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def read(self) -> int | None:
        """The last run of functions/reconcile (ms), None when it never ran."""
        return last_minute(self._store.get(KEY))

    def record(self) -> None:
        """Record this run."""
        self._store.write(Update(key=KEY, set={"at": self._clock.now_ms()}))
