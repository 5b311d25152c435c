"""The site's counters of verified rows, changed in the transaction that changes the row: nobody ever counts rows.

A row says in `verification_counted` as what it is counted: VERIFIED, FAILED (with a checksum) or UNREADABLE (failed
before there was one). The counters `counter#verification#<shard>` are eight, as verifications and syncs of different
repositories end at the same time, and DynamoDB refuses one of two transactions on the same item.
"""

from __future__ import annotations

from dataclasses import dataclass

from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update
from geosync.sync_registry.table.shards import SHARDS, due_shard

VERIFIED, FAILED, UNREADABLE = "verified", "failed", "unreadable"
"""The values of `verification_counted`, and the counters' names."""


def key(shard: str) -> Key:
    """The counters of one shard: the attributes VERIFIED, FAILED and UNREADABLE."""
    return Key(SITE, f"counter#verification#{shard}")


KEYS = tuple(map(key, SHARDS))
ROWS = Key(SITE, "counter#rows")
"""The number of rows."""
_ROW_IDS = Key(SITE, "counter#ids")
"""The highest id of a row, and of a site, that was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """The rows of a site: all of them, and those that are counted as VERIFIED, FAILED or UNREADABLE."""

    rows: int = 0
    verified: int = 0
    failed: int = 0
    unreadable: int = 0


def rows_added(number: int) -> Update:
    """Count `number` new rows; below 0: rows that are gone."""
    return Update(key=ROWS, add={"value": number})


def moved(repository: str, before: str | None, after: str | None) -> list[Update]:
    """The change of the counters when `repository` was counted as `before` and is now as `after` (None: not at all)."""
    if before == after:
        return []
    steps = {name: step for name, step in ((before, -1), (after, 1)) if name is not None}
    return [Update(key=key(due_shard(repository)), add=steps)]


class Counters:
    """The counters of a site."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> RowCounts:
        """Read how many rows there are, by how their last verification ended: one request."""
        found = self._store.batch_get([ROWS, *KEYS])
        verified, failed, unreadable = (
            sum(whole_number(found.get(key), name) for key in KEYS) for name in (VERIFIED, FAILED, UNREADABLE)
        )
        return RowCounts(
            rows=whole_number(found.get(ROWS), "value"), verified=verified, failed=failed, unreadable=unreadable
        )

    def next_row_id(self) -> int:
        """Take the next id of a row."""
        return whole_number(self._store.write(Update(key=_ROW_IDS, add={"value": 1})), "value")
