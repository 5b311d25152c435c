"""A site's health: each thing that is wrong, on a site where nothing else is, and what is not known."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import START, FakeClock
from tests.unit.template.parts import TEMPLATE, of_type

from geosync.operating import status
from geosync.operating.health import (
    HEARTBEAT_LATE_MS,
    MINUTE_LATE_MS,
    Health,
    PrimarySigns,
    SecondarySigns,
    health_of,
    signs_of,
)
from geosync.operating.site_facts import RECOVERY_POINT_LATE_S, SiteFacts
from geosync.operating.status import Status
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site import breaker, catalogue
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.heartbeat import AHEAD_MS, LastHeartbeat, PostedHeartbeat
from geosync.sync_registry.site.pause import Pause
from geosync.sync_registry.site.recovery import Lost, Recovery
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.memory import MemoryStore

OREGON = SiteFacts(name="oregon", role="secondary")
DUBLIN = SiteFacts(name="dublin", role="primary")
BEAT = LastHeartbeat(site="dublin", sent_at=START - 1000, arrived_at=START - 500)
LOST = Lost(count=145, first_at=START, last_at=START, repository="group/app", reference="v1")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sync_registry(store: MemoryStore, clock: FakeClock) -> SyncRegistry:
    """A secondary with which nothing is wrong."""
    one = SyncRegistry(store, clock=clock)
    one.minute.record()
    one.heartbeat.record(site="dublin", sent_at=START - 1000, arrived_at=START - 500)
    times = dict.fromkeys(("started_at", "touched_at", "finished_at", "proved_at", "settled_at"), START - 1000)
    store.write(Update(key=catalogue.KEY, set=times))
    return one


def read(sync_registry: SyncRegistry, clock: FakeClock) -> Status:
    return status.read(sync_registry, clock=clock)


def judged(found: Status, *, letters: int = 0, facts: SiteFacts = OREGON) -> Health:
    return health_of(signs_of(facts, found, dead_letters=letters))


@pytest.fixture
def well(sync_registry: SyncRegistry, clock: FakeClock) -> Status:
    return read(sync_registry, clock)


def test_a_site_without_faults_is_healthy(well: Status) -> None:
    health = judged(well)
    assert health == Health()
    assert health.fields() == {
        "health": "Healthy",
        "healthy": True,
        "health_status": "Healthy",
        "health_reasons": [],
    }
    assert health.level == 0


LATE_MS = RECOVERY_POINT_LATE_S * 1000
COMPARED = Walk(started_at=START - LATE_MS - 1, touched_at=0, proved_at=START - LATE_MS - 1, settled_at=0)
UNHEALTHY: list[tuple[dict[str, Any], str]] = [
    ({"last_minute": None}, "functions/reconcile has not run yet"),
    ({"last_minute": START - MINUTE_LATE_MS - 1}, "functions/reconcile has not run for 5 minutes"),
    ({"heartbeat": None}, "no heartbeat of the primary has arrived yet"),
    (
        {"heartbeat": replace(BEAT, arrived_at=START - HEARTBEAT_LATE_MS - 1)},
        "no heartbeat of the primary has arrived for 3 minutes",
    ),
    ({"comparison": COMPARED}, "the recovery point is 15 minutes old"),
]


@pytest.mark.parametrize(("wrong", "reason"), UNHEALTHY, ids=[reason for _, reason in UNHEALTHY])
def test_what_makes_a_secondary_unhealthy(well: Status, wrong: dict[str, Any], reason: str) -> None:
    health = judged(replace(well, **wrong))
    assert (health.unhealthy, health.degraded) == ((reason,), ())
    fields = health.fields()
    assert (fields["healthy"], fields["health_status"], fields["health"]) == (False, "Unhealthy", reason)
    assert health.level == 2


DEGRADED: list[tuple[dict[str, Any], str]] = [
    ({"pause": Pause(since=START, reason="storage is moved")}, "the site is paused: storage is moved"),
    ({"pause": Pause(since=START, reason="")}, "the site is paused"),
    (
        {"deletes": breaker.State(suspended_at=START, reason="9 of the 10 tags of group/app are missing")},
        "deletes by comparison are suspended: 9 of the 10 tags of group/app are missing",
    ),
    ({"lost": LOST}, "145 notifications were lost"),
    ({"comparison": None}, "the recovery point is not known: no comparison of everything has begun"),
]


@pytest.mark.parametrize(("wrong", "reason"), DEGRADED, ids=[reason for _, reason in DEGRADED])
def test_what_degrades_a_secondary(well: Status, wrong: dict[str, Any], reason: str) -> None:
    health = judged(replace(well, **wrong))
    assert (health.unhealthy, health.degraded) == ((), (reason,))
    fields = health.fields()
    assert (fields["healthy"], fields["health_status"], fields["health"]) == (False, "Degraded", reason)
    assert health.level == 1


def test_letters_failed_and_parked_references_degrade_it(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.fail(sync_registry.mark("group/app", Reference.tag("v1")), "503")
    assert judged(read(sync_registry, clock)).degraded == ("1 reference failed and is tried again",)
    for tag in ("v2", "v3"):
        sync_registry.fail(sync_registry.mark("group/app", Reference.tag(tag)), "schema 1 is refused", parked=True)
    assert judged(read(sync_registry, clock), letters=20).degraded == (
        "20 messages are in the dead-letter queue",
        "1 reference failed and is tried again",
        "2 references are parked",
    )


def test_pending_work_is_no_fault(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.mark("group/app", Reference.tag("v1"))
    assert judged(read(sync_registry, clock)) == Health()


def test_a_registry_on_hold_is_unhealthy_until_it_has_answered(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.hold("dublin:5000", reason="connection refused")
    assert judged(read(sync_registry, clock)).unhealthy == ("the registry dublin:5000 is on hold: connection refused",)
    clock.pass_(status.HOLD_ENDED_S)  # the hold has run out, and nobody has asked the registry since
    sync_registry.minute.record()
    reason = "the registry dublin:5000 has not answered since its hold ended: connection refused"
    assert judged(read(sync_registry, clock)).unhealthy == (reason,)
    sync_registry.clear_hold("dublin:5000")
    assert judged(read(sync_registry, clock)) == Health()
    sync_registry.hold("gone:5000", reason="connection refused")
    clock.pass_(60)  # a registry that nobody needs any more is no fault for ever
    clock.pass_(status.HOLD_ENDED_S)
    sync_registry.minute.record()
    sync_registry.heartbeat.record(site="dublin", sent_at=clock.now, arrived_at=clock.now)
    assert judged(read(sync_registry, clock)) == Health()


def test_the_worst_comes_first(well: Status) -> None:
    health = judged(replace(well, pause=Pause(since=START, reason=""), heartbeat=None), letters=1)
    assert health.status == "Unhealthy"
    assert health.fields()["health"] == (
        "no heartbeat of the primary has arrived yet; 1 message is in the dead-letter queue; the site is paused"
    )


def test_many_long_reasons_stay_far_below_what_a_report_may_have() -> None:
    fields = Health(unhealthy=("x" * 1000,) * 60).fields()
    assert (len(json.dumps(fields)) < 8 * 1024, fields["health_status"]) == (True, "Unhealthy")


def test_the_age_from_which_a_recovery_point_is_late_is_the_alarm_s(well: Status) -> None:
    found = replace(well, comparison=COMPARED)
    assert judged(found, facts=replace(OREGON, late_s=RECOVERY_POINT_LATE_S + 1)) == Health()
    assert TEMPLATE["Parameters"]["RecoveryPointAlarmSeconds"]["Default"] == RECOVERY_POINT_LATE_S
    alarm = of_type("AWS::CloudWatch::Alarm")["MinuteAlarm"]
    assert alarm["Period"] * alarm["EvaluationPeriods"] * 1000 == MINUTE_LATE_MS


def test_the_health_alarms_have_the_thresholds_of_the_levels() -> None:
    alarms = of_type("AWS::CloudWatch::Alarm")
    assert alarms["UnhealthyAlarm"]["Threshold"] == Health(degraded=("",)).level
    assert alarms["DegradedAlarm"]["Threshold"] == Health().level
    assert {alarms[name]["MetricName"] for name in ("UnhealthyAlarm", "DegradedAlarm")} == {"HealthLevel"}


# ── two sites with one name; a clock that runs back ──


def test_a_primary_with_this_site_s_own_name_is_pointed_out(well: Status) -> None:
    (reason,) = judged(replace(well, heartbeat=replace(BEAT, site="oregon"))).unhealthy
    assert "two sites must not have one name" in reason


HOUR = 3_600_000
SET_BACK: list[dict[str, Any]] = [
    {"last_minute": START + HOUR},
    {"heartbeat": replace(BEAT, arrived_at=START + HOUR)},
    {"heartbeat": replace(BEAT, sent_at=START + HOUR)},
    {"recovery": Recovery(sent_at=START + HOUR)},
]


@pytest.mark.parametrize("wrong", SET_BACK)
def test_a_moment_in_the_future_is_said_and_proves_nothing(well: Status, wrong: dict[str, Any]) -> None:
    (reason,) = judged(replace(well, **wrong)).unhealthy
    assert re.search(r" 360\d s in the future", reason)


def test_clocks_that_differ_a_little_are_no_fault(well: Status) -> None:
    little: dict[str, Any] = {
        "last_minute": START + AHEAD_MS,
        "heartbeat": replace(BEAT, sent_at=START + AHEAD_MS - 500),
    }
    assert judged(replace(well, **little)) == Health()


# ── a primary ──


def primary(**wrong: Any) -> PrimarySigns:
    well = {"at": START, "last_minute": START, "posted": PostedHeartbeat(at=START - 60_000), "dead_letters": 0}
    return PrimarySigns(**{**well, **wrong})


@pytest.mark.parametrize(
    ("wrong", "unhealthy", "degraded"),
    [
        ({}, (), ()),
        ({"last_minute": None}, ("functions/reconcile has not run yet",), ()),
        ({"posted": None}, ("no heartbeat was taken by this site's endpoint yet",), ()),
        (
            {"posted": PostedHeartbeat(failure="the notification endpoint answered 401")},
            ("no heartbeat was taken by this site's endpoint yet: the notification endpoint answered 401",),
            (),
        ),
        (
            {"posted": PostedHeartbeat(at=START - HEARTBEAT_LATE_MS - 1, failure="answered 503")},
            ("no heartbeat was taken by this site's endpoint for 3 minutes: answered 503",),
            (),
        ),
        ({"posted": PostedHeartbeat(at=START - 60_000, failure="answered 503")}, (), ()),  # one may fail
        ({"dead_letters": 1}, (), ("1 message is in the dead-letter queue",)),
        ({"silent": ("the site oregon has not reported yet",)}, (), ("the site oregon has not reported yet",)),
    ],
)
def test_a_primary_is_judged_by_its_own_endpoint_and_by_who_reports(
    wrong: dict[str, Any], unhealthy: tuple[str, ...], degraded: tuple[str, ...]
) -> None:
    assert health_of(primary(**wrong)) == Health(unhealthy=unhealthy, degraded=degraded)


def test_owed_items_from_before_a_promotion_are_no_fault_of_the_primary(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.fail(sync_registry.mark("group/app", Reference.tag("v1")), "503")
    sync_registry.posted_heartbeat.record(at=START)
    found = read(sync_registry, clock)
    assert judged(found, facts=DUBLIN) == Health()
    assert isinstance(signs_of(OREGON, found, dead_letters=0), SecondarySigns)
