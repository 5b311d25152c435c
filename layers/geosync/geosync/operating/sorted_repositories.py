"""Container repositories in another order than by name.

The table has no index for it: a row changes its state and its time with every sync. So all rows that a filter may take
are read for each page, and a list of more than SORTED has no other order than that of its names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from geosync.errors import CorruptItem
from geosync.operating import repositories
from geosync.operating.repositories import RowFilter
from geosync.sync_registry.items import FAILED, PENDING, STARTED, SYNCED, Row
from geosync.sync_registry.sync_registry import SyncRegistry

SORTED = repositories.EXAMINED
"""Rows that are read at most to sort them."""
OrderBy = Literal["name", "state", "last_synced_at", "measured_total_size", "measured_tags_count"]
_URGENCY = (FAILED, PENDING, STARTED, SYNCED)


def _number(measured: int | None) -> int:
    """The place of what is not known: before 0."""
    return measured if measured is not None else -1


_ORDERS: dict[OrderBy, Callable[[Row], int]] = {
    "name": lambda _row: 0,
    "state": lambda row: _URGENCY.index(row.state),
    "last_synced_at": lambda row: row.last_synced_at or 0,
    "measured_total_size": lambda row: _number(row.measured.size_bytes if row.measured is not None else None),
    "measured_tags_count": lambda row: _number(row.measured.tags if row.measured is not None else None),
}
"""What rows are sorted by before their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order of rows: by state (failed, pending, started, synced), by the last sync (never comes first), by name.

    Likewise by size and by number of tags, as they were last measured (what is not known comes first). Rows that are
    equal in this come by name; `descending` turns the whole list round.
    """

    by: OrderBy = "name"
    descending: bool = False

    @property
    def is_by_name(self) -> bool:
        """True for the order that the table itself has."""
        return self.by == "name" and not self.descending

    def place(self, row: Row) -> tuple[int, str]:
        """The place of a row in the list, before it is turned round."""
        return _ORDERS[self.by](row), row.repository

    def is_after(self, row: Row, place: tuple[int, str]) -> bool:
        """True for a row that comes after this place."""
        return self.place(row) < place if self.descending else self.place(row) > place


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedPage:
    """Rows in an order, of `total` that the filter takes; there are more after the place `cursor`, None: the end.

    `examined` names were looked up, and `corrupt` rows among them cannot be read.
    """

    rows: tuple[Row, ...]
    cursor: tuple[int, str] | None
    total: int
    examined: int
    corrupt: tuple[CorruptItem, ...]


def page(
    sync_registry: SyncRegistry, wanted: RowFilter, order: Order, *, limit: int, after: tuple[int, str] | None = None
) -> SortedPage | None:
    """The next at most `limit` rows after a place; None: there are more than SORTED names to read.

    A row whose place changes between two pages may be on both, or on neither.
    """
    names = repositories.all_names(sync_registry, wanted, most=SORTED)
    if names is None:
        return None
    found = sync_registry.browsing.rows(names)
    rows = [row for row in found.values() if isinstance(row, Row) and wanted.takes(row)]
    rows.sort(key=order.place, reverse=order.descending)
    left = rows if after is None else [row for row in rows if order.is_after(row, after)]
    return SortedPage(
        rows=tuple(left[:limit]),
        cursor=order.place(left[limit - 1]) if len(left) > limit else None,
        total=len(rows),
        examined=len(names),
        corrupt=_corrupt(found),
    )


def _corrupt(found: Mapping[str, Row | CorruptItem]) -> tuple[CorruptItem, ...]:
    return tuple(one for one in found.values() if isinstance(one, CorruptItem))
