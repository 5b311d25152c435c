"""Tags that the primary lists, compared with what this site has of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace

from geosync.clock import Clock
from geosync.comparing.context import ComparisonContext
from geosync.comparing.marking import Marker, equal_until
from geosync.errors import NotFound
from geosync.oci.listings import PAGE_SIZE, ListedTag
from geosync.oci.manifests import Descriptor
from geosync.pair.pair import Pair
from geosync.sync_registry.decisions import Look, proves_secondary
from geosync.sync_registry.items import Owed, Reference, Seen

PART = 200
"""Tags after which the cursor moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestListing:
    """The tags of a repository with their digests, as one listing gave them; it was begun at `asked_at` (ms)."""

    asked_at: int
    digests: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A tag that was looked at: its digest at the primary, what a HEAD said of it, and what was seen if it is equal."""

    digest: str
    described: Descriptor | None = None
    seen: Seen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPart:
    """Part of a listing after its comparison: how many tags were marked, and the others.

    `others` have their digests where the listing gave them; `looked` are the tags that were looked at.
    """

    marked: int
    others: Mapping[str, str | None]
    looked: Mapping[str, Compared]


def parts_of(page: list[ListedTag], after: str | None) -> Iterator[list[ListedTag]]:
    """Split a page into parts that the cursor can come between: an invocation may be too short for a whole page.

    A page longer than was asked for is all that there is, in any order (Distribution 2 knows neither `n` nor `last`).
    It is put in order, and what does not come after the cursor (`after`) is left out.
    """
    if len(page) > PAGE_SIZE:
        page = sorted((one for one in page if after is None or one.tag > after), key=lambda one: one.tag)
    for start in range(0, len(page), PART):
        yield page[start : start + PART]


def list_digests(pair: Pair, clock: Clock) -> DigestListing | None:
    """List all tags of the secondary's repository with their digests; None unless both registries' listings have them.

    A comparison then costs the pages of two listings, and no look at any tag.
    """
    if not (pair.primary.client.lists_digests and pair.secondary.client.lists_digests):
        return None
    asked_at = clock.now_ms()
    digests: dict[str, str | None] = {}
    with suppress(NotFound):
        for page in pair.secondary.tags_with_digests():
            digests.update(page)
    return DigestListing(asked_at=asked_at, digests=digests)


def describe(pair: Pair, tag: str) -> Compared | None:
    """Look at a tag at the primary only; None where there is none."""
    here = pair.primary.head_manifest(tag)
    return Compared(digest=here.digest, described=here) if here is not None else None


class TagComparison:
    """Compares tags, and marks those that differ. `listing` is the secondary's, None where each tag is looked at."""

    def __init__(
        self, context: ComparisonContext, marker: Marker, pool: Executor, listing: DigestListing | None
    ) -> None:
        self._context = context
        self._marker = marker
        self._pool = pool
        self._listing = listing

    def compare(self, owed: Owed, part: Iterable[ListedTag], asked_at: int) -> ComparedPart:
        """Mark the tags of `part` that were never seen equal, or are not equal now; record the others as looked at.

        `asked_at` (ms) is when the primary was asked for the page.
        """
        listed = dict(part)
        known = self._context.sync_registry.seen(owed.repository, map(Reference.tag, listed))

        def look(one: tuple[Reference, Seen]) -> tuple[str, Compared | None]:
            reference, before = one
            found = self._look(reference.value, listed[reference.value], before, asked_at)
            return reference.value, _as_announced(found, before)

        looked = {tag: found for tag, found in self._pool.map(look, known.items()) if found is not None}
        different = self._different(owed, listed, known, self._record(looked))
        self._marker.mark_different(owed, {Reference.tag(tag): equal_until(owed, seen) for tag, seen in different})
        marked = {tag for tag, _ in different}
        others = {tag: digest for tag, digest in listed.items() if tag not in marked}
        return ComparedPart(marked=len(marked), others=others, looked=looked)

    def _record(self, looked: Mapping[str, Compared]) -> set[Reference]:
        """Record the tags that were seen equal; returns those that are not owed."""
        seen = [(Reference.tag(tag), found.seen) for tag, found in looked.items() if found.seen is not None]
        return self._context.held.record(seen) if seen else set()

    def _different(
        self, owed: Owed, listed: Iterable[str], known: Mapping[Reference, Seen], recorded: set[Reference]
    ) -> list[tuple[str, Seen | None]]:
        """The tags to mark, with what was seen of each before."""
        different = {one: known.get(one) for one in map(Reference.tag, listed) if one not in recorded}
        if owed.walk is not None:
            # What is owed already is tried by itself, and what is parked waits for somebody to ask.
            for one in self._context.sync_registry.owed_among(owed.repository, different):
                del different[one]
        return [(one.value, seen) for one, seen in different.items()]

    def _look(self, tag: str, digest: str | None, before: Seen, asked_at: int) -> Compared | None:
        """Look at a tag, by the listings where they can tell; None: the primary no longer has it."""
        # What was written here since the listing began is newer than the listing.
        if digest is not None and self._listing is not None and before.seen_at < self._listing.asked_at:
            return self._look_at_listings(self._listing, tag, digest, asked_at)
        return self._look_at_both(tag)

    def _look_at_listings(self, there: DigestListing, tag: str, digest: str, asked_at: int) -> Compared:
        """Compare a tag by what both listings said; `seen` only if that shows and proves that they are equal."""
        equal = there.digests.get(tag) == digest
        if not (equal and proves_secondary(Look(digest, there.asked_at), self._context.held.lease.suspect_until)):
            return Compared(digest=digest)
        return Compared(digest=digest, seen=Seen(digest=digest, looked_at=asked_at, seen_at=there.asked_at))

    def _look_at_both(self, tag: str) -> Compared | None:
        """Look at a tag on both sides; `seen` only if that shows and proves that they are equal."""
        looked_at = self._context.clock.now_ms()
        here = describe(self._context.pair, tag)
        seen_at = self._context.clock.now_ms()
        there = self._context.pair.secondary.head_manifest(tag)
        if here is None or there is None or here.digest != there.digest:
            return here
        if not proves_secondary(Look(there.digest, seen_at), self._context.held.lease.suspect_until):
            return here
        return replace(here, seen=Seen(digest=here.digest, looked_at=looked_at, seen_at=seen_at))


def _as_announced(found: Compared | None, before: Seen) -> Compared | None:
    """Keep what is known of the announcement of a digest that was seen `before`: a look announces nothing."""
    if found is None or found.seen is None or found.seen.digest != before.digest:
        return found
    seen = replace(found.seen, unannounced=before.unannounced, suspected=before.suspected)
    return replace(found, seen=seen)
