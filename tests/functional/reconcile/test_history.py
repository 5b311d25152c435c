"""A minute takes what workers measured, writes it down, and puts the gauges and the burn rate."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.functional.reconcile.parts import Endpoint, Site, minute
from tests.support.aws_calls import counted
from tests.support.clock import FakeClock
from tests.support.throttled import throttled

from geosync.clock import SYSTEM_CLOCK
from geosync.errors import Contended
from geosync.messages.measurements import Measurements
from geosync.messages.queues import Queue
from geosync.minute.measurements import MeasurementsQueue, TakenMeasurements
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site import subscription
from geosync.sync_registry.site.counters import RowCounts
from geosync.sync_registry.site.history import Kept, bins_of
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.transitions.marks import Comparison, Mark

A = "sha256:" + "a" * 64


def measured(site: Site, *given: Measurements) -> None:
    for one in given:
        Queue(site.sqs, site.measurements_url).send(one)


def kept(site: Site) -> Kept:
    found = site.sync_registry.history.kept(now_ms=SYSTEM_CLOCK.now_ms())
    assert found is not None
    return found


def metrics(out: str) -> dict[str, float]:
    """The metrics that were printed, the last value of each."""
    found: dict[str, float] = {}
    for line in out.splitlines():
        if line.startswith("{") and "_aws" in line:
            said = json.loads(line)
            names = (one["Name"] for one in said["_aws"]["CloudWatchMetrics"][0]["Metrics"])
            found |= {name: said[name][-1] if isinstance(said[name], list) else said[name] for name in names}
    return found


def test_what_workers_measured_is_in_the_history_and_leaves_the_queue(site: Site) -> None:
    measured(
        site,
        Measurements(lags_ms={1000: 2, 61_000: 1}, synced=4, bytes=70, requests=9),
        *(Measurements(lags_ms={1000: 1}, synced=1) for _ in range(25)),
    )
    assert minute()["history"] == "done"
    assert minute()["history"] == "done"
    total = kept(site).total
    assert sum(bins_of(total).values()) == 28
    assert {name: total[name] for name in ("late", "synced", "bytes", "requests", "lag_ms")} == {
        "late": 1,
        "synced": 29,
        "bytes": 70,
        "requests": 9,
        "lag_ms": 27 * 1000 + 61_000,
    }


@pytest.mark.parametrize("messages", [0, 40])
def test_the_history_is_two_writes_a_minute_however_many_workers_measure(site: Site, messages: int) -> None:
    """Of all writes of the minute; the others are counted with none of the history's."""
    minute()
    measured(site, *(Measurements(lags_ms={1000 * number: 1}, synced=1) for number in range(messages)))
    with counted() as calls:
        minute()
    written = calls["items written"]
    with counted() as without, pytest.MonkeyPatch.context() as patched:
        patched.setattr("geosync.sync_registry.site.history.HistoryItems.record", lambda *_, **__: None)
        minute()
    assert written - without["items written"] == 2


def test_what_was_not_written_down_is_measured_in_the_next_minute(site: Site) -> None:
    measured(site, Measurements(lags_ms={1000: 5}, synced=5))
    receipts: list[str] = []
    take = MeasurementsQueue.take

    def noted(queue: MeasurementsQueue) -> TakenMeasurements:
        taken = take(queue)
        receipts.extend(taken.receipts)
        return taken

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MeasurementsQueue, "take", noted)
        patched.setattr("geosync.sync_registry.site.history.HistoryItems.record", _refused)
        assert minute()["history"] == "Contended"
    assert site.sync_registry.history.kept(now_ms=SYSTEM_CLOCK.now_ms()) is None
    for receipt in receipts:  # two minutes later
        site.sqs.change_message_visibility(QueueUrl=site.measurements_url, ReceiptHandle=receipt, VisibilityTimeout=0)
    assert minute()["history"] == "done"
    assert kept(site).total["synced"] == 5


@pytest.mark.parametrize(
    "failing",
    ["site.history.HistoryItems.record", "site.recovery.RecoveryItems.write"],
)
def test_a_lost_notification_is_in_the_history_once_whatever_fails_in_its_minute(site: Site, failing: str) -> None:
    minute()
    lose_a_notification(site)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(f"geosync.sync_registry.{failing}", _refused)
        for _ in range(2):
            minute()
    assert site.sync_registry.recovery.lost() is not None
    for _ in range(2):
        assert minute()["history"] == "done"
    assert kept(site).total["lost"] == 1


def test_a_loss_whose_minute_was_written_is_counted_once_though_its_measurements_stayed(site: Site) -> None:
    minute()
    lose_a_notification(site)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MeasurementsQueue, "delete", _refused)
        for _ in range(2):
            assert minute()["history"] == "Contended"
    assert minute()["history"] == "done"
    assert kept(site).total["lost"] == 1


