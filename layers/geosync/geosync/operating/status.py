"""A site's status, read from its sync registry: what it owes, since when and why. Bounded, whatever the backlog.

A status costs 18 queries, in a backlog 24 more at most, a batch read for each hundred references and three for what is
counted, however many rows the site has. Of these, five at most wait for each other. It touches no row that owes nothing
(see sync_registry/owed_index.py). Nothing in it is secret: names, times, failure texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.progress import Progress, progress_of
from geosync.operating.owed_references import OwedReference, by_age
from geosync.recovery import point
from geosync.sync_registry.site import breaker
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.counters import RowCounts
from geosync.sync_registry.site.cursor import EventCursor
from geosync.sync_registry.site.drills import LastDrill
from geosync.sync_registry.site.heartbeat import LastHeartbeat, PostedHeartbeat
from geosync.sync_registry.site.history import Kept
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.site.lags import NO_LAGS, Lags
from geosync.sync_registry.site.letters import LettersLook
from geosync.sync_registry.site.pause import Pause
from geosync.sync_registry.site.recovery import Lost, Recovery
from geosync.sync_registry.site.subscription import Subscription
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
    pause: Pause | None
    holds: tuple[Hold, ...]
    heartbeat: LastHeartbeat | None
    comparison: Walk | None
    """The latest walk through the primary's catalogue."""
    cursor: EventCursor | None
    """The last event that was processed here."""
    last_minute: int | None
    """The last run of functions/reconcile (ms)."""
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
    letters: LettersLook | None = None
    """The last look into the DLQ; None: nobody has looked yet."""
    subscription: Subscription | None = None
    """The subscription that delivers the primary's geo events; None: none was ever seen."""
    last_drill: LastDrill | None = None
    """The last drill that ended here; None: there was none."""
    rows: RowCounts | None = None
    """The rows by their states; None: the rows of the previous version are not counted yet."""
    progress: Progress | None = None
    """How far the latest comparison is; None: there was none, or nobody asked."""
    lags: Lags = NO_LAGS
    """From push to synced, in the last hour."""
    kept: Kept | None = None
    """The month so far and the counts of all time; None: nothing is recorded of them, or nobody asked."""

    @property
    def repositories(self) -> int | None:
        """Repositories that ever had something owed: the number of rows."""
        return self.rows.rows if self.rows is not None else None

    @property
    def on_primary(self) -> int | None:
        """Repositories on the primary, as far as the last walk through its catalogue saw."""
        known = (self.comparison.repositories if self.comparison is not None else None, self.repositories)
        return max((number for number in known if number is not None), default=None)

    @property
    def open_repositories(self) -> int | None:
        """Repositories that are not synced: something is owed in them."""
        return self.rows.rows - self.rows.synced if self.rows is not None else None

    @property
    def failed_repositories(self) -> int | None:
        """Of those, repositories in which a reference has failed."""
        return self.rows.failed if self.rows is not None else None

    @property
    def proved_at(self) -> int | None:
        """Start (ms) of the last complete comparison: everything pushed before it is here, whatever was announced."""
        return self._of_this_selection(self.comparison.proved_at if self.comparison is not None else None)

    def _of_this_selection(self, began_at: int | None) -> int | None:
        """The start (ms) of a comparison, None where it was one of another selection: what it proved is not all."""
        if began_at is None or self.subscription is None or self.subscription.is_of_its_selection(began_at):
            return began_at
        return None

    @property
    def recovery_point(self) -> int | None:
        """Everything pushed before this moment (ms) is here and was seen; None while that cannot be said.

        See recovery/point.py. Where more is owed than was read, it is what it was when last all of it was
        read: that stays true. A repository that is to be compared (`*`) is no push.
        """
        if self.more_owed or self.more_parked:
            return self.recovery.point if self.proved_at is not None else None
        return self._point(self.proved_at, self.references)

    @property
    def recovery_point_but_parked(self) -> int | None:
        """The recovery point of everything but the references that are parked."""
        if self.more_owed:
            return self.recovery.point_but_parked if self.proved_at is not None else None
        settled_at = self.comparison.settled_at if self.comparison is not None else None
        return self._point(self._of_this_selection(settled_at), self.owed)

    def _point(self, proved_at: int | None, references: Iterable[OwedReference]) -> int | None:
        return point.point(
            sent_at=self.recovery.sent_at,
            proved_at=proved_at,
            is_losing=self.lost is not None,
            pushes=(one.missing_from for one in references if one.is_a_push_to_come),
        )

    @property
    def would_be_lost(self) -> tuple[OwedReference, ...]:
        """The references that would be lost if the primary died now, as far as it is known.

        These are the owed ones without whole repositories (a comparison is no push), without references that are only
        to be removed, and without those that were announced again though they are here.
        """
        return tuple(one for one in self.references if one.is_a_push_to_come)

    def overdue(self, target_s: float, *, within_s: float = math.inf) -> int:
        """Pushes that an event told of, and that are not here though more than `target_s` seconds went by.

        Of these, the ones that passed the target within the last `within_s` seconds. With `more_owed` or `more_parked`
        there may be others.
        """
        late_ms = self.at - target_s * 1000
        first_ms = late_ms - within_s * 1000
        pushes = (one.announced_at for one in self.would_be_lost)
        return sum(pushed_at is not None and first_ms <= pushed_at < late_ms for pushed_at in pushes)

    @property
    def references(self) -> tuple[OwedReference, ...]:
        """Everything that was read, oldest first."""
        return tuple(sorted((*self.owed, *self.parked), key=by_age))

    @property
    def debts(self) -> tuple[OwedReference, ...]:
        """Everything that was read and is owed; that a comparison is to look again is no debt."""
        return tuple(one for one in self.references if not one.is_a_look)

    @property
    def oldest(self) -> OwedReference | None:
        """The reference that is owed the longest, of those that were read."""
        return next(iter(self.debts), None)

    @property
    def oldest_owed_s(self) -> int | None:
        """The seconds for which `oldest` is owed; 0: nothing is; None: not known, as it cannot be read."""
        if self.oldest is None:
            return 0
        since = self.oldest.owed_since
        return max(self.at - since, 0) // 1000 if since is not None else None

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
        return all(one.is_a_look for one in self.owed)


