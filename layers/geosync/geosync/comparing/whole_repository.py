"""The reference `owed#*`: the whole repository is owed (backfill, comparison, resync, a deleted repository).

Nothing is copied here. Each page of the primary's tags is compared with what the secondary has; what was never seen
equal, or is not equal now, becomes an owed reference, which the holder works off like any other: tried, failed and
counted one by one. So does what refers to an image and has no tag (missing_referrers.py). The cursor moves behind each
part of a page, so that the next invocation goes on where this one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from geosync.comparing.missing import Known, MissingTags
from geosync.comparing.missing_referrers import MissingReferrers
from geosync.copying.outcome import Outcome
from geosync.copying.referrers import is_fallback_tag
from geosync.errors import NotFound, Refused, Unauthorized
from geosync.oci.listings import PAGE_SIZE, ListedTag
from geosync.oci.manifests import Descriptor
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry
from geosync.sync_registry.decisions import Look, proves_secondary
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import ADOPT, Owed, Reference, Seen
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.site import findings
from geosync.sync_registry.site.breaker import Breaker
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.table.changes import Store
from geosync.sync_registry.transitions.marks import Comparison, Mark

PARALLELISM = 8
"""Marks or looks side by side."""
PART = 200
"""Tags after which the cursor moves."""
SEEN_PAGE = 500
"""Tags read at a time that were seen once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """The tags of a repository as one listing gave them; it was begun at `asked_at`."""

    asked_at: int
    digests: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """A tag that was looked at: its digest at the primary, what a HEAD said of it, and what was seen if it is equal."""

    digest: str
    described: Descriptor | None = None
    seen: Seen | None = None


