"""A site's status, read from its sync registry: what it owes, since when and why. Bounded, whatever the backlog.

A status costs 33 queries and a batch read for each hundred references, and touches no row that owes nothing (see
sync_registry/owed_index.py). Nothing in it is secret: names, times, failure texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.operating.owed_references import OwedReference, by_age
from geosync.recovery import point
from geosync.sync_registry.overview import Pause
from geosync.sync_registry.owed_index import OwedItems
from geosync.sync_registry.site import breaker
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.cursor import EventCursor
from geosync.sync_registry.site.heartbeat import LastHeartbeat, PostedHeartbeat
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.site.recovery import Lost, Recovery
from geosync.sync_registry.site.sweep import LastSweep
from geosync.sync_registry.sync_registry import SyncRegistry

MOST = 1000
"""References, owed and parked each, that a status reads: of more it says "more than"."""
HOLD_ENDED_S = 120.0
"""Time after the end of a hold for which nobody knows whether the registry answers: the sweep tries it in a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A site's sync registry at the moment `at` (milliseconds since the epoch).

    `owed` holds the references that are tried again by themselves, `parked` those that wait for an operator or a new
    event; each oldest first. `more_owed` and `more_parked`: there are more than those that were read.
    """

    at: int
    owed: tuple[OwedReference, ...]
    more_owed: bool
    parked: tuple[OwedReference, ...]
    more_parked: bool
    worked_on: int
    """Repositories that somebody holds the lease of."""
    repositories: int
    """Repositories that ever had something owed: the number of rows."""
    pause: Pause | None
    holds: tuple[Hold, ...]
    heartbeat: LastHeartbeat | None
    comparison: Walk | None
    """The latest walk through the primary's catalogue."""
    cursor: EventCursor | None
    """The last event that was processed here."""
    last_minute: int | None
    """The last run of functions/reconcile (ms)."""
    open_repositories: int
    """Repositories in which something is owed."""
    failed_repositories: int
    """Of those, repositories in which a reference has failed."""

    recovery: Recovery
    """The heartbeats as functions/reconcile last accounted for them."""
    lost: Lost | None
    """Notifications known to be lost, None when there are none."""
    refused: bool
    """True when a message could not be marked, and may still be in the DLQ."""
    last_sweep: LastSweep | None
    deletes: breaker.State = breaker.NEVER
    """The breaker of deletes by comparison."""
    ended_holds: tuple[Hold, ...] = ()
    """Holds that ran out a moment ago, without an answer of their registry since."""
    posted_heartbeat: PostedHeartbeat | None = None
    """At a primary: the last heartbeat that its own endpoint took."""

    @property
    def on_primary(self) -> int:
        """Repositories on the primary, as far as the last walk through its catalogue saw."""
        return max(self.comparison.repositories if self.comparison is not None else 0, self.repositories)

    @property
    def proved_at(self) -> int | None:
        """Start (ms) of the last complete comparison: everything pushed before it is here, whatever was announced."""
        return self.comparison.proved_at if self.comparison is not None else None

    @property
    def recovery_point(self) -> int | None:
        """Everything pushed before this moment (ms) is here and was seen; None while that cannot be said.

        See recovery/point.py. Where more is owed than was read, it is what it was when last all of it was
        read: that stays true. A repository that is to be compared (`*`) is no push.
        """
        if self.more_owed or self.more_parked:
            return self.recovery.point
        return self._point(self.proved_at, self.references)

    @property
    def recovery_point_but_parked(self) -> int | None:
        """The recovery point of everything but the references that are parked."""
        if self.more_owed:
            return self.recovery.point_but_parked
        return self._point(self.comparison.settled_at if self.comparison is not None else None, self.owed)

    def _point(self, proved_at: int | None, references: Iterable[OwedReference]) -> int | None:
        return point.point(
            sent_at=self.recovery.sent_at,
            proved_at=proved_at,
            is_losing=self.lost is not None,
            pushes=(one.pushed_at for one in references if one.is_a_push_to_come),
        )

    @property
    def would_be_lost(self) -> tuple[OwedReference, ...]:
        """The references that would be lost if the primary died now, as far as it is known.

        These are the owed ones without whole repositories (a comparison is no push), without references that are only
        to be removed, and without those that were announced again though they are here.
        """
        return tuple(one for one in self.references if one.is_a_push_to_come)

    @property
    def references(self) -> tuple[OwedReference, ...]:
        """Everything that was read, oldest first."""
        return tuple(sorted((*self.owed, *self.parked), key=by_age))

    @property
    def oldest(self) -> OwedReference | None:
        """The reference that is owed the longest, of those that were read."""
        return next(iter(self.references), None)

    @property
    def failed(self) -> int:
        """The number of references, of those that were read, that have failed since they were last marked."""
        return sum(reference.failure is not None for reference in self.references)

    @property
    def nothing_owed(self) -> bool:
        """True when every reference that was named, or that a comparison found different, was seen at this site.

        While the first comparison (the backfill) goes on, or more is owed than was read, that cannot be said. A later
        comparison that goes on is no debt.
        """
        if self.parked or self.more_owed or (self.comparison is not None and self.comparison.settled_at is None):
            return False
        return all(one.reference == "*" and one.walk is not None and one.failure is None for one in self.owed)


