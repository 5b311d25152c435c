"""Tags that Geosync put at the secondary and that the primary no longer lists.

A listing is no proof that a tag is gone: each is asked for by name. What the primary does not know is noted with the
time (`missing_since`), counted by the breaker, and stays. The next comparison that misses it, a window later, marks it
(MISSING). Then it is looked at once more after the settle time, and removed if the breaker is not on.

A tag whose deletion an event announced is left to that event. An event that named the repository alone named no tag. So
its tags are counted in the same way, and go at once unless they are too many: then they stay, until an operator accepts
that. Of a repository that was renamed, the tags that the primary has under the new name are not missing: they go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from geosync.comparing.context import ComparisonContext
from geosync.comparing.known import KnownTags
from geosync.comparing.marking import Marker
from geosync.oci.repository import Repository
from geosync.sync_registry.items import ABSENT, KEEP, MISSING, Owed, Reference, Seen
from geosync.sync_registry.site.breaker import Breaker

LOOKED_AT_ONCE = 500
"""Missing tags that are looked at between two writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removals:
    """Tells whether comparisons may remove tags: not while the breaker is on.

    `allowed`: those that are missing at the primary (False: the policy Deletes=keep). `outside`: those that left the
    selection (True: the policy OutsideSelection=remove).
    """

    breaker: Breaker
    allowed: bool = True
    outside: bool = False


class MissingTags:
    """Decides what becomes of a repository's missing tags, under one lease."""

    def __init__(self, context: ComparisonContext, marker: Marker, pool: Executor, removals: Removals) -> None:
        self._context = context
        self._marker = marker
        self._pool = pool
        self._removals = removals

    def settle(self, owed: Owed, known: KnownTags) -> list[str]:
        """Mark or note the unlisted tags of a repository that is owed as a whole; returns those that are missing.

        Raises RegistryError when the primary does not answer for a tag.
        """
        unlisted = self._unannounced(owed, known)
        if not unlisted:
            return []
        if KEEP in owed.if_absent:
            self._marker.mark(owed, _references(unlisted), if_absent=frozenset({KEEP}))
            return []
        accepted_at = self._removals.breaker.state().accepted_at
        again, first = by_note(unlisted, lambda seen: seen.missing_since)
        still = sum(since > accepted_at for _, since in again)
        new = self._note(owed, first, known.total, again=len(again), before=still)
        missing = [*_references(again), *new]
        if self._removals.allowed and still:
            self._count(owed, 0, still + len(new), known.total, going=len(missing))
        if self._removals.allowed and missing and self._let_go(owed, again, missing):
            return []
        return sorted(one.value for one in missing)

    def _let_go(self, owed: Owed, again: Sequence[tuple[Reference, int]], missing: Sequence[Reference]) -> bool:
        """Mark those of `missing` that may go; True: all of them, since an event announced the repository's deletion.

        `again` are those that an earlier comparison missed, with its time in ms.
        """
        breaker = self._removals.breaker
        state = breaker.state()
        if ABSENT in owed.expects and not state.stops:
            self._marker.mark(owed, missing, expects=ABSENT)
            return True
        removable = [one for one, since in again if breaker.may_remove(since, state)]
        self._marker.mark(owed, removable, if_absent=frozenset({MISSING}))
        return False

    def _unannounced(self, owed: Owed, known: KnownTags) -> list[tuple[Reference, Seen]]:
        """The unlisted tags whose deletion no event told of, without those under the new name: these are marked.

        A tag is left to its event also while that waits to be worked off.
        """
        if not known.unlisted:
            return []
        told = self._context.sync_registry.told_deleted(owed.repository, _references(known.unlisted))
        left = [(one, seen) for one, seen in known.unlisted if one not in told]
        if owed.renamed_to is None or KEEP in owed.if_absent:
            return left
        moved = self._named(_references(left), Repository(self._context.pair.primary.client, owed.renamed_to))
        self._marker.mark(owed, moved, expects=ABSENT)
        return [(one, seen) for one, seen in left if one not in moved]

    def _named(self, tags: Sequence[Reference], repository: Repository) -> set[Reference]:
        """Those of `tags` that a repository knows by name."""
        heads = self._pool.map(lambda one: repository.head_manifest(one.value), tags)
        return {one for one, head in zip(tags, heads, strict=True) if head is not None}

    def _note(
        self, owed: Owed, tags: Sequence[tuple[Reference, Seen]], total: int, *, again: int, before: int
    ) -> list[Reference]:
        """Note those of `tags` that are missing for the first time, counted by the breaker first; returns them.

        `again` of the repository's `total` tags were missing already, `before` without those that an operator accepted.
        """
        missing: list[Reference] = []
        for part in _parts(tags):
            looked_at = self._context.clock.now_ms()
            gone = self._gone(owed, part)
            missing += [reference for reference, _ in gone]
            if gone and self._removals.allowed:
                self._count(owed, len(gone), before + len(missing), total, going=again + len(missing))
            noted = [(one, replace(seen, missing_since=looked_at, outside_since=None)) for one, seen in gone]
            self._context.held.record(noted)
        return missing

    def _count(self, owed: Owed, new: int, missing: int, total: int, *, going: int) -> None:
        """Have the breaker count, after the finding has the number of tags that are `going`, accepted ones too.

        Else a decision that is made before this comparison ends would not know of them.
        """
        self._context.held.note_going(missing=going, of=total)
        self._removals.breaker.count_missing(owed.repository, new=new, missing=missing, of=total)

    def _gone(self, owed: Owed, tags: Sequence[tuple[Reference, Seen]]) -> list[tuple[Reference, Seen]]:
        """Those of `tags` that the primary does not know by name; the others are marked, as any that differ."""
        named = self._named(_references(tags), self._context.pair.primary)
        self._marker.mark(owed, [one for one, _ in tags if one in named])
        return [(one, seen) for one, seen in tags if one not in named]


def by_note(
    tags: Sequence[tuple[Reference, Seen]], since: Callable[[Seen], int | None]
) -> tuple[list[tuple[Reference, int]], list[tuple[Reference, Seen]]]:
    """Split `tags` into those that a comparison noted before, each with its time in ms, and the others."""
    noted: list[tuple[Reference, int]] = []
    others: list[tuple[Reference, Seen]] = []
    for reference, seen in tags:
        at = since(seen)
        if at is None:
            others.append((reference, seen))
        else:
            noted.append((reference, at))
    return noted, others


def _references(tags: Sequence[tuple[Reference, object]]) -> list[Reference]:
    return [one for one, _ in tags]


def _parts(tags: Sequence[tuple[Reference, Seen]]) -> Iterator[Sequence[tuple[Reference, Seen]]]:
    for start in range(0, len(tags), LOOKED_AT_ONCE):
        yield tags[start : start + LOOKED_AT_ONCE]
