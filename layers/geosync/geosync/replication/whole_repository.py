"""The reference `owed#*`: the whole repository is owed (backfill, resync, a deleted repository).

It is not copied here. Each page of the primary's tags becomes owed references, which the holder works off like any
other: they are tried, fail and are counted one by one. The cursor moves behind each page, so that the next invocation
goes on where this one stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from geosync.errors import NotFound
from geosync.oci.client import RegistryClient
from geosync.replication.lease import HeldLease
from geosync.replication.outcome import Outcome
from geosync.sync_registry.items import ABSENT, Owed, Reference, Seen
from geosync.sync_registry.registry import SyncRegistry

MARKERS = 8
"""Marks written side by side."""
SEEN_PAGE = 500


class WholeRepository:
    """Turns `owed#*` into owed tags."""

    def __init__(self, registry: SyncRegistry, primary: RegistryClient, held: HeldLease) -> None:
        self._registry = registry
        self._primary = primary
        self._held = held

    def sync(self, owed: Owed) -> Outcome:
        """Mark every tag that the primary lists, then every tag that Geosync has seen and the primary does not list.

        What becomes of the latter is decided for each when it is looked at: a listing is no proof that a tag is gone.
        Raises RegistryError when the primary can't be listed; only 404 NAME_UNKNOWN reads as "no tags".
        """
        expects = ABSENT if ABSENT in owed.expects else None
        listed: set[str] = set()
        resumed_after = owed.cursor
        with ThreadPoolExecutor(MARKERS, thread_name_prefix="mark") as pool:
            try:
                for page in self._primary.tags(owed.repository, last=resumed_after):
                    # A registry that knows no `last` starts at the beginning again, and its page is all there is.
                    listed.update(page)
                    self._mark(pool, owed.repository, page, None)
                    if page:
                        advanced = self._registry.advance(owed, page[-1])
                        if advanced is None:
                            return Outcome(discharged=False, marked_again=True)
                        owed = advanced
            except NotFound:
                pass
            for names in self._seen_but_not_listed(owed, listed, complete=resumed_after is None):
                self._mark(pool, owed.repository, names, expects)
        discharged = self._held.discharge(owed, None)
        return Outcome(discharged=discharged, marked_again=not discharged)

    def _mark(self, pool: ThreadPoolExecutor, repository: str, tags: Iterable[str], expects: str | None) -> None:
        def mark(tag: str) -> None:
            self._registry.mark(repository, Reference.tag(tag), expects=expects)

        for _ in pool.map(mark, tags):
            pass

    def _seen_but_not_listed(self, owed: Owed, listed: set[str], *, complete: bool) -> Iterable[list[str]]:
        """Pages of tags that were seen equal once and are not `listed`.

        When the listing was resumed the earlier pages are not known any more; then whatever was not looked at since the
        repository was marked is taken.
        """

        def is_missing(reference: Reference, seen: Seen) -> bool:
            return reference.value not in listed and (complete or seen.looked_at < owed.marked_at)

        after = ""
        while page := self._registry.seen_tags(owed.repository, limit=SEEN_PAGE, after=after):
            yield [reference.value for reference, seen in page if is_missing(reference, seen)]
            after = page[-1][0].seen_key
