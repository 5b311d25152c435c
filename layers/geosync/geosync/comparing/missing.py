"""Tags that Geosync put at the secondary and that the primary no longer lists.

A listing is no proof that a tag is gone: each is asked for by name. What the primary does not know is noted with the
time (`missing_since`), counted by the breaker, and stays. The next comparison that misses it, a window later, marks it
(MISSING). Then it is looked at once more after the settle time, and removed if the breaker is not on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from geosync.comparing.context import ComparisonContext
from geosync.comparing.known import KnownTags
from geosync.comparing.marking import Marker
from geosync.sync_registry.items import ABSENT, KEEP, MISSING, Owed, Reference, Seen
from geosync.sync_registry.site.breaker import Breaker

LOOKED_AT_ONCE = 500
"""Missing tags that are looked at before it is written down that they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removals:
    """May comparisons remove tags? Not while the breaker is on.

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
        if not known.unlisted:
            return []
        breaker = self._removals.breaker
        state = breaker.state()
        if KEEP in owed.if_absent or (ABSENT in owed.expects and not state.suspended):
            self._mark_each(owed, known)
            return []
        again = [(one, seen.missing_since) for one, seen in known.unlisted if seen.missing_since is not None]
        first = [(one, seen) for one, seen in known.unlisted if seen.missing_since is None]
        accepted = sum(since <= state.accepted_at for _, since in again)
        missing = [reference.value for reference, _ in again]
        missing += self._note(owed, first, known.total, before=len(missing) - accepted)
        if self._removals.allowed:
            state = breaker.state() if first else state
            removable = [one for one, since in again if breaker.may_remove(since, state)]
            self._marker.mark(owed, removable, if_absent=frozenset({MISSING}))
        return sorted(missing)

    def _mark_each(self, owed: Owed, known: KnownTags) -> None:
        """Have each tag proved for itself: an operator spoke of the whole repository, or its deletion was announced."""
        unlisted = [one for one, _ in known.unlisted]
        if KEEP in owed.if_absent:
            self._marker.mark(owed, unlisted, if_absent=frozenset({KEEP}))
        else:
            self._marker.mark(owed, unlisted, expects=ABSENT)

    def _note(self, owed: Owed, tags: Sequence[tuple[Reference, Seen]], total: int, *, before: int) -> list[str]:
        """Note those of `tags` that are missing for the first time, counted by the breaker first; returns their names.

        `before` of the repository's `total` tags were missing already, without those that an operator accepted.
        """
        missing: list[str] = []
        for part in _parts(tags):
            looked_at = self._context.clock.now_ms()
            gone = self._gone(owed, part)
            missing += [reference.value for reference, _ in gone]
            if gone and self._removals.allowed:
                counted = before + len(missing)
                self._removals.breaker.count_missing(owed.repository, new=len(gone), missing=counted, of=total)
            noted = [(one, replace(seen, missing_since=looked_at, outside_since=None)) for one, seen in gone]
            self._context.held.record(noted)
        return missing

    def _gone(self, owed: Owed, tags: Sequence[tuple[Reference, Seen]]) -> list[tuple[Reference, Seen]]:
        """Those of `tags` that the primary does not know by name; the others are marked, as any that differ."""
        heads = self._pool.map(lambda one: self._context.pair.primary.head_manifest(one[0].value), tags)
        looked = list(zip(tags, heads, strict=True))
        self._marker.mark(owed, [one for (one, _), head in looked if head is not None])
        return [one for one, head in looked if head is None]


def _parts(tags: Sequence[tuple[Reference, Seen]]) -> Iterator[Sequence[tuple[Reference, Seen]]]:
    for start in range(0, len(tags), LOOKED_AT_ONCE):
        yield tags[start : start + LOOKED_AT_ONCE]
