"""The reference `owed#*`: the whole repository is owed (backfill, comparison, resync, a deleted repository).

Nothing is copied here. Each page of the primary's tags is compared with what the secondary has; what was never seen
equal, or is not equal now, becomes an owed reference, which the holder works off like any other: tried, failed and
counted one by one. The cursor moves behind each page, so that the next invocation goes on where this one stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from geosync.errors import NotFound
from geosync.registries.registry import ListedTag, Registry
from geosync.replication.lease import HeldLease
from geosync.replication.outcome import Outcome
from geosync.selection import Selection
from geosync.sync_registry.decisions import Look, proves_secondary
from geosync.sync_registry.items import ABSENT, Owed, Reference, Seen
from geosync.sync_registry.protocol import Comparison
from geosync.sync_registry.registry import SyncRegistry, wall_clock

PARALLELISM = 8
"""Marks or looks side by side."""
SEEN_PAGE = 500
"""Tags read at a time that were seen once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """The tags of a repository as one listing gave them; it was begun at `asked_at`."""

    asked_at: int
    digests: Mapping[str, str | None]


class WholeRepository:
    """Turns `owed#*` into owed tags, under one lease."""

    def __init__(
        self,
        registry: SyncRegistry,
        held: HeldLease,
        *,
        primary: Registry,
        secondary: Registry,
        secondary_repository: str,
        selection: Selection,
    ) -> None:
        self._registry = registry
        self._held = held
        self._primary = primary
        self._secondary = secondary
        self._secondary_repository = secondary_repository
        self._there: _Listing | None = None
        self._selection = selection

    def sync(self, owed: Owed) -> Outcome:
        """Mark the tags that the primary lists and the secondary has not, then those it does not list any more.

        What becomes of the latter is decided for each when it is looked at: a listing is no proof that a tag is gone.
        Raises RegistryError when a registry does not answer; only 404 NAME_UNKNOWN reads as "no tags".
        """
        expects = ABSENT if ABSENT in owed.expects else None
        listed: set[str] = set()
        resumed_after = owed.cursor
        with ThreadPoolExecutor(PARALLELISM, thread_name_prefix="whole") as pool:
            with suppress(NotFound):
                # A registry that knows no `last` begins at the beginning again, and its page is all there is.
                self._there = self._list_secondary()
                asked_at = wall_clock()
                for page in self._primary.tags_with_digests(owed.repository, last=resumed_after):
                    listed.update(one.tag for one in page)
                    selected = self._selected(owed.repository, page)
                    found = self._compare(pool, owed, selected, asked_at)
                    self._registry.count_page(owed, tags=len(selected), found=found)
                    if page:
                        advanced = self._registry.advance(owed, page[-1].tag)
                        if advanced is None:
                            return Outcome(discharged=False, marked_again=True)
                        owed = advanced
                    asked_at = wall_clock()
            for names in self._seen_but_not_listed(owed, listed, complete=resumed_after is None):
                self._mark(pool, owed, dict.fromkeys(names), expects)
        discharged = self._held.discharge(owed, None)
        return Outcome(discharged=discharged, marked_again=not discharged)

    def _selected(self, repository: str, page: list[ListedTag]) -> list[ListedTag]:
        return [one for one in page if self._selection.has_tag(repository, one.tag)]

    def _list_secondary(self) -> _Listing | None:
        """All tags of the secondary's repository with their digests, where both registries' listings have them.

        Then a comparison costs their pages, and no look at any tag.
        """
        if not (self._primary.lists_digests and self._secondary.lists_digests):
            return None
        asked_at = wall_clock()
        digests: dict[str, str | None] = {}
        with suppress(NotFound):
            for page in self._secondary.tags_with_digests(self._secondary_repository):
                digests.update(page)
        return _Listing(asked_at=asked_at, digests=digests)

    def _compare(self, pool: ThreadPoolExecutor, owed: Owed, page: list[ListedTag], asked_at: int) -> int:
        """Mark those of a page that were never seen equal, or are not now; note the others as looked at.

        `asked_at`: when the primary was asked for the page. Returns how many were marked.
        """
        repository = owed.repository
        listed = dict(page)
        known = self._registry.seen(repository, map(Reference.tag, listed))

        def look(one: tuple[Reference, Seen]) -> tuple[Reference, Seen] | None:
            reference, before = one
            digest = listed[reference.value]
            # What was written here since the listing began is newer than the listing.
            if digest is not None and self._there is not None and before.seen_at < self._there.asked_at:
                return self._by_listing(reference, digest, asked_at)
            return self._look(repository, reference.value)

        seen = [pair for pair in pool.map(look, known.items()) if pair]
        recorded = self._registry.record(self._held.lease, seen) if seen else set()
        different = {tag: known.get(one) for tag in listed if (one := Reference.tag(tag)) not in recorded}
        if owed.walk is not None:
            # What is owed already is tried by itself, and what is parked waits for somebody to ask.
            for one in self._registry.owed_among(repository, map(Reference.tag, different)):
                del different[one.value]
        self._mark(pool, owed, {tag: _equal_until(owed, seen) for tag, seen in different.items()}, None)
        return len(different)

    def _by_listing(self, reference: Reference, digest: str, asked_at: int) -> tuple[Reference, Seen] | None:
        """Compare a tag by what both listings said; None unless that shows and proves that they are equal."""
        there = self._there
        assert there is not None  # noqa: S101 - the caller has looked
        if there.digests.get(reference.value) != digest:
            return None
        if not proves_secondary(Look(digest, there.asked_at), self._held.lease.suspect_until):
            return None
        return reference, Seen(digest=digest, looked_at=asked_at, seen_at=there.asked_at)

    def _look(self, repository: str, tag: str) -> tuple[Reference, Seen] | None:
        """Look at a tag on both sides; None unless that shows and proves that they are equal."""
        looked_at = wall_clock()
        here = self._primary.head_manifest(repository, tag)
        seen_at = wall_clock()
        there = self._secondary.head_manifest(self._secondary_repository, tag)
        if here is None or there is None or here.digest != there.digest:
            return None
        if not proves_secondary(Look(there.digest, seen_at), self._held.lease.suspect_until):
            return None
        return Reference.tag(tag), Seen(digest=here.digest, looked_at=looked_at, seen_at=seen_at)

    def _mark(self, pool: ThreadPoolExecutor, owed: Owed, tags: Mapping[str, int | None], expects: str | None) -> None:
        """Mark `tags`, which map to the moment until which each is known to have been equal (None: that says nothing).

        After the first complete comparison, a difference is one that no notification told of.
        """
        comparison = None
        if owed.walk is not None:
            comparison = Comparison(walk=owed.walk, unannounced=owed.pushed_at > 0)

        def mark(tag: str) -> None:
            self._registry.mark(
                owed.repository, Reference.tag(tag), expects=expects, pushed_at=tags[tag], comparison=comparison
            )

        for _ in pool.map(mark, tags):
            pass

    def _seen_but_not_listed(self, owed: Owed, listed: set[str], *, complete: bool) -> Iterable[list[str]]:
        """Pages of tags that were seen equal once and are not `listed`.

        When the listing was resumed the earlier pages are not known any more; then whatever was not looked at since the
        repository was marked is taken. A tag that is not selected any more is taken, too, to be forgotten.
        """

        def is_missing(reference: Reference, seen: Seen) -> bool:
            if not self._selection.has(owed.repository, reference):
                return True
            return reference.value not in listed and (complete or seen.looked_at < owed.marked_at)

        after = ""
        while page := self._registry.seen_tags(owed.repository, limit=SEEN_PAGE, after=after):
            yield [reference.value for reference, seen in page if is_missing(reference, seen)]
            after = page[-1][0].seen_key


def _equal_until(owed: Owed, seen: Seen | None) -> int | None:
    """The last moment (ms) at which a tag is known to have been equal: when it was looked at, or all of them were.

    None: nothing is known, as somebody else than a comparison asked.
    """
    looked_at = seen.looked_at if seen is not None else None
    return looked_at if owed.walk is None else max(owed.pushed_at, looked_at or 0)
