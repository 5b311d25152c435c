"""A site's history: what is written each minute, what an hour carries, and its sums against a naive count."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from geosync.sync_registry.items import Item
from geosync.sync_registry.site.history import (
    KEPT_S,
    Observed,
    bin_name,
    bins_of,
    month_bounds_ms,
    month_name,
)
from geosync.sync_registry.site.lags import BINS, Lags, bin_of, bound_ms
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Delete, Update
from geosync.sync_registry.table.memory import MemoryStore

MINUTE, HOUR = 60_000, 3_600_000
BEGIN = round(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
NOTHING = Observed(gauges={"owed": 0, "overdue": 0, "recovery_point_age_s": 5})


class CountingStore(MemoryStore):
    """Counts its writes, and how large the largest item was that one left."""

    writes = 0
    largest = 0

    def write(self, change: Update | Delete) -> Item | None:
        self.writes += 1
        item = super().write(change)
        self.largest = max(self.largest, size(item))
        return item


def size(item: Item | None) -> int:
    """The size of an item as DynamoDB reckons it, about."""

    def of(value: Any) -> int:
        if isinstance(value, dict):
            return 3 + sum(len(name) + of(one) + 1 for name, one in value.items())
        return (len(str(value)) + 1) // 2 + 1 if isinstance(value, int) else len(str(value))

    return sum(len(name) + of(value) for name, value in (item or {}).items())


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def registry(store: CountingStore) -> SyncRegistry:
    return SyncRegistry(store)


def pushes(*lags_ms: int, **counts: int) -> Observed:
    counted: Counter[str] = Counter(bin_name(bin_of(one)) for one in lags_ms)
    return Observed(counts=counted + Counter(counts), gauges={"owed": len(lags_ms), "overdue": 0})


@pytest.mark.parametrize("lag_ms", [0, 1, 100, 101, 120, 121, 999, 60_000, 3_600_000, 10**12])
def test_a_bin_holds_what_took_at_most_its_bound(lag_ms: int) -> None:
    number = bin_of(lag_ms)
    assert lag_ms <= bound_ms(number) or number == BINS - 1
    assert number == 0 or lag_ms > bound_ms(number - 1) * 0.99


def test_nothing_measured_is_not_known_and_no_zero(registry: SyncRegistry) -> None:
    assert Lags.of({}) == Lags(measured=0, median_ms=None, p99_ms=None)
    assert registry.history.kept(now_ms=BEGIN) is None
    assert registry.history.month("2026-11").counts == {}
    assert registry.history.minutes(BEGIN, BEGIN + HOUR) == []


def test_a_minute_is_two_writes_whatever_was_measured(registry: SyncRegistry, store: CountingStore) -> None:
    for minute in range(125):
        before = store.writes
        lags = [random.randrange(10**6) for _ in range(200)]  # noqa: S311 - a test's own
        registry.history.record(pushes(*lags, bytes=10**12, requests=10**6), now_ms=BEGIN + minute * MINUTE)
        assert store.writes - before <= 2
    assert store.largest <= 2 * 1024, "two units of writing"


def test_history_expires_after_400_days(registry: SyncRegistry, store: CountingStore) -> None:
    registry.history.record(NOTHING, now_ms=BEGIN)
    assert {item["expire_at"] for item in store.table.values()} == {BEGIN // 1000 + 400 * 86_400}
    assert KEPT_S == 400 * 86_400


def test_the_median_and_the_99th_percentile_are_right_within_a_fifth(registry: SyncRegistry) -> None:
    chance = random.Random(3)  # noqa: S311 - a test's own
    lags = [round(1000 * chance.lognormvariate(0, 1)) for _ in range(1000)]
    for minute in range(10):
        registry.history.record(pushes(*lags[minute::10]), now_ms=BEGIN + minute * MINUTE)
    found = registry.history.last_hour(now_ms=BEGIN + 10 * MINUTE).lags
    assert found.measured == 1000
    for said, true in ((found.median_ms, sorted(lags)[499]), (found.p99_ms, sorted(lags)[989])):
        assert said is not None
        assert true <= said <= 1.21 * true


def test_the_last_hour_leaves_out_older_minutes(registry: SyncRegistry) -> None:
    registry.history.record(pushes(5000, 5000), now_ms=BEGIN)
    assert registry.history.last_hour(now_ms=BEGIN + 59 * MINUTE).lags.measured == 2
    assert registry.history.last_hour(now_ms=BEGIN + 61 * MINUTE).lags.measured == 0


def test_a_month_and_the_counts_of_all_time_are_those_of_a_naive_count(registry: SyncRegistry) -> None:
    """Three months with gaps of minutes, hours and days, read at any moment."""
    chance = random.Random(50)  # noqa: S311 - a test's own
    months: dict[str, Counter[str]] = {}
    total: Counter[str] = Counter()
    at = BEGIN
    for _ in range(1500):
        at += chance.choices([1, 2, 90, 60 * 30, 60 * 24 * 4], [80, 10, 7, 2, 1])[0] * MINUTE + chance.randrange(500)
        observed = pushes(*(chance.randrange(10**6) for _ in range(chance.randrange(4))), bytes=chance.randrange(9))
        before = registry.history.kept(now_ms=at)
        registry.history.record(observed, now_ms=at)
        for counts in (total, months.setdefault(month_name(at), Counter())):
            counts.update({**observed.counts, "minutes": 1, "unknown_minutes": 1})
        kept = registry.history.kept(now_ms=at + chance.randrange(50 * MINUTE))
        assert kept is not None
        if month_name(at) == kept.month.name:
            assert +Counter(kept.month.counts) == +months[month_name(at)]
        assert +Counter(kept.total) == +total
        assert before is None or Counter(before.total) <= Counter(kept.total), "it never falls"
    assert len(months) > 2
    for name, counts in months.items():
        assert +Counter(registry.history.month(name).counts) == +counts, name


def test_a_minute_that_runs_twice_is_one_minute_with_both_measurements(registry: SyncRegistry) -> None:
    registry.history.record(pushes(1000), now_ms=BEGIN)
    registry.history.record(pushes(2000, 2000), now_ms=BEGIN + 59_999)
    (minute,) = registry.history.minutes(BEGIN, BEGIN + MINUTE)
    assert (minute.counts["minutes"], minute.lags.measured, minute.most["owed"]) == (1, 3, 2)
    assert bins_of(registry.history.month("2026-11").counts) == bins_of(minute.counts)


def test_two_runs_of_a_minute_at_once_are_one_minute(registry: SyncRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has read before the other wrote."""
    registry.history.record(pushes(1000), now_ms=BEGIN)
    store: Any = registry.history._store
    read: dict[Any, Any] = store.batch_get([*store.table])
    at = BEGIN + MINUTE
    registry.history.record(pushes(1000), now_ms=at)
    with monkeypatch.context() as patched:
        patched.setattr(store, "batch_get", lambda keys: {key: read[key] for key in keys if key in read})
        registry.history.record(pushes(2000), now_ms=at + 10)
    minutes = registry.history.minutes(BEGIN, BEGIN + HOUR)
    month = registry.history.month("2026-11")
    assert [minute.counts["minutes"] for minute in minutes] == [1, 1]
    assert (month.counts["minutes"], month.counts["unknown_minutes"]) == (2, 2)
    assert sum(bins_of(month.counts).values()) == sum(minute.lags.measured for minute in minutes) == 3


