"""Marks, carried out: a reference becomes owed, in the form that fits the item that is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from geosync.errors import Contended, CorruptItem
from geosync.sync_registry.access import ATTEMPTS, TableAccess
from geosync.sync_registry.items import UNNAMED, Owed, Reference
from geosync.sync_registry.table.changes import ConditionFailed, Update
from geosync.sync_registry.transitions import marks
from geosync.sync_registry.transitions.marks import ASKED, Mark


class Marks(TableAccess):
    """Makes references owed."""

    def mark(self, repository: str, reference: Reference, said: Mark = ASKED) -> Owed:
        """Make `reference` owed. Always first: before `knock`, and before the message is done.

        A second mark keeps the earliest `said.pushed_at`, should events come in another order.
        """
        now_ms = self._clock.now_ms()

        def build(said: Mark) -> Update:
            return marks.mark(repository, reference, said, name=self._names(), now_ms=now_ms, primary=self._primary)

        owed = self._marked(build, said)
        if said.pushed_at is not None and said.pushed_at < owed.pushed_at:
            with suppress(ConditionFailed):
                self._store.write(marks.pushed_before(owed, said.pushed_at))
        return owed

    def _marked(self, build: Callable[[Mark], Update], said: Mark) -> Owed:
        """Carry out a mark: as it was said, or less exactly where the item that is there does not take that."""
        change = build(said)
        for _ in range(ATTEMPTS):
            try:
                return self._owed(self._written(change))
            except ConditionFailed as failed:
                former = failed.item.get("primary") if failed.item is not None else None
                if former is not None and former != self._primary:
                    change = marks.under_another(build(said), former)
                elif said.since is not None:
                    said = replace(said, since=None)
                    change = build(said)
                else:
                    change = build(replace(said, expects=UNNAMED))
            except CorruptItem:
                return self._owed(self._written(marks.afresh(build(replace(said, expects=UNNAMED)))))
        raise Contended(f"{change.key}: it changed {ATTEMPTS} times while it was to be marked")
