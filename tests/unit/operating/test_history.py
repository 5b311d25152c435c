"""The history as a chart reads it: step by step, bounded, and with no row for what was not recorded."""

from __future__ import annotations

from collections import Counter

import pytest

from geosync.operating.history import MOST_HOURS, MOST_MINUTES, MOST_ROWS, history, why_not
from geosync.sync_registry.site.history import Observed, bin_name
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

BEGIN = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def registry() -> SyncRegistry:
    """Two hours with a push a minute, the second of them without its first ten minutes."""
    one = SyncRegistry(MemoryStore())
    for minute in [*range(60), *range(70, 120)]:
        counts = Counter({bin_name(minute % 7): 1, "bytes": 10})
        one.history.record(Observed(counts=counts, gauges={"owed": minute}), now_ms=BEGIN + minute * MINUTE + 900)
    return one


def test_a_day_in_steps_of_five_minutes_is_the_minutes_put_together(registry: SyncRegistry) -> None:
    rows = history(registry, BEGIN, BEGIN + DAY, 300)
    assert [(row.at - BEGIN) // MINUTE for row in rows] == [*range(0, 60, 5), *range(70, 120, 5)]
    assert all((row.counts["minutes"], row.counts["bytes"], row.lags.measured) == (5, 50, 5) for row in rows)
    assert rows[1].most["owed"] == 9


def test_a_month_in_steps_of_hours_is_the_hours(registry: SyncRegistry) -> None:
    rows = history(registry, BEGIN - 30 * DAY, BEGIN + DAY, 3600)
    assert [(row.at - BEGIN, row.counts["minutes"], row.most["owed"]) for row in rows] == [(0, 60, 59), (HOUR, 50, 119)]
    (both,) = history(registry, BEGIN, BEGIN + DAY, 6 * 3600)
    assert (both.counts["bytes"], both.seconds) == (1100, 6 * 3600)


def test_the_same_step_is_the_same_row_in_each_reading(registry: SyncRegistry) -> None:
    early = history(registry, BEGIN + 2 * MINUTE, BEGIN + 8 * MINUTE, 300)
    assert early == history(registry, BEGIN, BEGIN + 10 * MINUTE, 300)[:1] + early[1:]
    assert [row.at for row in early] == [BEGIN, BEGIN + 5 * MINUTE]


@pytest.mark.parametrize(
    ("span_ms", "step_s", "why"),
    [
        (DAY, 300, None),
        (30 * DAY, 3600, None),
        (MOST_ROWS * MINUTE, 60, None),
        (0, 60, "later than since"),
        (-DAY, 300, "later than since"),
        (DAY, 90, "whole minutes"),
        (DAY, 0, "whole minutes"),
        (DAY, 60, "longer step"),
        (400 * DAY, 3600, "longer step"),
        (MOST_HOURS * HOUR, 86_400, None),
        (MOST_HOURS * HOUR + 1, 86_400, "more than 92 days: ask for one part"),
        (400 * DAY, 86_400, "more than 92 days: ask for one part"),
        (MOST_MINUTES * MINUTE + 1, 1800, "whole hours"),
    ],
)
def test_a_time_span_of_too_many_steps_is_refused_with_advice(span_ms: int, step_s: int, why: str | None) -> None:
    said = why_not(BEGIN, BEGIN + span_ms, step_s)
    assert said is None if why is None else (said is not None and why in said)
