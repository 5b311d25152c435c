"""The rows of repositories that the primary's catalogue did not list, or that left the selection.

After the catalogue the walk goes through the site's own list of rows, page by page behind a cursor:

- a repository that the site no longer replicates is forgotten, with its row and everything owed or seen in it. What is
  at the secondary stays as it is. Under the policy OutsideSelection=remove it is compared first (outside.py), and
  forgotten once no tag of ours is left there;
- one that the catalogue did not list is compared like the others: only a fresh 404 for its tags says that it is gone
  (`missing_on_primary`). Once no tag is left here, whoever put it there, it is forgotten, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from geosync.comparing.marking import mark_of
from geosync.comparing.missing import Removals
from geosync.errors import CorruptItem
from geosync.pair.selection import Selection
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Lease, Reference, Row
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.sync_registry import SyncRegistry

PAGE = 500
"""Rows that are looked at before the cursor moves."""


class Rows:
    """Goes through a site's rows. `check` is called between pages and before one is forgotten, and may raise OutOfTime.

    `on_death` is told of each lease that was taken over from a holder that vanished.
    """

    def __init__(
        self,
        sync_registry: SyncRegistry,
        selection: Selection,
        removals: Removals,
        *,
        check: Callable[[], None],
        on_death: Callable[[Lease], None],
    ) -> None:
        self._sync_registry = sync_registry
        self._selection = selection
        self._removals = removals
        self._check = check
        self._on_death = on_death

    def walk(self, walk: Walk) -> int:
        """Go on behind the cursor to the last row, for this walk through the catalogue; returns how many it forgot.

        After OutOfTime the next call goes on from there.
        """
        after = self._sync_registry.rows_walk.cursor(walk.started_at)
        forgotten = 0
        while names := self._sync_registry.listing.names(after=after, limit=PAGE):
            self._check()
            left = [name for name in names if not self._selection.has_repository(name)]
            to_compare = self._to_compare(left)
            forgotten += sum(self.forget(name) for name in left if name not in to_compare)
            for name in to_compare:
                self._sync_registry.mark(name, Reference.whole())  # without the walk, which does not count it
            forgotten += self._settle_unlisted([name for name in names if name not in set(left)], walk)
            after = names[-1]
            self._sync_registry.rows_walk.advance(walk.started_at, after)
        return forgotten

    def _settle_unlisted(self, names: Sequence[str], walk: Walk) -> int:
        """Drop or mark those of `names` that the catalogue did not list; returns how many it dropped."""
        dropped = 0
        for name in self._unlisted(names, walk.started_at):
            if self._is_gone(name):
                dropped += self._drop(name)
            else:
                self._sync_registry.mark_unlisted(name, mark_of(walk), walk.started_at)
        return dropped

    def has_ours(self, repository: str) -> bool:
        """True if tags may go that Geosync put at the secondary, and there are any in `repository`, or may be."""
        if not self._removals.outside:
            return False
        return bool(self._sync_registry.seen_tags(repository, limit=1) or self._sync_registry.owed(repository, limit=1))

    def forget(self, repository: str) -> bool:
        """Delete all that is recorded of a repository, except for its half copies; False: the next walk tries again.

        Not now: somebody holds it, or a write to its secondary may still land. Nothing is done either if nothing is
        recorded of it. Raises OutOfTime; the lease is released then.
        """
        self._check()
        try:
            row = self._sync_registry.row(repository)
            if row is None and not self._sync_registry.owed(repository, limit=1):
                return False
            lease = self._take(repository, row)
        except CorruptItem:
            return False
        if lease is None or not HeldLease(self._sync_registry, lease).forget(check=self._check):
            return False
        self._removals.breaker.resume_if_back()  # its tags outside were a reason of a suspension, perhaps
        return True

    def _to_compare(self, left: Sequence[str]) -> set[str]:
        """Those of `left`, which left the selection, that have tags to be removed; a corrupt one is left alone."""
        found = set()
        for name in left:
            with suppress(CorruptItem):
                if self.has_ours(name):
                    found.add(name)
        return found

    def _drop(self, repository: str) -> bool:
        """Delete the row of a repository of which nothing is left; False: something came in, or somebody holds it."""
        lease = self._take(repository, self._sync_registry.row(repository))
        if lease is None:
            return False
        held = HeldLease(self._sync_registry, lease)
        if held.drop():
            return True
        held.release()
        return False

    def _take(self, repository: str, row: Row | None) -> Lease | None:
        """Take a repository to forget it; None: not now. `row` as it was read."""
        lease = self._sync_registry.acquire_settled(repository, believed=row)
        if lease is not None and lease.deaths:
            self._on_death(lease)
        return lease

    def _unlisted(self, names: Sequence[str], started_at_ms: int) -> Iterator[str]:
        """Those of `names` that the catalogue did not list: neither owed as a whole nor worked on since it began."""
        rows = self._sync_registry.rows(names)
        whole = self._sync_registry.owed_whole(names)
        for name in names:
            row = rows.get(name)
            if row is not None and name not in whole and (row.last_synced_at or 0) < started_at_ms:
                yield name

    def _is_gone(self, repository: str) -> bool:
        """True when the primary does not know the repository, and nothing owed and no tag of anybody is left here.

        While tags of somebody else are, each comparison reports them as extra, until they are adopted or deleted.
        """
        found = self._sync_registry.findings.get(repository)
        if found is None or not found.gone or found.missing or found.extra:
            return False
        return self._sync_registry.has_nothing_of(repository)
