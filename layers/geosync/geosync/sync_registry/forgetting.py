"""Deleting all that the sync registry has of one repository, under its lease.

What is at the secondary stays as it is, and the row's id is not given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from geosync.sync_registry.counted import Counted
from geosync.sync_registry.half_copies import HALF_PREFIX
from geosync.sync_registry.items import DIFFERS_PREFIX, OWED_PREFIX, ROW, TAG_PREFIX, Lease, Row
from geosync.sync_registry.site import counters, findings, listing
from geosync.sync_registry.table.changes import Delete, Key, Store, TransactionFailed
from geosync.sync_registry.transitions import leases
from geosync.sync_registry.uploads import UPLOAD_PREFIX

BATCH = 10_000
"""Items of one repository that are read at a time when it is forgotten."""
PER_TRANSACTION = 99
"""Items that are deleted in one transaction, beside the check of the lease."""
_PREFIXES = (OWED_PREFIX, TAG_PREFIX, "digest#", UPLOAD_PREFIX, DIFFERS_PREFIX, HALF_PREFIX)


class Forgetting:
    """Deletes repositories from the table."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def forget(self, lease: Lease, *, renew: Callable[[Lease], Lease]) -> bool:
        """Delete everything of the lease's repository, last its row; `renew` is called before each transaction.

        False: somebody took the repository before its row was gone. Raises LeaseLost when that happens earlier, and
        what `renew` raises.
        """
        for keys in self._keys(lease.repository):
            lease = renew(lease)
            self._delete(lease, keys)
        return self._delete_row(Delete(key=Key(lease.repository, ROW), when=leases.is_mine(lease)))

    def drop(self, lease: Lease) -> bool:
        """Delete the row of a repository in which nothing is owed, and let it go; `lease` is from before that was read.

        False: something came in since, or somebody took the repository.
        """
        return self._delete_row(leases.drop(lease))

    def _keys(self, repository: str) -> Iterator[list[Key]]:
        """The keys of what a repository has beside its row, as many at a time as fit into a transaction."""
        for prefix in _PREFIXES:
            while items := self._store.items(repository, prefix, limit=BATCH):
                keys = [Key(repository, str(item["item"])) for item in items]
                for start in range(0, len(keys), PER_TRANSACTION):
                    yield keys[start : start + PER_TRANSACTION]

    def _delete(self, lease: Lease, keys: Sequence[Key]) -> None:
        try:
            self._store.transact([leases.check(lease), *(Delete(key=key) for key in keys)])
        except TransactionFailed:
            raise leases.lost(lease.repository) from None

    def _delete_row(self, change: Delete) -> bool:
        """Delete the row and its two entries in the list, and take it off the count. False: `change` does not hold."""
        repository = change.key.repository
        item = self._store.get(change.key)
        if item is None:
            return False
        row = Row.from_item(item)
        entries = listing.entries(repository, row.id) if row.id is not None else []
        with suppress(TransactionFailed):
            self._store.transact(
                [
                    change,
                    *(Delete(key=entry.key) for entry in entries),
                    *counters.moved(repository, row.counted, Counted(), rows=-1 if entries else 0),
                    Delete(key=findings.key(repository)),
                ]
            )
            return True
        return False
