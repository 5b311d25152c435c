"""`geosync slo`, and its line in `geosync status`, on a site in moto."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.functional.cli.conftest import PlayedClock, Site

from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.history import HISTORY, Observed, bin_name, month_bounds_ms, month_name
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.transitions.marks import Mark

A = "sha256:" + "a" * 64
SEPTEMBER = round(datetime(2025, 9, 12, tzinfo=UTC).timestamp() * 1000)


def pushed(site: Site, number: int, *, late: int = 0, at: int | None = None, overdue: int = 0) -> None:
    """Record pushes that were seen after a second, `late` of them as if later than the target."""
    counts = Counter({bin_name(13): number, "late": late})
    observed = Observed(counts=counts, gauges={"overdue": overdue})
    site.sync_registry.history.record(observed, now_ms=SYSTEM_CLOCK.now_ms() if at is None else at)


@pytest.fixture
def month(clock: PlayedClock) -> int:
    """Set the machine's clock to the second minute of a month; the beginning of the month (ms)."""
    now_ms = SYSTEM_CLOCK.now_ms()
    begin_ms = month_bounds_ms(month_name(now_ms))[0]
    clock.ahead_s = (begin_ms + 90_000 - now_ms) / 1000
    return begin_ms


def test_a_target_that_is_met(secondary: Site, month: int) -> None:
    pushed(secondary, 2000, late=1, at=month)
    answer = secondary.run("slo")
    assert answer.exit_code == 0
    for said in (
        "99.9 % of the pushes seen within 60 s",
        "99.95 %",
        "1 of 2000 pushes",
        "half within 1.1 s",
        "50.0 % left",
    ):
        assert said in answer.output, answer.output


def test_whether_it_is_met_cannot_be_told_where_minutes_are_missing(
    secondary: Site, month: int, clock: PlayedClock
) -> None:
    clock.ahead_s += 600
    pushed(secondary, 2000, at=month)
    answer = secondary.run("slo")
    assert answer.exit_code == 2
    assert "100 %" in answer.output
    assert "1 of 11 minutes were recorded: nothing is known of the others" in answer.output
    said = secondary.run("slo", "--json")
    assert (said.exit_code, json.loads(said.output)["has_gaps"]) == (2, True)


def test_whether_it_is_met_cannot_be_told_where_more_is_owed_than_is_read(secondary: Site) -> None:
    observed = Observed(counts=Counter({bin_name(13): 2000}), is_at_least=True)
    secondary.sync_registry.history.record(observed, now_ms=SEPTEMBER)
    hour = Key(HISTORY, f"hour#{SEPTEMBER // 3_600_000:010}")
    secondary.sync_registry._store.write(Update(key=hour, add={"minutes": 30 * 1440 - 2}))
    secondary.sync_registry.history.record(Observed(gauges={"overdue": 0}, is_at_least=True), now_ms=SEPTEMBER + 60_000)
    answer = secondary.run("slo", "--month", "2025-09")
    assert "at most 100 %" in answer.output
    assert "minutes were recorded" not in answer.output
    assert answer.exit_code == 2


def test_a_target_that_is_missed_by_what_is_not_here(secondary: Site) -> None:
    pushed(secondary, 99)
    at = SYSTEM_CLOCK.now_ms() - 61_000
    secondary.sync_registry.mark("group/app", Reference.tag("v1"), Mark(expects=A, pushed_at=at))
    answer = secondary.run("slo", "--json")
    assert answer.exit_code == 1
    said = json.loads(answer.output)
    assert (said["site"], said["share_percent"], said["overdue_count"], said["missed_count"]) == ("frankfurt", 99, 1, 1)
    assert said["budget_left_percent"] == pytest.approx(-900)
    assert "spent 10.0 times" in secondary.run("slo").output
    assert "99 % within 60 s (target 99.9 %)" in secondary.run("status").output
    assert json.loads(secondary.run("status", "--json").output)["service_level"]["missed_count"] == 1


def test_without_a_push_the_service_level_is_not_known(secondary: Site) -> None:
    answer = secondary.run("slo")
    assert answer.exit_code == 1
    assert "not known: no push was recorded" in answer.output
    assert "100" not in answer.output
    assert "not known, as no push was recorded" in secondary.run("status").output


def test_a_month_of_its_own_and_what_was_not_recorded_of_it(secondary: Site) -> None:
    pushed(secondary, 10, at=SEPTEMBER, overdue=2)
    answer = secondary.run("slo", "--month", "2025-09")
    assert answer.exit_code == 1
    assert "1 of 43200 minutes were recorded" in answer.output
    assert "83.333 %" in answer.output
    assert "99 % within (not known: too many have not arrived)" in answer.output
    assert secondary.run("slo", "--month", "2025-9x").exit_code == 2
    assert secondary.run("slo", "--month", "2025-13").exit_code == 2


def test_the_stack_s_own_target_counts(secondary: Site, stacks: dict[str, DeployedSite], month: int) -> None:
    site = stacks["geosync-test"]
    parameters = {**site.parameters, "TargetLag": "5", "TargetShare": "90"}
    stacks["geosync-test"] = replace(site, parameters=parameters)
    pushed(secondary, 100, late=10, at=month)
    answer = secondary.run("slo")
    assert answer.exit_code == 0
    assert "90 % of the pushes seen within 5 s" in answer.output
    assert "0.0 % left" in answer.output


def test_a_primary_has_no_service_level(primary: Site) -> None:
    answer = primary.run("slo")
    assert answer.exit_code == 2
    assert "slo is for a secondary" in answer.output
