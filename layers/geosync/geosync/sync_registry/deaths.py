"""Deaths: a holder that vanished over a reference counts as a failed attempt at it.

A function that runs out of memory, or is killed, writes nothing down. What it was working on stands in its row: with
each renewal, and, once a holder of the repository has vanished, before each reference that the next one begins. So the
first death names a few references at most, and the second exactly one.
"""

from __future__ import annotations

from collections.abc import Sequence

from geosync.sync_registry.access import TableAccess
from geosync.sync_registry.items import ROW, Lease, Owed, Reference
from geosync.sync_registry.table.changes import Key, TransactionFailed, Update
from geosync.sync_registry.transitions import attempts, leases


class Deaths(TableAccess):
    """Counts the attempts of holders that vanished."""

    def left_behind(self, lease: Lease) -> list[Owed]:
        """Read the owed references that the holder before `lease` was working on when it vanished.

        A reference that is parked by now is left out: it must not count a retry.
        """
        references = [one for one in map(Reference.from_key, sorted(lease.working_on)) if one is not None]
        keys = [Key(lease.repository, one.owed_key) for one in references]
        found = self._store.batch_get(keys) if keys else {}
        owed = [self._readable(found[key]) for key in keys if key in found]
        return [one for one in owed if one is not None and not one.parked]

    def count_deaths(self, lease: Lease, left: Sequence[Owed], failure: str) -> list[Owed]:
        """Count a failed attempt for each of `left`, and delete the record of who worked on them: one transaction.

        Returns those that were counted; the others were marked again meanwhile. Raises LeaseLost.
        """
        row = Update(key=Key(lease.repository, ROW), remove=("working_on",), when=leases.is_mine(lease))
        counted = list(left)
        while True:
            changes = [self._death(owed, failure) for owed in counted]
            try:
                self._store.transact([row, *changes])
            except TransactionFailed as refused:
                if 0 in refused.failed:
                    raise leases.lost(lease.repository) from None
                counted = [owed for position, owed in enumerate(counted, 1) if position not in refused.failed]
            else:
                return counted

    def _death(self, owed: Owed, failure: str) -> Update:
        return attempts.fail_by_death(owed, failure, now_ms=self._clock.now_ms(), timing=self.timing)
