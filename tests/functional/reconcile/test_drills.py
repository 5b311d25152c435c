"""The minute says whether a drill is due, where DrillSchedule asks for them."""

from __future__ import annotations

import pytest
from functions.reconcile import app
from tests.functional.reconcile.parts import Endpoint, Site, minute
from tests.functional.reconcile.test_history import metrics

from geosync.clock import DAY_MS, SYSTEM_CLOCK
from geosync.sync_registry.site.drills import LastDrill
from geosync.sync_registry.table.changes import Key, Update


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


def test_the_last_drill_of_a_version_that_kept_it_with_the_site_counts_until_there_is_another(site: Site) -> None:
    item = {"id": "former", "at": SYSTEM_CLOCK.now_ms(), "verdict": "passed", "why": ""}
    site.store.write(Update(key=Key("#site", "drill"), set=item))
    assert [one and one.id for one in both(site)] == ["former", "former"]
    drilled(site, 0, "failed")
    assert [one and one.id for one in both(site)] == ["d", "d"]


def both(site: Site) -> tuple[LastDrill | None, LastDrill | None]:
    """The last drill as `geosync drill --last` reads it, and as a status does."""
    return site.sync_registry.drills.last(), site.sync_registry.overview.read().last_drill
