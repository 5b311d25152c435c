"""The service level against a naive count of pushes whose fate is known, and where nothing can be known."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from tests.support.clock import FakeClock

from geosync.messages.measurements import Measurements
from geosync.minute.history import counted, gauges_of
from geosync.operating import status as site_status
from geosync.operating.service_level import FEWEST_LATE, burn_rate, level_now, level_of
from geosync.operating.site_facts import Objective
from geosync.operating.status import Status
from geosync.sync_registry.items import ABSENT, Reference, Seen
from geosync.sync_registry.site.history import Month, Observed, Record, bin_name
from geosync.sync_registry.site.lags import bin_of
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

BEGIN = round(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
OBJECTIVE = Objective(lag_s=60, share_percent=99)
A = "sha256:" + "a" * 64


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(BEGIN)


@pytest.fixture
def registry(clock: FakeClock) -> SyncRegistry:
    return SyncRegistry(MemoryStore(), clock=clock)


def status(registry: SyncRegistry, clock: FakeClock) -> Status:
    return site_status.read(registry, clock=clock)


def push(registry: SyncRegistry, name: str, at: int) -> None:
    registry.mark(f"group/{name}", Reference.tag("v1"), Mark(expects=A, pushed_at=at))


def arrive(registry: SyncRegistry, name: str) -> None:
    lease = registry.knock(f"group/{name}")
    assert lease is not None
    (owed,) = registry.owed(f"group/{name}")
    assert registry.discharge(lease, owed, Seen(digest=A, looked_at=1, seen_at=1))
    assert registry.finish(lease)


class Push(NamedTuple):
    """A push, when it is seen (ms; None: never), and when its worker's measurement is taken."""

    at: int
    seen: int | None


@pytest.mark.parametrize("seed", range(6))
def test_every_minute_agrees_with_a_naive_count_of_the_pushes(
    registry: SyncRegistry, clock: FakeClock, seed: int
) -> None:
    """What is owed when a minute passes counts: no late push is left out, and none is counted twice."""
    chance = random.Random(seed)  # noqa: S311 - a test's own
    pushes: list[Push] = []
    for number in range(40):
        at = BEGIN + chance.randrange(20 * MINUTE)
        lag_ms = round(1000 * chance.lognormvariate(3.5, 1.2))
        pushes.append(Push(at, at + lag_ms if number % 10 else None))
    moments = sorted({BEGIN + minute * MINUTE + 777 for minute in range(1, 25)})
    begun: set[int] = set()
    ended: set[int] = set()
    for now in moments:
        clock.now, fresh = now, []
        for number, one in enumerate(pushes):
            if one.at <= now and number not in begun:
                push(registry, str(number), one.at)
                begun.add(number)
            if one.seen is not None and one.seen <= now and number not in ended:
                arrive(registry, str(number))
                ended.add(number)
                fresh.append(Measurements(lags_ms={one.seen - one.at: 1}, synced=1))
        found = status(registry, clock)
        observed = Observed(counts=counted(fresh, OBJECTIVE), gauges=gauges_of(found, OBJECTIVE))
        registry.history.record(observed, now_ms=now)

        level = level_now(status(registry, clock), OBJECTIVE)
        arrived = [one for one in pushes if one.seen is not None and one.seen <= now]
        missing = [one for one in pushes if one.at <= now and (one.seen is None or one.seen > now)]
        late = sum(one.seen - one.at > 60_000 for one in arrived if one.seen is not None)
        overdue = sum(now - one.at > 60_000 for one in missing)
        assert (level.pushes.measured, level.pushes.late, level.pushes.overdue) == (len(arrived), late, overdue)
        judged = len(arrived) + overdue
        assert level.share_percent == (pytest.approx(100 * (1 - (late + overdue) / judged)) if judged else None)
    closed = level_of(registry.history.month("2026-11"), OBJECTIVE)
    assert closed.pushes.overdue == sum(one.seen is None for one in pushes) == 4
    assert closed.has_gaps, "most of the month was not recorded"


def test_a_push_that_never_arrives_burns_the_budget_of_each_month(registry: SyncRegistry, clock: FakeClock) -> None:
    push(registry, "gone", BEGIN)
    for now in (BEGIN + MINUTE * 10, BEGIN + 31 * 24 * 60 * MINUTE):
        clock.now = now
        gauges = gauges_of(status(registry, clock), OBJECTIVE)
        registry.history.record(Observed(gauges=gauges), now_ms=now)
    closed, current = (
        level_of(registry.history.month("2026-11"), OBJECTIVE),
        level_now(status(registry, clock), OBJECTIVE),
    )
    for level in (closed, current):
        assert (level.pushes.all, level.pushes.missed, level.share_percent, level.p99_ms) == (1, 1, 0, None)
        assert level.budget_left_percent == pytest.approx(-9900)
    assert (closed.month, current.month) == ("2026-11", "2026-12")


