"""`geo_sites/:id/history` and `…/service_level`: what the site recorded of itself, bounded, and null where unknown."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from tests.functional.admin.parts import A, Ask, Site

from geosync.clock import SYSTEM_CLOCK, moment
from geosync.operating.history import MOST_ROWS
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.history import Observed, bin_name, month_name
from geosync.sync_registry.site.sites import site_id
from geosync.sync_registry.transitions.marks import Mark

HERE = f"/api/v4/geo_sites/{site_id('berlin')}"
HISTORY, LEVEL = f"{HERE}/history", f"{HERE}/service_level"
OCTOBER = round(datetime(2025, 10, 31, 23, 30, tzinfo=UTC).timestamp() * 1000)
PUSHES = Observed(
    counts=Counter({bin_name(0): 3, "late": 1, "bytes": 70, "requests": 9, "synced": 3}),
    gauges={"owed": 4, "overdue": 1, "recovery_point_age_s": 12},
)

pytestmark = pytest.mark.usefixtures("site")


def now() -> int:
    return SYSTEM_CLOCK.now_ms()


def test_the_last_day_is_in_steps_of_five_minutes(ask: Ask, site: Site) -> None:
    at = now() - 3_600_000
    at -= at % 300_000
    for minute in range(5):
        site.sync_registry.history.record(PUSHES, now_ms=at + minute * 60_000)
    (row,) = ask("GET", HISTORY).json["rows"]
    assert (row["at"], row["minutes"], row["pushes_count"], row["late_count"]) == (moment(at), 5, 15, 5)
    assert (row["bytes"], row["requests"], row["synced_count"]) == (350, 45, 15)
    assert (row["owed_references_count"], row["recovery_point_age_seconds"], row["lag_p99_seconds"]) == (4, 12, 0.1)


def test_an_unknown_value_is_null_and_an_unrecorded_minute_has_no_row(ask: Ask, site: Site) -> None:
    assert ask("GET", HISTORY).json["rows"] == []
    site.sync_registry.history.record(Observed(), now_ms=now() - 120_000)
    (row,) = ask("GET", HISTORY, query={"step": 3600}).json["rows"]
    assert (row["recovery_point_age_seconds"], row["owed_references_count"], row["lag_median_seconds"]) == (None,) * 3
    assert (row["recovery_point_unknown_minutes"], row["pushes_count"]) == (1, 0)


def test_a_time_of_ones_own(ask: Ask, site: Site) -> None:
    for hour in range(3):
        site.sync_registry.history.record(PUSHES, now_ms=OCTOBER + hour * 3_600_000)
    asked = {"since": "2025-10-31T23:00:00Z", "until": "2025-11-01T01:00:00Z", "step": 3600}
    found = ask("GET", HISTORY, query=asked).json
    assert [row["at"] for row in found["rows"]] == ["2025-10-31T23:00:00.000Z", "2025-11-01T00:00:00.000Z"]
    assert found["step_seconds"] == 3600


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"step": 60}, f"more than {MOST_ROWS} rows"),
        ({"step": 90}, "whole minutes"),
        ({"step": 59}, "step"),
        ({"step": "x"}, "step"),
        ({"since": "yesterday"}, "since: must be a moment"),
        ({"until": "2000-01-01T00:00:00Z", "since": "2001-01-01T00:00:00Z"}, "later than since"),
        ({"since": "2000-01-01T00:00:00Z", "step": 3600}, "more than"),
    ],
)
def test_a_malformed_or_too_long_time_span_is_refused(ask: Ask, query: dict[str, object], why: str) -> None:
    answer = ask("GET", HISTORY, query=query)
    assert answer.status == 400
    assert why in answer.message


@pytest.mark.parametrize("path", ["history", "service_level"])
def test_another_site_s_own_api_has_its_history(ask: Ask, path: str) -> None:
    answer = ask("GET", f"/api/v4/geo_sites/{site_id('oregon')}/{path}")
    assert answer.status == 404
    assert f"/api/v4/geo_sites/{site_id('berlin')}" in answer.message


@pytest.mark.parametrize("path", ["history", "service_level"])
def test_a_primary_has_none(primary: Site, ask: Ask, path: str) -> None:
    assert primary
    answer = ask("GET", f"/api/v4/geo_sites/{site_id('dublin')}/{path}")
    assert answer.status == 409


@pytest.mark.parametrize("path", [HISTORY, LEVEL])
def test_nobody_reads_it_without_a_token(ask: Ask, path: str) -> None:
    assert ask("GET", path, token=None).status == 401


def test_the_service_level_of_this_month_counts_what_is_overdue_now(ask: Ask, site: Site) -> None:
    assert ask("GET", LEVEL).json["share_percent"] is None
    site.sync_registry.history.record(PUSHES, now_ms=now())
    site.sync_registry.mark("group/app", Reference.tag("v1"), Mark(expects=A, pushed_at=now() - 90_000))
    found = ask("GET", LEVEL).json
    assert (found["pushes_count"], found["missed_count"], found["overdue_count"]) == (4, 2, 1)
    assert (found["share_percent"], found["lag_median_seconds"], found["lag_p99_seconds"]) == (50, 0.1, None)
    status = ask("GET", f"{HERE}/status").json
    assert status["service_level"] == {**found, "minutes": status["service_level"]["minutes"]}
    assert found == ask("GET", LEVEL, query={"month": month_name(now())}).json | {"minutes": found["minutes"]}


def test_a_month_that_has_passed_is_as_its_last_minute_saw_it(ask: Ask, site: Site) -> None:
    site.sync_registry.history.record(PUSHES, now_ms=OCTOBER)
    found = ask("GET", LEVEL, query={"month": "2025-10"}).json
    assert (found["month"], found["pushes_count"], found["overdue_count"], found["share_percent"]) == (
        "2025-10",
        4,
        1,
        50,
    )
    assert (found["minutes_recorded"], found["minutes"], found["has_gaps"]) == (1, 31 * 1440, True)
    for wrong in ("2025-13", "october", "2025-1"):
        assert ask("GET", LEVEL, query={"month": wrong}).status == 400


def test_the_target_is_the_site_s(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_LAG", "30")
    monkeypatch.setenv("TARGET_SHARE", "99.5")
    found = ask("GET", LEVEL).json
    assert (found["target_lag_seconds"], found["target_share_percent"]) == (30, 99.5)
