"""The rows that a walk through the primary's catalogue did not come by: gone from the primary, or from the selection.

After the catalogue the walk goes through the site's own list of rows, page by page behind a cursor:

- a repository that the site no longer replicates is forgotten, with its row and everything owed or seen in it. What is
  at the secondary stays as it is, and its id is not given again;
- one that the catalogue did not list is compared like the others: only a fresh 404 for its tags says that it is gone
  (`missing_on_primary`). Once nothing of it is left here, it is forgotten, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from geosync.errors import CorruptItem, LeaseLost
from geosync.pair.selection import Selection
from geosync.sync_registry.items import DIFFERS_PREFIX, OWED_PREFIX, ROW, SITE, TAG_PREFIX, Lease, Reference, Row
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.site import counters, findings, listing
from geosync.sync_registry.table.changes import Check, Delete, Key, Store, TransactionFailed, Update
from geosync.sync_registry.transitions.leases import is_mine
from geosync.sync_registry.transitions.marks import Comparison, Mark
from geosync.sync_registry.uploads import UPLOAD_PREFIX

KEY = Key(SITE, "rows-walk")
PAGE = 500
"""Rows that are looked at before the cursor moves."""
BATCH = 10_000
"""Items of one repository that are read at a time when it is forgotten."""
PER_TRANSACTION = 99
"""Items that are deleted in one transaction, beside the check of the lease."""
_PREFIXES = (OWED_PREFIX, TAG_PREFIX, "digest#", UPLOAD_PREFIX, DIFFERS_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What a walk through the rows came to."""

    forgotten: int = 0
    unlisted: int = 0


class Rows:
    """Goes through a site's rows."""

    def __init__(
        self,
        store: Store,
        registry: SyncRegistry,
        selection: Selection,
        *,
        check: Callable[[], None],
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._store = store
        self._registry = registry
        self._selection = selection
        self._check = check
        self._clock = clock

    def walk(self, started_at: int, *, settled_at: int) -> Walked:
        """Go on behind the cursor to the last row, for the walk that began at `started_at` (ms).

        `settled_at` is when everything was last known to be equal (0: never). `check` is asked between pages and may
        raise OutOfTime: the next call goes on from there.
        """
        item = self._store.get(KEY) or {}
        after = str(item.get("after", "")) if item.get("started_at") == started_at else ""
        forgotten = unlisted = 0
        while names := listing.names(self._store, after=after, limit=PAGE):
            self._check()
            outside = [name for name in names if not self._selection.has_repository(name)]
            forgotten += sum(self.forget(name) for name in outside)
            for name in self._unlisted([name for name in names if name not in set(outside)], started_at):
                if self._is_empty(name):
                    forgotten += self.forget(name)
                else:
                    comparison = Comparison(walk=started_at)
                    self._registry.mark(name, Reference.whole(), Mark(pushed_at=settled_at, comparison=comparison))
                    unlisted += 1
            after = names[-1]
            self._store.write(Update(key=KEY, set={"started_at": started_at, "after": after}))
        return Walked(forgotten=forgotten, unlisted=unlisted)

    def forget(self, repository: str) -> bool:
        """Delete everything that the sync registry has of a repository, under its lease.

        False: not now. Somebody holds it, or a write to its secondary may still land; the next walk tries again.
        """
        try:
            if self._registry.row(repository) is None and not self._registry.owed(repository, limit=1):
                return False
            lease = self._registry.acquire(repository)
        except CorruptItem:
            return False
        if lease is None:
            return False
        with suppress(LeaseLost):
            if lease.suspect_until > self._clock():
                self._registry.release(lease)
                return False
            for keys in self._keys(repository):
                self._check()
                lease = self._registry.renew(lease)
                self._delete(lease, keys)
            return self._delete_row(lease)
        return False

    def _keys(self, repository: str) -> Iterator[list[Key]]:
        """The keys of what a repository has beside its row, as many at a time as fit into a transaction."""
        for prefix in _PREFIXES:
            while items := self._store.items(repository, prefix, limit=BATCH):
                keys = [Key(repository, str(item["item"])) for item in items]
                for start in range(0, len(keys), PER_TRANSACTION):
                    yield keys[start : start + PER_TRANSACTION]

    def _delete(self, lease: Lease, keys: Sequence[Key]) -> None:
        mine = Check(key=Key(lease.repository, ROW), when=is_mine(lease))
        try:
            self._store.transact([mine, *(Delete(key=key) for key in keys)])
        except TransactionFailed:
            raise LeaseLost(f"{lease.repository}: another holder has the repository") from None

    def _delete_row(self, lease: Lease) -> bool:
        """Delete the row with its two entries in the list, and count it no more; False: somebody took it meanwhile."""
        row = self._registry.row(lease.repository)
        if row is None:
            return False
        entries = listing.entries(lease.repository, row.id) if row.id is not None else []
        with suppress(TransactionFailed):
            self._store.transact(
                [
                    Delete(key=Key(lease.repository, ROW), when=is_mine(lease)),
                    *(Delete(key=entry.key) for entry in entries),
                    *([Update(key=Key(SITE, "counter#rows"), add={"value": -1})] if entries else []),
                    *counters.moved(lease.repository, row.verification_counted, None),
                    Delete(key=findings.key(lease.repository)),
                ]
            )
            return True
        return False

    def _unlisted(self, names: Sequence[str], started_at: int) -> Iterator[str]:
        """Those of `names` that the catalogue did not list: neither owed as a whole nor worked on since it began."""
        rows = self._store.batch_get(Key(name, ROW) for name in names)
        whole = self._registry.owed_whole(names)
        for name in names:
            if name in whole or (item := rows.get(Key(name, ROW))) is None:
                continue
            with suppress(CorruptItem):
                if (Row.from_item(item).last_synced_at or 0) < started_at:
                    yield name

    def _is_empty(self, repository: str) -> bool:
        """Whether a repository that the primary does not know has nothing left here: no tag of ours, nothing owed."""
        found = findings.get(self._store, repository)
        if found is None or not found.gone or found.missing:
            return False
        return not any(self._store.items(repository, prefix, limit=1) for prefix in (OWED_PREFIX, TAG_PREFIX))