def _parts(page: list[ListedTag], after: str | None) -> Iterator[list[ListedTag]]:
    """A page in parts that the cursor can come between: one invocation need not be long enough for a page.

    A page longer than was asked for is all that there is, in any order (Distribution 2 knows neither `n` nor `last`):
    it is put in order, and what comes not `after` where the cursor was is left out.
    """
    if len(page) > PAGE_SIZE:
        page = sorted((one for one in page if after is None or one.tag > after), key=lambda one: one.tag)
    for start in range(0, len(page), PART):
        yield page[start : start + PART]


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
        store: Store,
        breaker: Breaker,
        removals: bool,
        check: Callable[[], None],
    ) -> None:
        """`check` raises OutOfTime when the holder stops."""
        self._registry = registry
        self._held = held
        self._primary = primary
        self._secondary = secondary
        self._secondary_repository = secondary_repository
        self._there: _Listing | None = None
        self._selection = selection
        self._store = store
        self._breaker = breaker
        self._removals = removals
        self._missing = MissingTags(registry, held, breaker, primary=primary)
        self._check = check

    def sync(self, owed: Owed) -> Outcome:
        """Mark the tags that the primary lists and the secondary has not; note what is missing and what is extra.

        What becomes of a tag that the primary does not list any more is decided when it is looked at by itself: a
        listing is no proof that a tag is gone. Raises RegistryError when a registry does not answer; only a 404 reads
        as "no tags".
        """
        before = findings.get(self._store, owed.repository)
        listed: set[str] = set()
        resumed_after, gone = owed.cursor, False
        self._referrers = MissingReferrers(
            primary=self._primary,
            repository=owed.repository,
            secondary=self._secondary,
            secondary_repository=self._secondary_repository,
            check=self._check,
        )
        with ThreadPoolExecutor(PARALLELISM, thread_name_prefix="whole") as pool:
            self._there = self._list_secondary()
            try:
                # A registry that knows no `last` begins at the beginning again, and its page is all there is; what was
                # compared of it is passed over in `_parts`.
                asked_at = wall_clock()
                passed = resumed_after
                for page in self._primary.tags_with_digests(owed.repository, last=resumed_after):
                    listed.update(one.tag for one in page)
                    for part in _parts(page, passed):
                        self._check()
                        selected = self._selected(owed.repository, part)
                        found = self._compare(pool, owed, selected, asked_at)
                        self._registry.count_page(owed, tags=len(selected), found=found)
                        advanced = self._registry.advance(owed, part[-1].tag)
                        if advanced is None:
                            return Outcome(discharged=False, marked_again=True)
                        owed = advanced
                    passed = None
                    asked_at = wall_clock()
            except NotFound:
                gone = not listed and resumed_after is None
            candidates = self._candidates()
            known = self._known(pool, owed, listed, complete=resumed_after is None)
            missing = self._missing.sync(pool, owed, known, removals=self._removals)
            extras = None
            if candidates is not None:
                extras = self._extras(pool, owed, candidates - listed - known.names)
        self._report(owed, before, known, missing, extras, gone=gone)
        discharged = self._held.discharge(owed, None)
        return Outcome(discharged=discharged, marked_again=not discharged)

    def _candidates(self) -> set[str] | None:
        """All tags of the secondary's repository; None where listing them is not permitted.

        Listed before what is known is read: what Geosync put there is owed until, in one transaction, it is known.
        """
        if self._there is not None:
            return set(self._there.digests)
        try:
            return {tag for page in self._secondary.tags(self._secondary_repository) for tag in page}
        except NotFound:
            return set()
        except (Unauthorized, Refused):
            return None

    def _extras(self, pool: ThreadPoolExecutor, owed: Owed, tags: set[str]) -> set[str]:
        """Those of `tags` that are extra: selected, neither known nor owed, and no list of referrers that is kept here.

        `tags` are without those that the primary listed now; those that it listed to an earlier holder, behind whose
        cursor this one began, are known or owed. Extra tags are never removed, but if an operator adopts them.
        """
        named = {tag for tag in self._selection.tags(owed.repository, tags) if not is_fallback_tag(tag)}
        ours = self._registry.owed_among(owed.repository, map(Reference.tag, named))
        ours |= self._registry.seen(owed.repository, {Reference.tag(tag) for tag in named} - ours).keys()  # since paid
        extra = {tag for tag in named if Reference.tag(tag) not in ours}
        if ADOPT in owed.if_absent:
            self._mark_for_itself(pool, owed, extra, frozenset({ADOPT}))
            return set()
        return extra

    def _report(
        self,
        owed: Owed,
        before: Finding | None,
        known: Known,
        missing: list[str],
        extras: set[str] | None,
        *,
        gone: bool,
    ) -> None:
        """Write down what was found, for status, and in the row whether the primary knows the repository at all."""
        if extras is None:
            extra, names = (before.extra, before.extra_names) if before is not None else (0, ())
        else:
            extra, names = len(extras), tuple(sorted(extras)[: findings.MOST_NAMES])
        found = Finding(
            repository=owed.repository,
            found_at=wall_clock(),
            of=known.of,
            missing=len(missing),
            missing_names=tuple(missing[: findings.MOST_NAMES]),
            extra=extra,
            extra_names=names,
            gone=gone,
        )
        if gone != (before is not None and before.gone):
            self._registry.note_missing_on_primary(self._held.lease, missing=gone)
        findings.put(self._store, found, before)
        if before is not None and found.missing < before.missing:
            self._breaker.fewer_missing()

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

        Mark as well what refers to the others and is missing: with a tag that is marked here, it comes. `asked_at`:
        when the primary was asked for the page. Returns how many were marked.
        """
        repository = owed.repository
        listed = dict(page)
        known = self._registry.seen(repository, map(Reference.tag, listed))

        def look(one: tuple[Reference, Seen]) -> tuple[Reference, _Compared | None]:
            reference, before = one
            digest = listed[reference.value]
            # What was written here since the listing began is newer than the listing.
            if digest is not None and self._there is not None and before.seen_at < self._there.asked_at:
                return reference, self._by_listing(reference, digest, asked_at)
            return reference, self._look(repository, reference.value)

        looked = {reference.value: found for reference, found in pool.map(look, known.items()) if found is not None}
        seen = [(Reference.tag(tag), found.seen) for tag, found in looked.items() if found.seen is not None]
        recorded = self._registry.record(self._held.lease, seen) if seen else set()
        different = {tag: known.get(one) for tag in listed if (one := Reference.tag(tag)) not in recorded}
        if owed.walk is not None:
            # What is owed already is tried by itself, and what is parked waits for somebody to ask.
            for one in self._registry.owed_among(repository, map(Reference.tag, different)):
                del different[one.value]
        marked = {Reference.tag(tag): _equal_until(owed, seen) for tag, seen in different.items()}
        self._mark(pool, owed, marked)
        others = {tag: digest for tag, digest in listed.items() if tag not in different}
        return len(marked) + self._compare_referrers(pool, owed, others, looked)

    def _compare_referrers(
        self,
        pool: ThreadPoolExecutor,
        owed: Owed,
        tags: Mapping[str, str | None],
        looked: Mapping[str, _Compared],
    ) -> int:
        """Mark what refers to `tags` (with their digests, where a listing gave them) and is missing; returns how many.

        A tag whose referrers cannot be told is marked itself: its own failure says why, and the others go on.
        """
        tag_of: dict[str, str] = {}
        missing: set[str] = set()
        unread: set[str] = set()

        def describe(tag: str) -> tuple[str, _Compared | None]:
            digest = tags[tag]
            if tag in looked:
                return tag, looked[tag]
            return tag, _Compared(digest=digest) if digest is not None else self._described(owed.repository, tag)

        told = [tag for tag, digest in tags.items() if tag in looked or digest is not None]
        untold = sorted(tags.keys() - set(told))
        # A look at each of the others is worth it where there is an API: one tells, if nothing has told before.
        for some in (told, untold[:1], untold[1:]):
            if self._referrers.unavailable:
                break
            found = {tag: one for tag, one in pool.map(describe, some) if one is not None}
            tag_of = {one.digest: tag for tag, one in found.items()} | tag_of
            lacked, failed = self._referrers.of(pool, {one.digest: one.described for one in found.values()})
            missing |= lacked
            unread |= failed
        references = [
            *map(Reference.digest, sorted(missing)),
            *(Reference.tag(tag_of[one]) for one in sorted(unread)),
        ]
        if owed.walk is not None and references:
            already = self._registry.owed_among(owed.repository, references)
            references = [one for one in references if one not in already]
        known = self._registry.seen(owed.repository, references) if references else {}
        self._mark(pool, owed, {one: _equal_until(owed, known.get(one)) for one in references})
        return len(references)

    def _by_listing(self, reference: Reference, digest: str, asked_at: int) -> _Compared:
        """Compare a tag by what both listings said; seen only if that shows and proves that they are equal."""
        there = self._there
        assert there is not None  # noqa: S101 - the caller has looked
        equal = there.digests.get(reference.value) == digest
        if not (equal and proves_secondary(Look(digest, there.asked_at), self._held.lease.suspect_until)):
            return _Compared(digest=digest)
        return _Compared(digest=digest, seen=Seen(digest=digest, looked_at=asked_at, seen_at=there.asked_at))

    def _look(self, repository: str, tag: str) -> _Compared | None:
        """Look at a tag on both sides; seen only if that shows and proves that they are equal. None: it is gone."""
        looked_at = wall_clock()
        here = self._described(repository, tag)
        seen_at = wall_clock()
        there = self._secondary.head_manifest(self._secondary_repository, tag)
        if here is None or there is None or here.digest != there.digest:
            return here
        if not proves_secondary(Look(there.digest, seen_at), self._held.lease.suspect_until):
            return here
        return replace(here, seen=Seen(digest=here.digest, looked_at=looked_at, seen_at=seen_at))

    def _described(self, repository: str, tag: str) -> _Compared | None:
        here = self._primary.head_manifest(repository, tag)
        return _Compared(digest=here.digest, described=here) if here is not None else None

    def _mark(self, pool: ThreadPoolExecutor, owed: Owed, references: Mapping[Reference, int | None]) -> None:
        """Mark `references`: each with the moment until which it is known to have been equal (None: nothing is known).

        After the first complete comparison, a difference is one that no notification told of.
        """
        comparison = None
        if owed.walk is not None:
            comparison = Comparison(walk=owed.walk, unannounced=owed.pushed_at > 0)

        def mark(reference: Reference) -> None:
            self._registry.mark(
                owed.repository,
                reference,
                Mark(pushed_at=references[reference], comparison=comparison, since=owed.marked_at),
            )

        for _ in pool.map(mark, references):
            pass

    def _mark_for_itself(
        self, pool: ThreadPoolExecutor, owed: Owed, tags: Iterable[str], if_absent: frozenset[str] = frozenset()
    ) -> None:
        """Mark `tags` that are no difference that a comparison found."""

        def mark(tag: str) -> None:
            self._registry.mark(owed.repository, Reference.tag(tag), Mark(if_absent=if_absent, since=owed.marked_at))

        for _ in pool.map(mark, tags):
            pass

    def _known(self, pool: ThreadPoolExecutor, owed: Owed, listed: set[str], *, complete: bool) -> Known:
        """The tags that were seen equal once, and those of them that are not `listed`.

        When the listing was resumed the earlier pages are not known any more; then whatever was not looked at since the
        repository was marked counts as not listed. A tag that is not selected any more is marked, to be forgotten.
        """
        names: set[str] = set()
        unlisted: list[tuple[Reference, Seen]] = []
        after = ""
        while page := self._registry.seen_tags(owed.repository, limit=SEEN_PAGE, after=after):
            left = {one.value for one, _ in page if not self._selection.has(owed.repository, one)}
            self._mark_for_itself(pool, owed, left)
            for reference, seen in page:
                if reference.value in left:
                    continue
                names.add(reference.value)
                if reference.value not in listed and (complete or seen.looked_at < owed.marked_at):
                    unlisted.append((reference, seen))
            after = page[-1][0].seen_key
        return Known(names=frozenset(names), unlisted=unlisted)


def _equal_until(owed: Owed, seen: Seen | None) -> int | None:
    """The last moment (ms) at which a tag is known to have been equal: when it was looked at, or all of them were.

    None: nothing is known, as somebody else than a comparison asked.
    """
    looked_at = seen.looked_at if seen is not None else None
    return looked_at if owed.walk is None else max(owed.pushed_at, looked_at or 0)
