"""The last recount of the rows, and what is left of it: the item `#site`/`recount`.

It has `at`, when the last whole recount ended (ms), `rows`, how many rows there were, and `left`, the numbers of the
counters that the one under way has still to count.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.site.counters import COUNTERS
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update

KEY = Key(SITE, "recount")
EVERY_MS = 3_600_000
"""Time from one recount to the next, where no comparison ends before."""
PER_ROW_MS = 500
"""The same for each row, if that is longer: two rows a second are read for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRecount:
    """The last recount, and what is left of the one under way."""

    at: int = 0
    left: tuple[int, ...] = ()
    rows: int = 0

    @classmethod
    def from_item(cls, item: Item | None) -> LastRecount:
        """Read the item `recount`; what cannot be read begins anew."""
        left = item.get("left") if item is not None else None
        numbers = tuple(one for one in left if one in range(COUNTERS)) if isinstance(left, list) else ()
        return cls(at=whole_number(item, "at"), left=numbers, rows=whole_number(item, "rows"))

    def to_go_on(self, *, now_ms: int, finished_at: int, broken: Collection[int]) -> LastRecount | None:
        """The recount to go on with, or to begin; None: it is not time.

        A whole one is due after a while, and once a comparison ended (`finished_at`, ms; 0: none). A moment in the
        future is that of a clock that was set back since. Those of the counters that say what cannot be (`broken`) are
        counted at once.
        """
        since = now_ms - self.at
        is_over = since < 0 or since >= max(EVERY_MS, PER_ROW_MS * self.rows) or self.at < finished_at <= now_ms
        left = {*self.left, *broken} if self.left or not is_over else range(COUNTERS)
        return LastRecount(at=self.at, left=tuple(sorted(left)), rows=self.rows) if left else None


class Recounts:
    """Keeps how far the recount got."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, known: LastRecount) -> None:
        """Keep how far it got."""
        self._store.write(Update(key=KEY, set={"at": known.at, "left": list(known.left), "rows": known.rows}))
