"""The comparison of one repository: the reference `owed#*` (backfill, comparison, resync, a deleted repository).

Nothing is copied here. Each page of the primary's tags is compared with what the secondary has (tags.py). What was
never seen equal, or is not equal now, becomes an owed reference, which the holder works off like any other: tried,
failed and counted one by one. So do referrers without a tag (missing_referrers.py) and, before all else, copies that
were half done when they left the selection (halves.py). The cursor moves behind each part of a page, so that the next
invocation goes on where this one stopped. Then come images without a tag, where the primary's registry lists them
(untagged.py), the tags that the primary no longer has (missing.py), those that left the selection (outside.py), and
those that Geosync never put here (extra.py). The primary is not asked about a repository outside the selection.
"""

from __future__ import annotations

from dataclasses import dataclass

from geosync.comparing.context import ComparisonContext
from geosync.comparing.extra import ExtraTags
from geosync.comparing.halves import mark_halves
from geosync.comparing.known import KnownTags, read_known
from geosync.comparing.looks import TagLooks, list_secondary
from geosync.comparing.marking import Marker
from geosync.comparing.missing import MissingTags, Removals
from geosync.comparing.missing_referrers import MissingReferrers
from geosync.comparing.outside import OutsideTags
from geosync.comparing.tags import TagComparison, parts_of
from geosync.comparing.untagged import UntaggedImages
from geosync.copying.outcome import Outcome
from geosync.errors import NotFound
from geosync.oci.listings import ListedTag
from geosync.pair.presence import is_listed
from geosync.sync_registry.items import Owed
from geosync.sync_registry.site.findings import MOST_NAMES, Finding, names_digest
from geosync.threads import SYSTEM_THREADS, Threads

PARALLELISM = 8
"""Marks or looks side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    """The primary's listing after all of it was compared. `gone`: the primary does not know the repository at all."""

    owed: Owed
    listed: set[str]
    gone: bool