def read(sync_registry: SyncRegistry, *, most: int = MOST, counts: bool = True, clock: Clock = SYSTEM_CLOCK) -> Status:
    """Read a site's status; `most` bounds the references read, owed and parked each.

    Where there are more, the repositories that are open or failed are counted by the keys of all of them (a query for
    each thousand), and those worked on by their leases, unless `counts` is False: then all three are counted among what
    was read.
    """
    now_ms = clock.now_ms()
    site = sync_registry.overview.read()  # before what is owed: what is accounted was marked before
    found = sync_registry.owed_index.read(most=most, now_ms=now_ms)
    references = sorted(map(OwedReference.of, found.items), key=by_age)
    tally = _tally(sync_registry, found, references, counts=counts, now_ms=now_ms)
    holds = sync_registry.holds(ended_s=HOLD_ENDED_S)
    return Status(
        at=now_ms,
        owed=tuple(reference for reference in references if not reference.parked),
        more_owed=found.more_waiting,
        parked=tuple(reference for reference in references if reference.parked),
        more_parked=found.more_parked,
        worked_on=tally.worked_on,
        repositories=site.rows,
        pause=site.pause,
        holds=tuple(hold for hold in holds if hold.until > now_ms),
        heartbeat=site.heartbeat,
        comparison=site.comparison,
        cursor=site.cursor,
        last_minute=site.last_minute,
        open_repositories=tally.open,
        failed_repositories=tally.failed,
        recovery=site.recovery,
        lost=site.lost,
        refused=site.has_refused,
        last_sweep=site.last_sweep,
        deletes=site.deletes,
        ended_holds=tuple(hold for hold in holds if hold.until <= now_ms),
        posted_heartbeat=site.posted_heartbeat,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    """Numbers of repositories: in which something is owed, in which something failed, that somebody holds."""

    open: int
    failed: int
    worked_on: int


def _tally(
    sync_registry: SyncRegistry, found: OwedItems, references: Iterable[OwedReference], *, counts: bool, now_ms: int
) -> _Tally:
    """Count repositories: among what was read, or (`counts`, and there is more than that) among all of them."""
    failed = {one.repository for one in references if one.failure is not None}
    opened, worked_on = set(found.repositories), len(found.leased)
    if counts and (found.more_waiting or found.more_parked):
        failed |= sync_registry.owed_index.failed_repositories()
        opened |= failed | sync_registry.owed_index.untried_repositories()
    if counts and found.more_waiting:
        worked_on = len(sync_registry.owed_index.leased(now_ms=now_ms))
    return _Tally(open=len(opened), failed=len(failed), worked_on=worked_on)
