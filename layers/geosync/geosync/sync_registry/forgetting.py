"""Deleting all that the sync registry has of one repository, under its lease, except for its half copies.

What is at the secondary stays as it is, and the row's id is not given again. What is owed may be half here: that is
recorded before it is deleted, and stays until a comparison finds it selected again (half_copies.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from geosync.sync_registry import half_copies
from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import DIFFERS_PREFIX, OWED_PREFIX, ROW, TAG_PREFIX, Item, Lease, Owed, Row
from geosync.sync_registry.site import counters, findings, listing
from geosync.sync_registry.table.changes import Delete, Key, Store, TransactionFailed, Update
from geosync.sync_registry.transitions import leases
from geosync.sync_registry.uploads import UPLOAD_PREFIX

BATCH = 10_000
"""Items of one repository that are read at a time when it is forgotten."""
PER_TRANSACTION = 99
"""Items that are changed in one transaction, beside the check of the lease."""
_PREFIXES = (OWED_PREFIX, TAG_PREFIX, "digest#", UPLOAD_PREFIX, DIFFERS_PREFIX)


class Forgetting:
    """Deletes repositories from the table. `read` reads an owed item; None: it cannot be read."""

    def __init__(self, store: Store, read: Callable[[Item], Owed | None]) -> None:
        self._store = store
        self._read = read

    def forget(self, lease: Lease, *, renew: Callable[[Lease], Lease]) -> bool:
        """Delete the items of the lease's repository, last its row; `renew` is called before each transaction.

        False: somebody took the repository before its row was gone. Raises LeaseLost when that happens earlier, and
        what `renew` raises.
        """
        for changes in self._changes(lease):
            lease = renew(lease)
            self._change(lease, changes)
        return self._delete_row(Delete(key=Key(lease.repository, ROW), when=leases.is_mine(lease)))

    def drop(self, lease: Lease) -> bool:
        """Delete the row of a repository in which nothing is owed, and let it go; `lease` is from before that was read.

        False: something came in since, or somebody took the repository.
        """
        return self._delete_row(leases.drop(lease))

    def _changes(self, lease: Lease) -> Iterator[Sequence[Update | Delete]]:
        """Yield the deletes of what a repository has beside its row, as many at a time as fit into a transaction.

        The records of what may be half here come before the owed items from which they follow.
        """
        for prefix in _PREFIXES:
            while items := self._store.items(lease.repository, prefix, limit=BATCH):
                changes: list[Update | Delete] = []
                if prefix == OWED_PREFIX:
                    changes += half_copies.kept(self._left_half(lease, items))
                changes += [Delete(key=Key(lease.repository, str(item["item"]))) for item in items]
                for start in range(0, len(changes), PER_TRANSACTION):
                    yield changes[start : start + PER_TRANSACTION]

    def _left_half(self, lease: Lease, items: Iterable[Item]) -> Iterator[tuple[Owed, frozenset[str]]]:
        """Yield each owed reference with the digests of which it may leave half a copy here."""
        for owed in filter(None, map(self._read, items)):
            # An attempt is counted for what the vanished holder worked on only when somebody goes on with it.
            deaths = owed.deaths + (owed.reference.seen_key in lease.working_on)
            yield owed, half_copies.stays_half(replace(owed, deaths=deaths))

    def _change(self, lease: Lease, changes: Sequence[Update | Delete]) -> None:
        try:
            self._store.transact([leases.check(lease), *changes])
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
