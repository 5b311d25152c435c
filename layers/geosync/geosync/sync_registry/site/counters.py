"""The site's counters of rows, changed in the transaction that changes the row: no status ever counts rows.

A row says in `state_counted` and `verification_counted` what it is counted as. The items `counter#rows#<nn>` are
COUNTERS, as holders of different repositories end at the same time, and DynamoDB refuses one of two transactions on the
same item:

    rows                                   rows that have their id
    synced, failed                         of those, rows that were synced, or failed, when they were last let go
    verified, verification_failed,         of those, rows by how their last verification ended
    unreadable                             (failed before there was a checksum)
    changes                                changes of the item: a recount holds only if it did not move
    counted_at                             ms; when the rows were last counted one by one (recount.py)

The previous version kept `counter#rows` and `counter#verification#<shard>`, and no state. Where those are, a count is
known once every item was recounted.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import FAILED as FAILED_STATE
from geosync.sync_registry.items import SITE, SYNCED, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update

VERIFIED, FAILED, UNREADABLE = "verified", "failed", "unreadable"
"""The values of `verification_counted`."""
COUNTERS = 16
_STATES = {SYNCED: "synced", FAILED_STATE: "failed"}
_VERIFICATIONS = {VERIFIED: "verified", FAILED: "verification_failed", UNREADABLE: "unreadable"}
NAMES = ("rows", *_STATES.values(), *_VERIFICATIONS.values())
"""The attributes that count."""
FORMER_ROWS = Key(SITE, "counter#rows")
"""The number of rows as the previous version counted it."""
_ROW_IDS = Key(SITE, "counter#ids")
"""The highest id of a row, and of a site, that was given."""


def number_of(repository: str) -> int:
    """The number of the counters that count a repository's row."""
    return zlib.crc32(repository.encode()) % COUNTERS


def key(number: int) -> Key:
    """The counters with this number."""
    return Key(SITE, f"counter#rows#{number:02}")


KEYS = tuple(map(key, range(COUNTERS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """The rows of a site: all of them, by state, and by how their last verification ended."""

    rows: int = 0
    synced: int = 0
    failed: int = 0
    verified: int = 0
    verification_failed: int = 0
    unreadable: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> RowCounts:
        """Read the sums. Even if somebody edited them, no part is below 0 or more than is left of the rows."""
        rows = max(counts.get("rows", 0), 0)
        parts: dict[str, int] = {}
        for names in (_STATES.values(), _VERIFICATIONS.values()):
            left = rows
            for name in names:
                parts[name] = min(max(counts.get(name, 0), 0), left)
                left -= parts[name]
        return cls(rows=rows, **parts)


def attributes(counted: Counted) -> Counter[str]:
    """The counters that a row counts in; what no version wrote counts in none."""
    names = (_STATES.get(counted.state or ""), _VERIFICATIONS.get(counted.verification or ""))
    return Counter(name for name in names if name is not None)


def moved(repository: str, before: Counted, after: Counted, *, rows: int = 0) -> list[Update]:
    """The change of the counters when a row was counted as `before` and is now as `after`; `rows`: 1 new, -1 gone."""
    steps = Counter({"rows": rows})
    steps.update(attributes(after))
    steps.subtract(attributes(before))
    return changed(number_of(repository), steps)


def changed(number: int, steps: Mapping[str, int]) -> list[Update]:
    """Change the counters with this number by `steps`; nothing where all of them are 0."""
    add = {name: step for name, step in steps.items() if step}
    return [Update(key=key(number), add={**add, "changes": 1})] if add else []


def broken(items: Mapping[Key, Item]) -> list[int]:
    """The numbers of the counters whose values are impossible: somebody edited them."""
    return [number for number, key in enumerate(KEYS) if not _can_be(items.get(key, {}))]


def _can_be(item: Item) -> bool:
    if not all(isinstance(item.get(name, 0), int) and item.get(name, 0) >= 0 for name in (*NAMES, "changes")):
        return False
    parts = (sum(whole_number(item, name) for name in names.values()) for names in (_STATES, _VERIFICATIONS))
    return max(parts) <= whole_number(item, "rows")


class Counters:
    """The counters of a site."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def sums(self) -> Counter[str] | None:
        """The sum of each counter, as it is: one request. None: the rows of a previous version are not yet counted."""
        found = self._store.batch_get([FORMER_ROWS, *KEYS])
        if FORMER_ROWS in found and any("counted_at" not in found.get(key, {}) for key in KEYS):
            return None
        return total(found[key] for key in KEYS if key in found)

    def read(self) -> RowCounts | None:
        """Read how many rows there are: one request. None as in `sums`."""
        sums = self.sums()
        return RowCounts.of(sums) if sums is not None else None

    def next_row_id(self) -> int:
        """Take the next id of a row."""
        return whole_number(self._store.write(Update(key=_ROW_IDS, add={"value": 1})), "value")


def total(items: Iterable[Item]) -> Counter[str]:
    """Sum up counters; what is no number counts as 0."""
    summed = Counter(dict.fromkeys(NAMES, 0))
    for item in items:
        for name in NAMES:
            summed[name] += whole_number(item, name)
    return summed