class RepositoryComparison:
    """Turns `owed#*` into owed tags and digests, under one lease."""

    def __init__(self, context: ComparisonContext, *, removals: Removals, threads: Threads = SYSTEM_THREADS) -> None:
        self._context = context
        self._sync_registry = context.sync_registry
        self._removals = removals
        self._threads = threads
        self.bare_at: int | None = None
        """When the secondary was asked for its tags and listed none (ms); None: it was not, or there were some."""

    def sync(self, owed: Owed) -> Outcome:
        """Mark the tags that the primary lists and the secondary lacks; note what is missing and what is extra.

        A tag that the primary no longer lists is looked at by itself, and decided then: a listing is no proof that a
        tag is gone. Raises RegistryError when a registry does not answer; only a 404 reads
        as "no tags". Raises OutOfTime where the invocation may have a former selection.
        """
        context = self._context
        self._sync_registry.subscription.check_selection(context.selection.fingerprint)
        before = self._sync_registry.findings.get(owed.repository)
        if not context.selection.has_repository(owed.repository):
            return self._sync_outside(owed, before)
        from_the_beginning = owed.cursor is None
        with self._threads.pool(PARALLELISM, name="whole") as pool:
            marker = Marker(self._sync_registry, context.held, pool)
            listing = list_secondary(context.pair, context.clock)
            self.bare_at = listing.asked_at if listing is not None and not listing.digests else None
            if halves := mark_halves(context, marker, owed):
                self._sync_registry.walks.count_page(owed, tags=0, found=halves)
            tags = TagComparison(context, marker, pool, TagLooks(context, listing))
            walked = self._walk(owed, tags, MissingReferrers(context, marker, pool))
            if walked is None:
                return Outcome(discharged=False, marked_again=True)
            owed = walked.owed
            if not walked.gone:
                untagged = UntaggedImages(context, marker, pool).compare(owed)
                if untagged:
                    self._sync_registry.walks.count_page(owed, tags=0, found=untagged)
            known = read_known(context, owed, walked.listed, complete=from_the_beginning)
            missing = MissingTags(context, marker, pool, self._removals).settle(owed, known)
            outside = OutsideTags(context, marker, self._removals).settle(owed, known.outside, inside=known.total)
            extras = None
            if listing is not None:
                extras = ExtraTags(context, marker).among(owed, listing.digests.keys() - walked.listed - known.names)
        found = self._finding(known, missing, outside, extras=extras, before=before, gone=walked.gone)
        return self._end(owed, found, before, known, absent=walked.gone)

    def _sync_outside(self, owed: Owed, before: Finding | None) -> Outcome:
        """See to the tags of a repository that left the selection altogether."""
        context = self._context
        with self._threads.pool(PARALLELISM, name="whole") as pool:
            tags = OutsideTags(context, Marker(self._sync_registry, context.held, pool), self._removals)
            known = read_known(context, owed, (), complete=True)
            tags.mark_parked(owed)
            outside = tags.settle(owed, known.outside, inside=0)
        gone = before is not None and before.gone  # as it was last seen
        found = self._finding(known, [], outside, extras=set(), before=before, gone=gone)
        return self._end(owed, found, before, known)

    def _end(
        self, owed: Owed, found: Finding, before: Finding | None, known: KnownTags, *, absent: bool = False
    ) -> Outcome:
        self._record(found, before, known)
        discharged = self._context.held.discharge(owed, None)
        return Outcome(discharged=discharged, marked_again=not discharged, absent=discharged and absent)

    def _walk(self, owed: Owed, tags: TagComparison, referrers: MissingReferrers) -> _Walked | None:
        """Compare the primary's tags behind the cursor, part by part; None when the repository was marked again."""
        listed: set[str] = set()
        resumed_after = passed = owed.cursor
        gone = False
        try:
            asked_at = self._context.clock.now_ms()
            # A registry that knows no `last` begins at the beginning again, and its page is all there is; what was
            # compared of it is passed over in `parts_of`.
            for page in self._context.pair.primary.tags_with_digests(last=resumed_after):
                listed.update(one.tag for one in page)
                for part in parts_of(page, passed):
                    self._context.check()
                    selected = self._selected(part)
                    compared = tags.compare(owed, selected, asked_at)
                    found = compared.marked + referrers.compare(owed, compared)
                    self._sync_registry.walks.count_page(owed, tags=len(selected), found=found)
                    advanced = self._sync_registry.advance(owed, part[-1].tag)
                    if advanced is None:
                        return None
                    owed = advanced
                passed = None
                asked_at = self._context.clock.now_ms()
        except NotFound:
            gone = not listed and resumed_after is None
        else:
            if not listed and resumed_after is None:
                gone = not is_listed(self._context.pair.primary)
        return _Walked(owed=owed, listed=listed, gone=gone)

    def _selected(self, part: list[ListedTag]) -> list[ListedTag]:
        repository = self._context.pair.name
        return [one for one in part if self._context.selection.has_tag(repository, one.tag)]

    def _finding(
        self,
        known: KnownTags,
        missing: list[str],
        outside: list[str],
        *,
        extras: set[str] | None,
        before: Finding | None,
        gone: bool,
    ) -> Finding:
        """Sum up what was found. `extras` None: they could not be listed, so that what was found `before` stays."""
        if extras is None:
            extra, names = (before.extra, before.extra_names) if before is not None else (0, ())
            digest = before.digests[1] if before is not None and before.digests else ""
        else:
            extra, names = len(extras), tuple(sorted(extras)[:MOST_NAMES])
            digest = names_digest(extras)
        return Finding(
            repository=self._context.pair.name,
            found_at=self._context.clock.now_ms(),
            of=known.total,
            missing=len(missing),
            missing_names=tuple(missing[:MOST_NAMES]),
            extra=extra,
            extra_names=names,
            outside=len(outside),
            outside_names=tuple(outside[:MOST_NAMES]),
            digests=(names_digest(missing), digest, names_digest(outside)),
            gone=gone,
        )

    def _record(self, found: Finding, before: Finding | None, known: KnownTags) -> None:
        """Record what was found, for status, and in the row whether the primary knows the repository at all."""
        held = self._context.held
        if found.gone != (before is not None and before.gone):
            held.note_missing_on_primary(missing=found.gone)
        # Where the breaker was to count tags, this comparison wrote their number already.
        is_begun = known.unlisted or known.outside
        held.record_finding(found, self._sync_registry.findings.get(found.repository) if is_begun else before)
        if before is not None and (found.missing < before.missing or found.outside < before.outside):
            self._removals.breaker.resume_if_back()