def test_within_the_target_is_neither_late_nor_missing(registry: SyncRegistry, clock: FakeClock) -> None:
    push(registry, "young", BEGIN)
    clock.now = BEGIN + 60_000
    level = level_now(status(registry, clock), OBJECTIVE)
    assert (level.pushes.all, level.share_percent) == (0, None)
    clock.now += 1
    assert level_now(status(registry, clock), OBJECTIVE).pushes.overdue == 1


def test_an_overdue_push_counts_in_the_hour_after_it_passed_the_target(
    registry: SyncRegistry, clock: FakeClock
) -> None:
    push(registry, "gone", BEGIN)
    found = []
    for age in (MINUTE, MINUTE + 1, 61 * MINUTE, 61 * MINUTE + 1, 14_400 * MINUTE):
        clock.now = BEGIN + age
        now = status(registry, clock)
        found.append((now.overdue(60, within_s=3600), now.overdue(60)))
    assert found == [(0, 0), (1, 1), (1, 1), (0, 1), (0, 1)]


def test_an_unannounced_tag_or_a_deletion_is_no_push(registry: SyncRegistry, clock: FakeClock) -> None:
    registry.mark("group/asked", Reference.tag("v1"))
    registry.mark("group/deleted", Reference.tag("v1"), Mark(expects=ABSENT, pushed_at=BEGIN))
    registry.mark("group/compared", Reference.whole())
    clock.now = BEGIN + 60 * MINUTE
    assert level_now(status(registry, clock), OBJECTIVE).pushes.all == 0


def test_without_pushes_the_share_is_not_known_rather_than_a_hundred_percent(
    registry: SyncRegistry, clock: FakeClock
) -> None:
    clock.now = BEGIN + 5 * MINUTE
    fields = level_now(status(registry, clock), OBJECTIVE).fields()
    for name in ("share_percent", "lag_median_seconds", "lag_p99_seconds", "budget_left_percent"):
        assert fields[name] is None
    past = level_of(registry.history.month("2026-09"), OBJECTIVE)
    assert (past.share_percent, past.minutes_recorded, past.minutes, past.has_gaps) == (None, 0, 30 * 1440, True)


def test_lost_notifications_burn_the_budget() -> None:
    counts = Counter({bin_name(bin_of(1000)): 98, "lost": 2, "minutes": 30 * 1440})
    level = level_of(Month(name="2026-11", counts=counts), OBJECTIVE)
    assert (level.pushes.all, level.share_percent, level.has_gaps) == (100, 98, False)
    assert level.budget_left_percent == pytest.approx(-100)
    assert (level.median_ms, level.p99_ms) == (1070, None)


def test_quantiles_count_what_has_not_arrived() -> None:
    counts = Counter({bin_name(bin_of(1000)): 49})
    level = level_of(Month(name="2026-11", counts=counts, overdue=51), OBJECTIVE)
    assert (level.median_ms, level.p99_ms) == (None, None)


def test_more_than_is_read_makes_the_share_an_upper_bound(registry: SyncRegistry, clock: FakeClock) -> None:
    for number in range(3):
        push(registry, str(number), BEGIN)
    clock.now = BEGIN + 10 * MINUTE
    level = level_now(site_status.read(registry, most=2, clock=clock), OBJECTIVE)
    assert (level.pushes.overdue, level.is_at_most) == (2, True)
    assert level_of(Month(name="2026-11", overdue=2, more=True), OBJECTIVE).is_at_most


@pytest.mark.parametrize(
    ("pushes", "late", "overdue", "rate"),
    [
        (0, 0, 0, None),
        (100, 0, 0, 0.0),
        (100, FEWEST_LATE - 1, 0, None),
        (100, FEWEST_LATE, 0, 5.0),
        (95, 0, 5, 5.0),
        (0, 0, 5, 100.0),
    ],
)
def test_the_burn_rate_of_an_hour(pushes: int, late: int, overdue: int, rate: float | None) -> None:
    hour = Record(at=0, seconds=3600, counts=Counter({bin_name(3): pushes, "late": late}))
    found = burn_rate(hour, OBJECTIVE, overdue=overdue)
    assert found == (None if rate is None else pytest.approx(rate))


def test_no_push_may_be_late_where_the_target_is_all_of_them() -> None:
    hour = Record(at=0, seconds=3600, counts=Counter({bin_name(3): 100, "late": 50}))
    assert burn_rate(hour, replace(OBJECTIVE, share_percent=100), overdue=0) is None
    month = Month(name="2026-11", counts=hour.counts)
    assert level_of(month, replace(OBJECTIVE, share_percent=100)).budget_left_percent is None
