"""The last sweep: when it ran, and how many repositories it woke."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.clock import Clock
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update

KEY = Key(SITE, "sweep")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSweep:
    """The last sweep at `at` (ms): `woken` repositories, or the `reason` why it woke none."""

    at: int
    woken: int
    reason: str | None

    @classmethod
    def from_item(cls, item: Item | None) -> LastSweep | None:
        """Read the item `sweep`; None when there is none."""
        if item is None:
            return None
        return cls(at=whole_number(item, "at"), woken=whole_number(item, "woken"), reason=item.get("reason") or None)


class Sweeps:
    """Keeps the last sweep."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def read(self) -> LastSweep | None:
        """The last sweep, None when there was none."""
        return LastSweep.from_item(self._store.get(KEY))

    def record(self, *, woken: int, reason: str | None) -> None:
        """Record a sweep that ends now: `woken` repositories, or the `reason` why it woke none."""
        self._store.write(Update(key=KEY, set={"at": self._clock.now_ms(), "woken": woken, "reason": reason or ""}))