def test_the_overdue_count_survives_a_minute_that_could_not_tell(registry: SyncRegistry) -> None:
    registry.history.record(Observed(gauges={"overdue": 3}, is_at_least=True), now_ms=BEGIN)
    registry.history.record(Observed(), now_ms=BEGIN + MINUTE)
    registry.history.record(Observed(), now_ms=BEGIN + HOUR)
    month = registry.history.month("2026-11")
    assert (month.overdue, month.more, month.counts["minutes"]) == (3, True, 3)
    registry.history.record(Observed(gauges={"overdue": 1}), now_ms=BEGIN + HOUR + MINUTE)
    month = registry.history.month("2026-11")
    assert (month.overdue, month.more) == (1, False)


def test_an_hour_keeps_the_highest_gauge_and_leaves_out_an_unknown_one(registry: SyncRegistry) -> None:
    for minute, age in enumerate((None, 40, 70, 10)):
        gauges = {"owed": minute} if age is None else {"owed": minute, "recovery_point_age_s": age}
        registry.history.record(Observed(gauges=gauges), now_ms=BEGIN + minute * MINUTE)
    (hour,) = registry.history.hours(BEGIN, BEGIN + HOUR)
    assert dict(hour.most) == {"owed": 3, "recovery_point_age_s": 70}
    assert (hour.counts["minutes"], hour.counts["unknown_minutes"]) == (4, 1)


