"""The minute says whether a drill is due, where DrillSchedule asks for them."""

from __future__ import annotations

import pytest
from functions.reconcile import app
from tests.functional.reconcile.parts import Endpoint, Site, minute
from tests.functional.reconcile.test_history import metrics

from geosync.clock import DAY_MS, SYSTEM_CLOCK
from geosync.sync_registry.site.drills import LastDrill


def drilled(site: Site, days: float, verdict: str) -> None:
    at = SYSTEM_CLOCK.now_ms() - round(days * DAY_MS)
    site.sync_registry.drills.record(LastDrill(id="d", at=at, verdict=verdict, why=""))


@pytest.mark.parametrize(
    ("schedule", "last", "due"),
    [
        ("weekly", (7.9, "passed"), 0),
        ("weekly", (8.1, "passed"), 1),
        ("weekly", (1, "incomplete"), 0),
        ("weekly", (1, "failed"), 1),
        ("daily", (2.1, "passed"), 1),
        ("monthly", (31, "passed"), 0),
    ],
)
def test_a_drill_is_due_when_the_last_one_failed_or_is_old(
    site: Site,
    aws: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    schedule: str,
    last: tuple[float, str],
    due: int,
) -> None:
    aws.setenv("DRILL_SCHEDULE", schedule)
    drilled(site, *last)
    assert minute()["drills"] == "done"
    assert metrics(capsys.readouterr().out)["DrillDue"] == due


def test_a_site_that_never_had_one_is_due(
    site: Site, aws: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.setenv("DRILL_SCHEDULE", "weekly")
    minute()
    assert metrics(capsys.readouterr().out)["DrillDue"] == 1


def test_without_a_schedule_and_at_a_primary_nobody_asks(endpoint: Endpoint, aws: pytest.MonkeyPatch) -> None:
    aws.setenv("DRILL_SCHEDULE", "weekly")
    assert "drills" not in minute()
    aws.setenv("SITE_ROLE", "secondary")
    aws.setenv("DRILL_SCHEDULE", "off")
    app.site().session.close()
    app.site.cache_clear()
    assert "drills" not in minute()