def test_a_minute_that_cannot_take_measurements_is_recorded_without_them(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    at = SYSTEM_CLOCK.now_ms() - 120_000
    for number in range(5):
        site.sync_registry.mark(f"group/app-{number}", Reference.tag("v1"), Mark(expects=A, pushed_at=at))
    measured(site, Measurements(lags_ms={1000: 5}, synced=5))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MeasurementsQueue, "take", _unavailable)
        assert minute()["history"] == "ClientError"
    month, found = kept(site).month, metrics(capsys.readouterr().out)
    assert (month.counts["minutes"], month.overdue, month.counts.get("synced", 0)) == (1, 5, 0)
    assert found["HistoryFailed"] == 1
    assert found["BudgetBurnRate"] == pytest.approx(1000)
    assert minute()["history"] == "done"
    assert kept(site).total["synced"] == 5


def lose_a_notification(site: Site) -> None:
    """A comparison found what nobody announced, so long ago that the next minutes decide."""
    site.store.write(Update(key=subscription.KEY, set={"since": 1, "gapless_from": 1}))  # as if it had been for long
    earlier = SyncRegistry(site.store, clock=FakeClock(SYSTEM_CLOCK.now_ms() - 5 * 60_000))
    owed = earlier.mark("group/app", Reference.tag("v1"), Mark(comparison=Comparison(walk=1, unannounced=True)))
    lease = earlier.acquire("group/app")
    assert lease is not None
    earlier.suspected.record(owed)
    assert earlier.discharge(lease, owed, Seen(digest=A, looked_at=1, seen_at=1, unannounced=True, suspected=True))


def _unavailable(_: object) -> None:
    raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "ReceiveMessage")


def _refused(*_: object, **__: object) -> None:
    raise Contended("busy")


def test_what_no_worker_sent_is_deleted_and_logged(site: Site, log: Callable[[], list[dict[str, Any]]]) -> None:
    site.sqs.send_message(QueueUrl=site.measurements_url, MessageBody="{}")
    measured(site, Measurements(synced=1))
    assert minute()["history"] == "done"
    assert minute()["history"] == "done"
    assert [line["messages"] for line in log() if line["message"] == "measurements_unreadable"] == [1]
    assert kept(site).total["synced"] == 1


def test_pushes_that_are_overdue_burn_the_budget_and_the_alarm_hears_of_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    at = SYSTEM_CLOCK.now_ms() - 120_000
    for number in range(10):
        site.sync_registry.mark(f"group/app-{number}", Reference.tag("v1"), Mark(expects=A, pushed_at=at))
    measured(site, Measurements(lags_ms={1000: 90}, synced=90))
    minute()
    found = metrics(capsys.readouterr().out)
    assert found["BudgetBurnRate"] == pytest.approx(100, rel=0.01)  # a tenth, where a thousandth may
    assert (found["RepositoriesFailedNow"], found["RepositoriesDifferingNow"]) == (0, 0)
    assert kept(site).month.overdue == 10


def test_a_repository_that_failed_and_was_pushed_to_again_has_not_failed(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """The counters have it as failed until its next holder lets it go."""
    tag = Reference.tag("v1")
    site.sync_registry.mark("group/app", tag, Mark(expects=A))
    site.sync_registry.tell("group/app")
    lease = site.sync_registry.acquire("group/app", believed=site.sync_registry.row("group/app"))
    assert lease is not None
    site.sync_registry.fail(site.sync_registry.owed("group/app")[0], "503")
    assert site.sync_registry.finish(lease)
    minute()
    assert metrics(capsys.readouterr().out)["RepositoriesFailedNow"] == 1

    site.sync_registry.mark("group/app", tag, Mark(expects=A))
    site.sync_registry.tell("group/app")
    minute()
    assert metrics(capsys.readouterr().out)["RepositoriesFailedNow"] == 0
    assert site.sync_registry.counters.read() == RowCounts(rows=1, failed=1)


def test_what_is_overdue_since_weeks_was_no_miss_of_the_last_hour(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five references that an operator left parked would ring for ever."""
    at = SYSTEM_CLOCK.now_ms() - 10 * 86_400_000
    for number in range(5):
        site.sync_registry.mark(f"group/app-{number}", Reference.tag("v1"), Mark(expects=A, pushed_at=at))
    minute()
    assert "BudgetBurnRate" not in metrics(capsys.readouterr().out), "nothing was pushed"
    measured(site, Measurements(lags_ms={1000: 90}, synced=90))
    minute()
    assert metrics(capsys.readouterr().out)["BudgetBurnRate"] == 0
    assert kept(site).month.overdue == 5, "the month has them as ever"


def test_without_a_push_there_is_no_rate(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    minute()
    assert "BudgetBurnRate" not in metrics(capsys.readouterr().out)


def test_a_primary_keeps_no_history(endpoint: Endpoint, site: Site) -> None:
    assert "history" not in minute()
    assert site.sync_registry.history.kept(now_ms=SYSTEM_CLOCK.now_ms()) is None


def test_what_sqs_deletes_in_part_is_counted_once(site: Site) -> None:
    measured(site, *(Measurements(lags_ms={1000: 1}, synced=1) for _ in range(20)))
    with throttled("sqs", every=2) as throttle:
        assert minute()["history"] == "done"
    assert throttle.halved["sqs:DeleteMessageBatch"] > 0
    left = site.sqs.get_queue_attributes(
        QueueUrl=site.measurements_url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    assert left["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "0"}
    assert kept(site).total["synced"] == 20
