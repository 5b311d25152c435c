"""The minute judges the site: a metric for the alarms, a line in the log, and the facts that a primary keeps for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.functional.reconcile.parts import TOKEN, Endpoint, Site, minute

from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site import minute as minute_item
from geosync.sync_registry.site.sites import SiteReport
from geosync.sync_registry.table.changes import Key, Update

Log = Callable[[], list[dict[str, Any]]]
HOUR = 3_600_000


def levels(capsys: pytest.CaptureFixture[str]) -> list[float]:
    """The HealthLevel that was put."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "HealthLevel" in line]
    return [one for line in lines for one in line["HealthLevel"]]


def reasons(log: Log) -> list[str]:
    return [reason for line in log() if line["message"] == "not_healthy" for reason in line["reasons"]]


@pytest.fixture
def well(site: Site) -> Site:
    """A secondary with which nothing is wrong."""
    now = SYSTEM_CLOCK.now_ms()
    site.walked(started_at=now)
    site.store.write(
        Update(key=catalogue_item.KEY, set={"following": site.topic_arn, "proved_at": now, "settled_at": now})
    )
    site.sync_registry.heartbeat.record(site="dublin", sent_at=now, arrived_at=now)
    return site


def test_a_secondary_with_which_nothing_is_wrong_is_healthy(
    well: Site, capsys: pytest.CaptureFixture[str], log: Log
) -> None:
    assert minute()["health"] == "done"
    assert (levels(capsys), reasons(log)) == ([0], [])


def test_a_dead_letter_degrades_it_and_a_hold_makes_it_unhealthy(
    well: Site, capsys: pytest.CaptureFixture[str], log: Log
) -> None:
    well.sqs.send_message(QueueUrl=well.dlq_url, MessageBody="poison")
    minute()
    assert levels(capsys) == [1]
    well.sync_registry.hold("dublin:5000", reason="connection refused")
    minute()
    assert levels(capsys) == [2]
    assert reasons(log)[-2:] == [
        "the registry dublin:5000 is on hold: connection refused",
        "1 message is in the dead-letter queue",
    ]


def test_the_first_minute_after_an_outage_of_the_schedule_is_no_late_one(
    well: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    well.store.write(Update(key=minute_item.KEY, set={"at": SYSTEM_CLOCK.now_ms() - 3_600_000}))
    minute()
    assert levels(capsys) == [0]


def test_a_minute_that_cannot_read_what_is_owed_is_not_healthy(well: Site, capsys: pytest.CaptureFixture[str]) -> None:
    well.sqs.delete_queue(QueueUrl=well.events_url)
    assert minute()["recovery"] != "done"
    assert levels(capsys) == [2]


def test_a_primary_is_judged_by_the_heartbeat_that_it_just_posted(
    site: Site, endpoint: Endpoint, capsys: pytest.CaptureFixture[str], log: Log
) -> None:
    endpoint.status = 401
    minute()
    assert levels(capsys) == [2]
    (reason,) = reasons(log)
    assert reason == ("no heartbeat was taken by this site's endpoint yet: the notification endpoint answered 401")
    endpoint.status = 200
    minute()
    assert levels(capsys) == [0]
    posted = site.sync_registry.posted_heartbeat.read()
    assert posted is not None
    assert (posted.failure, SYSTEM_CLOCK.now_ms() - (posted.at or 0) < 60_000) == (None, True)
    assert TOKEN not in json.dumps(log())


def test_a_site_that_is_silent_degrades_the_primary_that_expects_it(
    site: Site, endpoint: Endpoint, capsys: pytest.CaptureFixture[str], log: Log
) -> None:
    now = SYSTEM_CLOCK.now_ms()
    site.sync_registry.sites.add(name="oregon", url="https://oregon.example.com", key="0" * 64, now_ms=now)
    minute()
    assert (levels(capsys), reasons(log)) == ([1], ["the site oregon has not reported yet"])
    site.sync_registry.sites.record(SiteReport(site="oregon", sent_at=now, arrived_at=now, status="{}"))
    minute()
    assert levels(capsys) == [0]
    for arrived_at, why in ((now - 720_000, "has not reported for 12 minutes"), (now + HOUR, "in the future")):
        site.store.write(Update(key=Key("#site", "report#oregon"), set={"arrived_at": arrived_at}))
        minute()
        assert levels(capsys) == [1]
        assert why in reasons(log)[-1]


def test_what_a_clock_left_in_the_future_is_said_and_forgotten(
    well: Site, capsys: pytest.CaptureFixture[str], log: Log
) -> None:
    well.sync_registry.cursor.record(event_id="e1", received_at=SYSTEM_CLOCK.now_ms() + HOUR)
    assert minute()["clock"] == "done"
    assert [line["forgotten"] for line in log() if line["message"] == "clock_set_back"] == [["cursor"]]
    assert well.sync_registry.cursor.read() is None
    minute()
    assert len([line for line in log() if line["message"] == "clock_set_back"]) == 1
