"""The marks of a whole repository's comparison: each is due since the repository was, behind every later push."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from geosync.sync_registry import pushes
from geosync.sync_registry.half_copies import HalfCopy
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Owed, Reference, Seen
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.subscription import Subscription
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.transitions.marks import Comparison, Mark

Marked = TypeVar("Marked")


class Marker:
    """Marks references of one repository, several side by side in `pool`."""

    def __init__(self, sync_registry: SyncRegistry, held: HeldLease, pool: Executor) -> None:
        self._sync_registry = sync_registry
        self._held = held
        self._pool = pool

    def mark_different(self, owed: Owed, references: Mapping[Reference, int | None], *, announced: bool = True) -> None:
        """Mark what a comparison found different.

        Each comes with the last moment (ms) at which it is known to have been equal; None: nothing is known. After the
        first complete comparison, no notification announced such a difference, though it should have been `announced`.
        """
        comparison = None
        if owed.walk is not None:
            comparison = Comparison(walk=owed.walk, unannounced=announced and owed.pushed_at > 0)

        def mark(reference: Reference) -> None:
            self._sync_registry.mark(
                owed.repository,
                reference,
                Mark(pushed_at=references[reference], comparison=comparison, since=owed.marked_at, asked=owed.asked),
            )

        self._for_each(mark, references)

    def to_mark(
        self, owed: Owed, different: Mapping[Reference, int | None], *, no_push: Container[Reference] = ()
    ) -> dict[Reference, int | None]:
        """Return those of `different` that are to be marked, each with the last moment (ms) as in `mark_different`.

        What is owed already is tried by itself, and what is parked waits for somebody to ask: only a comparison that
        somebody asked for marks them anew. What is owed as deleted, and is at the primary, was pushed again. It is
        marked at once, as it would wait for its DeletionDelay; `no_push` are those that were just seen equal here, or
        gone there by now.
        """
        already = self._sync_registry.owed_named((owed.repository, one) for one in different)
        finds = [one for one in already.values() if one is not None]
        if is_asked(owed):
            return self._marked_anew(finds, different, no_push)
        again = _pushed_again(finds, no_push)
        # The comparison proves nothing before these are settled: an earlier push than the one that made it owed may be
        # missing here.
        noted = [one for one in finds if one.reference in again or not pushes.is_only_deleted(one)]
        self._note_different({one: different[one.reference] for one in noted})
        waits = {reference for _, reference in already} - again
        return {one: until for one, until in different.items() if one not in waits}

    def _marked_anew(
        self, finds: Sequence[Owed], different: Mapping[Reference, int | None], no_push: Container[Reference]
    ) -> dict[Reference, int | None]:
        """Return all of `different`, of which `finds` are owed, each with the last moment as events tell of it.

        Where events came without a gap, what they told of is all that was pushed: to mark it anew makes it no older.
        """
        known = {one.reference: one for one in finds}
        self._note_different({known[one]: different[one] for one in _pushed_again(finds, no_push)})
        told = {one: known[one] for one in known if pushes.announced_at(known[one]) is not None}
        subscription = self._sync_registry.subscription.read() if told else None
        return {
            one: until if one not in told or until is None else _differs_since(told[one], until, subscription)
            for one, until in different.items()
        }

    def _note_different(self, finds: Mapping[Owed, int | None]) -> None:
        if not finds:
            return
        subscription = self._sync_registry.subscription.read()
        since = [(one, _differs_since(one, equal, subscription)) for one, equal in finds.items()]
        self._for_each(lambda one: self._sync_registry.note_different(*one), [one for one in since if _is_news(*one)])

    def mark_halves(self, owed: Owed, halves: Mapping[HalfCopy, str | None]) -> None:
        """Mark by digest what may be half here and is selected again, each with the tag by which it is."""
        comparison = Comparison(walk=owed.walk) if owed.walk is not None else None

        def mark(half: HalfCopy) -> None:
            self._sync_registry.mark(
                owed.repository,
                Reference.digest(half.digest),
                Mark(
                    pushed_at=half.pushed_at,
                    comparison=comparison,
                    since=owed.marked_at,
                    asked=owed.asked,
                    pushed_as=halves[half],
                    half_copied=frozenset({half.digest}),
                ),
            )

        self._for_each(mark, halves)

    def mark(
        self,
        owed: Owed,
        references: Iterable[Reference],
        *,
        expects: str | None = None,
        if_absent: frozenset[str] = frozenset(),
    ) -> None:
        """Mark references that have to be looked at by themselves; `expects` and `if_absent` as in Owed."""

        def mark(reference: Reference) -> None:
            self._sync_registry.mark(
                owed.repository,
                reference,
                Mark(expects=expects, if_absent=if_absent, since=owed.marked_at, asked=owed.asked),
            )

        self._for_each(mark, references)

    def _for_each(self, mark: Callable[[Marked], None], each: Iterable[Marked]) -> None:
        each = list(each)
        if each:
            self._held.owe()
        for _ in self._pool.map(mark, each):
            pass


def is_asked(owed: Owed) -> bool:
    """Tell whether somebody asked for this comparison: a resync of one repository, or a comparison of all of them."""
    return owed.walk is None or owed.asked


def mark_of(walk: Walk) -> Mark:
    """The mark of a whole repository by a walk through the catalogue.

    It says until when all of it is known to have been equal: the last complete comparison, or never (0).
    """
    return Mark(pushed_at=walk.settled_at or 0, comparison=Comparison(walk=walk.started_at), asked=walk.asked)


def _is_news(owed: Owed, since: int) -> bool:
    """Tell whether `since` (ms) is earlier than the moment that a comparison noted of `owed`, if any did.

    What was noted before a deletion was announced does not tell of a push after it.
    """
    is_noted = owed.walk is not None and not pushes.is_only_deleted(owed)
    known = owed.pushed_at if is_noted else owed.differs_since
    return known is None or since < known


def _pushed_again(finds: Iterable[Owed], no_push: Container[Reference]) -> set[Reference]:
    """Those of `finds` that are owed as deleted, and that the primary has; `no_push` as in Marker.to_mark."""
    return {one.reference for one in finds if pushes.is_only_deleted(one) and one.reference not in no_push}


def _differs_since(owed: Owed, equal: int | None, subscription: Subscription | None) -> int:
    """Return the earliest moment (ms) at which `owed` may have become different.

    `equal` is the last moment at which it was known to be equal. Where events came without a gap since then, the push
    that they told of made it different.
    """
    is_told = pushes.announced_at(owed) is not None and subscription is not None and subscription.joins(equal or 0)
    return owed.pushed_at if is_told else min(equal or 0, owed.pushed_at)


def equal_until(owed: Owed, seen: Seen | None) -> int | None:
    """The last moment (ms) at which a reference is known to have been equal.

    That is when it was looked at, or the moment until which the whole repository was equal. None: nothing is known, as
    no comparison of the site marked the repository.
    """
    looked_at = seen.looked_at if seen is not None else None
    return looked_at if owed.walk is None else max(owed.pushed_at, looked_at or 0)