def read(
    sync_registry: SyncRegistry,
    *,
    primary: str | None = None,
    most: int = MOST,
    counts: bool = True,
    clock: Clock = SYSTEM_CLOCK,
) -> Status:
    """Read a site's status; `most` bounds the references read, owed and parked each.

    `primary` is the topic of the primary that the site's stack has it follow: what was proved under another one is left
    out, so that nothing of it is told as this one's. None: whichever the minute last took note of.
    Without `counts` leases beyond what was read are not counted, and nothing of the comparison's progress, the lags and
    the history is read.
    """
    now_ms = clock.now_ms()
    with sync_registry.threads.pool(3, name="status") as pool:
        summed, held = pool.submit(sync_registry.counters.sums), pool.submit(sync_registry.holds, ended_s=HOLD_ENDED_S)
        site = sync_registry.overview.read(primary)  # before what is owed: what is accounted was marked before
        counting = pool.submit(_Counted.read, sync_registry, site.comparison, now_ms) if counts else None
        found = sync_registry.owed_index.read(most=most, now_ms=now_ms, leases=counts)
        sums, holds = summed.result(), held.result()
        counted = counting.result() if counting is not None else _Counted()
    references = sorted(map(OwedReference.of, found.items), key=by_age)
    going_on, ended = _split(holds, now_ms)
    return Status(
        at=now_ms,
        owed=tuple(reference for reference in references if not reference.parked),
        more_owed=found.more_waiting,
        parked=tuple(reference for reference in references if reference.parked),
        more_parked=found.more_parked,
        worked_on=len(found.leased),
        pause=site.pause,
        holds=going_on,
        heartbeat=site.heartbeat,
        comparison=site.comparison,
        cursor=site.cursor,
        last_minute=site.last_minute,
        recovery=site.recovery,
        lost=site.lost,
        refused=site.has_refused,
        last_sweep=site.last_sweep,
        deletes=site.deletes,
        ended_holds=ended,
        posted_heartbeat=site.posted_heartbeat,
        letters=site.letters,
        subscription=site.subscription,
        last_drill=site.last_drill,
        rows=_rows(sums, found.moving),
        progress=counted.progress,
        lags=counted.lags,
        kept=counted.kept,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """Numbers that are read beside what is owed: the comparison's progress, the lags, the history."""

    progress: Progress | None = None
    lags: Lags = NO_LAGS
    kept: Kept | None = None

    @classmethod
    def read(cls, sync_registry: SyncRegistry, walk: Walk | None, now_ms: int) -> _Counted:
        """Read all of it: three requests."""
        return cls(
            progress=progress_of(sync_registry, walk, now_ms=now_ms) if walk is not None else None,
            lags=sync_registry.history.last_hour(now_ms=now_ms).lags,
            kept=sync_registry.history.kept(now_ms=now_ms),
        )


def _rows(sums: Mapping[str, int] | None, moving: Mapping[str, int]) -> RowCounts | None:
    """The rows as they are: as they are counted, and what those of them that are worked on are beyond that."""
    if sums is None:
        return None
    return RowCounts.of({name: number + moving.get(name, 0) for name, number in sums.items()})


def _split(holds: Iterable[Hold], now_ms: int) -> tuple[tuple[Hold, ...], tuple[Hold, ...]]:
    """The holds that go on at `now_ms`, and those that have ended."""
    found = tuple(holds)
    return tuple(one for one in found if one.until > now_ms), tuple(one for one in found if one.until <= now_ms)