def test_an_edited_item_does_not_spoil_the_history(registry: SyncRegistry, store: CountingStore) -> None:
    registry.history.record(pushes(1000), now_ms=BEGIN)
    for item in list(store.table):
        if item.item.startswith("hour#"):
            broken = {"month": "x", "total": {"0": "y", "late": -3}, "late": -7, "most_owed": "z", "overdue_now": "w"}
            store.write(Update(key=item, set=broken))
    kept = registry.history.kept(now_ms=BEGIN)
    assert kept is not None
    assert bins_of(kept.total) == bins_of(kept.month.counts) == {bin_of(1000): 1}
    assert (kept.month.overdue, kept.total.get("late", 0)) == (0, 0)


def test_after_a_long_gap_no_more_is_read_than_its_length(
    registry: SyncRegistry, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute that reads a year to find the hour before would never end."""
    for hour in range(2000):
        registry.history.record(NOTHING, now_ms=BEGIN + hour * HOUR)
    read: list[int] = []
    items = store.items

    def noted(*given: Any, **more: Any) -> list[Item]:
        found = items(*given, **more)
        read.append(len(found))
        return found

    monkeypatch.setattr(store, "items", noted)
    now = BEGIN + 2100 * HOUR
    registry.history.record(NOTHING, now_ms=now)
    kept = registry.history.kept(now_ms=now)
    assert kept is not None
    assert kept.total["minutes"] == 2001
    assert sum(read) <= 200
    assert len(read) <= 10


def test_a_chart_does_not_read_the_running_sums_of_an_hour(
    registry: SyncRegistry, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is more than half of an hour's item, and a chart of three months has 2,208 of them."""
    for hour in range(2):
        registry.history.record(pushes(1000, 90_000, bytes=7), now_ms=BEGIN + hour * HOUR)
    read: list[Item] = []
    items = store.items

    def noted(*given: Any, **more: Any) -> list[Item]:
        found = items(*given, **more)
        read.extend(found)
        return found

    monkeypatch.setattr(store, "items", noted)
    hours = registry.history.hours(BEGIN, BEGIN + 2 * HOUR)
    assert [(one.at, one.lags.measured, one.counts["bytes"], one.most["owed"]) for one in hours] == [
        (BEGIN, 2, 7, 2),
        (BEGIN + HOUR, 2, 7, 2),
    ]
    assert len(read) == 2
    assert not {"month", "total"} & {name for item in read for name in item}
    assert registry.history.month("2026-11").counts["minutes"] == 2, "a month is read with what it carries"


def test_months_have_their_own_lengths() -> None:
    assert month_bounds_ms("2026-12")[0] == month_bounds_ms("2026-11")[1] == BEGIN + 30 * 24 * HOUR
    assert month_bounds_ms("2028-02")[1] - month_bounds_ms("2028-02")[0] == 29 * 24 * HOUR
    for wrong in ("2026-13", "2026", "", "x"):
        with pytest.raises(ValueError, match=r"does not match format|unconverted data"):
            month_bounds_ms(wrong)
