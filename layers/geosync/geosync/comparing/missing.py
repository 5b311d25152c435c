"""Tags that Geosync put at the secondary and that the primary's listing has no more.

A listing is no proof that a tag is gone: each is asked for by name. What the primary does not know is noted with the
time (`missing_since`), counted by the breaker, and stays. The next comparison that misses it, a window later, marks it
(MISSING): then it is looked at once more after the settle time, and removed if the breaker is not on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from geosync.registries.registry import Registry
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import ABSENT, KEEP, MISSING, Owed, Reference, Seen
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.site.breaker import Breaker
from geosync.sync_registry.transitions.marks import Mark

LOOKED_AT_ONCE = 500
"""Missing tags that are looked at before it is written down that they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The tags of a repository that were seen equal once: `of` in number, and those that were not listed now."""

    names: frozenset[str]
    unlisted: Sequence[tuple[Reference, Seen]]

    @property
    def of(self) -> int:
        """How many there are."""
        return len(self.names)


class MissingTags:
    """Decides what becomes of a repository's missing tags, under one lease."""

    def __init__(self, registry: SyncRegistry, held: HeldLease, breaker: Breaker, *, primary: Registry) -> None:
        self._registry = registry
        self._held = held
        self._breaker = breaker
        self._primary = primary

    def sync(self, pool: Executor, owed: Owed, known: Known, *, removals: bool) -> list[str]:
        """Mark or note the unlisted tags of a repository that is owed as a whole; returns those that are missing.

        `removals` is False under the policy `keep`. Raises RegistryError when the primary does not answer for a tag.
        """
        if not known.unlisted:
            return []
        state = self._breaker.state()
        if KEEP in owed.if_absent or (ABSENT in owed.expects and not state.suspended):
            # An operator spoke of the whole repository, or its deletion was announced: each is proved for itself.
            expects, if_absent = (None, {KEEP}) if KEEP in owed.if_absent else (ABSENT, set())
            self._mark(pool, owed, [one for one, _ in known.unlisted], expects, frozenset(if_absent))
            return []
        again = [(one, seen.missing_since) for one, seen in known.unlisted if seen.missing_since is not None]
        missing = [reference.value for reference, _ in again]
        accepted = sum(since <= state.accepted_at for _, since in again)
        first = [(one, seen) for one, seen in known.unlisted if seen.missing_since is None]
        for part in _parts(first):
            looked_at = wall_clock()
            gone = self._gone(pool, owed, part)
            missing += [reference.value for reference, _ in gone]
            if gone and removals:
                counted = len(missing) - accepted
                self._breaker.found_missing(owed.repository, new=len(gone), missing=counted, of=known.of)
            noted = [(one, replace(seen, missing_since=looked_at)) for one, seen in gone]
            self._registry.record(self._held.lease, noted)
        if removals:
            state = self._breaker.state() if first else state
            removable = [one for one, since in again if self._breaker.may_remove(since, state)]
            self._mark(pool, owed, removable, None, frozenset({MISSING}))
        return sorted(missing)

    def _gone(self, pool: Executor, owed: Owed, tags: Sequence[tuple[Reference, Seen]]) -> list[tuple[Reference, Seen]]:
        """Those of `tags` that the primary does not know by name; the others are marked, as any that differ."""
        heads = pool.map(lambda one: self._primary.head_manifest(owed.repository, one[0].value), tags)
        looked = list(zip(tags, heads, strict=True))
        self._mark(pool, owed, [one for (one, _), head in looked if head is not None], None, frozenset())
        return [one for one, head in looked if head is None]

    def _mark(
        self,
        pool: Executor,
        owed: Owed,
        references: Sequence[Reference],
        expects: str | None,
        if_absent: frozenset[str],
    ) -> None:
        def mark(reference: Reference) -> None:
            self._registry.mark(
                owed.repository, reference, Mark(expects=expects, if_absent=if_absent, since=owed.marked_at)
            )

        for _ in pool.map(mark, references):
            pass


def _parts(tags: Sequence[tuple[Reference, Seen]]) -> Iterator[Sequence[tuple[Reference, Seen]]]:
    for start in range(0, len(tags), LOOKED_AT_ONCE):
        yield tags[start : start + LOOKED_AT_ONCE]
