"""The service level of a site: of a month's pushes, those that were seen here within the target.

A push burns the error budget when it is seen later than the target, and also while it is overdue: announced, older
than the target, and not here. So one that never arrives burns the budget of every month in which it stays away. A
notification that was lost burns it too: nobody knows how late its push was. See decision 50.
"""

from __future__ import annotations

from dataclasses import dataclass

from geosync.clock import Clock, optional_seconds
from geosync.operating.site_facts import Objective
from geosync.operating.status import Status, read
from geosync.sync_registry.site.history import Month, Record, bins_of, month_bounds_ms, month_name
from geosync.sync_registry.site.lags import at_most
from geosync.sync_registry.sync_registry import SyncRegistry

FEWEST_LATE = 5
"""Late pushes of an hour from which on a burn rate says something: with fewer, one large image is an alarm."""
SKIPPED_PERCENT = 1
"""Minutes of a month that may be missing without a word: a start that comes late falls into the minute after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushes:
    """The pushes of some time: `measured` were seen here, `late` of these after the target; `overdue` are not here.

    `lost` were announced by nobody, and found by a comparison.
    """

    measured: int = 0
    late: int = 0
    overdue: int = 0
    lost: int = 0

    @property
    def all(self) -> int:
        """All of them."""
        return self.measured + self.overdue + self.lost

    @property
    def missed(self) -> int:
        """Those that missed the target."""
        return self.late + self.overdue + self.lost

    @classmethod
    def of(cls, month: Month | Record, overdue: int) -> Pushes:
        """Count the pushes of a month, or of other recorded time."""
        counts = month.counts
        measured = sum(bins_of(counts).values())
        return cls(
            measured=measured,
            late=min(counts.get("late", 0), measured),
            overdue=overdue,
            lost=counts.get("lost", 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """A month of a site (`2026-11`), as far as it was recorded.

    `share_percent` is None while nothing was pushed. `median_ms` and `p99_ms` are those of all pushes; None: nothing
    was pushed, or so many have not arrived that it cannot be said. `budget_left_percent` is what is left of the pushes
    that may miss the target, below 0 once more have. `is_at_most`: more is owed than was read, so that the share may
    be lower still. Of `minutes` that passed, `minutes_recorded` were recorded.
    """

    month: str
    objective: Objective
    pushes: Pushes
    share_percent: float | None
    median_ms: int | None
    p99_ms: int | None
    budget_left_percent: float | None
    is_at_most: bool
    minutes_recorded: int
    minutes: int

    @property
    def has_gaps(self) -> bool:
        """More minutes are missing than starts that came late explain."""
        return self.minutes - self.minutes_recorded > max(2, self.minutes * SKIPPED_PERCENT // 100)

    def fields(self) -> dict[str, object]:
        """The service level as it is reported and answered."""
        return {
            "month": self.month,
            "target_lag_seconds": self.objective.lag_s,
            "target_share_percent": self.objective.share_percent,
            "pushes_count": self.pushes.all,
            "missed_count": self.pushes.missed,
            "overdue_count": self.pushes.overdue,
            "lost_count": self.pushes.lost,
            "share_percent": self.share_percent,
            "is_at_most": self.is_at_most,
            "lag_median_seconds": optional_seconds(self.median_ms),
            "lag_p99_seconds": optional_seconds(self.p99_ms),
            "budget_left_percent": self.budget_left_percent,
            "minutes_recorded": self.minutes_recorded,
            "minutes": self.minutes,
            "has_gaps": self.has_gaps,
        }


def service_level(
    sync_registry: SyncRegistry, objective: Objective, *, month: str | None, primary: str | None, clock: Clock
) -> ServiceLevel:
    """Read the service level of a month (`2026-11`; None: the current one). `primary` as in `status.read`."""
    if month is not None and month != month_name(clock.now_ms()):
        return level_of(sync_registry.history.month(month), objective)
    return level_now(read(sync_registry, primary=primary, clock=clock), objective)


def level_now(status: Status, objective: Objective) -> ServiceLevel:
    """The service level of the current month, with what is overdue at the moment of a status."""
    month = status.kept.month if status.kept is not None else Month(name=month_name(status.at))
    overdue, more = status.overdue(objective.lag_s), status.more_owed or status.more_parked
    return _level(month, objective, overdue=overdue, is_at_most=more, until_ms=status.at)


def level_of(month: Month, objective: Objective) -> ServiceLevel:
    """The service level of a month that has passed, with what was overdue at its last recorded minute."""
    until_ms = month_bounds_ms(month.name)[1]
    return _level(month, objective, overdue=month.overdue, is_at_most=month.more, until_ms=until_ms)


def burn_rate(last_hour: Record, objective: Objective, *, overdue: int) -> float | None:
    """The speed at which the last hour spent the error budget, in what a month allows; 1: just as fast.

    `overdue` are the pushes that passed the target in this hour, and are not here. Those of before are no news: a push
    that never comes would ring for ever.

    None: nothing was pushed, or too few pushes were late to speak of a rate, or no push may be late.
    """
    pushes, allowed = Pushes.of(last_hour, overdue), 100 - objective.share_percent
    if not pushes.all or allowed <= 0 or 0 < pushes.missed < FEWEST_LATE:
        return None
    return 100 * pushes.missed / pushes.all / allowed


def _level(month: Month, objective: Objective, *, overdue: int, is_at_most: bool, until_ms: int) -> ServiceLevel:
    pushes, bins = Pushes.of(month, overdue), bins_of(month.counts)
    may_miss = pushes.all * (100 - objective.share_percent) / 100
    minutes = max(until_ms - month_bounds_ms(month.name)[0], 0) // 60_000
    return ServiceLevel(
        month=month.name,
        objective=objective,
        pushes=pushes,
        share_percent=100 * (pushes.all - pushes.missed) / pushes.all if pushes.all else None,
        median_ms=at_most(bins, pushes.all, 50) if pushes.all else None,
        p99_ms=at_most(bins, pushes.all, 99) if pushes.all else None,
        budget_left_percent=100 * (1 - pushes.missed / may_miss) if may_miss > 0 else None,
        is_at_most=is_at_most and pushes.all > 0,
        minutes_recorded=min(month.counts.get("minutes", 0), minutes),
        minutes=minutes,
    )
