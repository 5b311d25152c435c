"""The reasons why the recovery point stands still, from the queues at the moment of the status."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.clock import FakeClock

from geosync.operating import status
from geosync.operating.stalled import REFUSED_JUST_NOW, SWEEP_LATE_MS, why_stalled_now
from geosync.operating.status import Status
from geosync.sync_registry.site.letters import LettersLook
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sync_registry(clock: FakeClock) -> SyncRegistry:
    sync_registry = SyncRegistry(MemoryStore(), clock=clock)
    sync_registry.sweep.record(woken=0, reason=None)
    sync_registry.subscription.record("subscription", settle_s=0)
    sync_registry.catalogue.begin(now_ms=clock.now, after=sync_registry.catalogue.latest())
    return sync_registry


def read(sync_registry: SyncRegistry, clock: FakeClock) -> Status:
    return status.read(sync_registry, clock=clock)


def test_events_that_wait_now_are_counted_now(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    known = sync_registry.recovery.read()
    sync_registry.recovery.write(replace(known, why="events wait in the queue: 9"))
    found = read(sync_registry, clock)
    assert why_stalled_now(found, events=0, letters=0) is None
    assert why_stalled_now(found, events=2, letters=0) == "events wait in the queue: 2"


def test_the_last_look_into_the_dlq_holds_while_its_number_of_messages_is_unchanged(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    said = why_stalled_now(read(sync_registry, clock), events=0, letters=1)
    assert said == "the DLQ could not be looked through"
    sync_registry.letters.write(LettersLook(at=clock.now, letters=5, parked=2, unmarked=3))
    found = read(sync_registry, clock)
    assert why_stalled_now(found, events=0, letters=5) == "the DLQ holds messages that could not be marked: 3"
    assert why_stalled_now(found, events=0, letters=1) == "the DLQ holds messages that could not be marked: 1"
    assert why_stalled_now(found, events=0, letters=0) is None
    assert why_stalled_now(replace(found, refused=True), events=0, letters=0) == REFUSED_JUST_NOW


def test_undecided_finds_and_a_stopped_sweep_are_reported(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.recovery.write(replace(sync_registry.recovery.read(), undecided=4))
    assert "on their way: 4" in (why_stalled_now(read(sync_registry, clock), events=0, letters=0) or "")
    clock.now += SWEEP_LATE_MS + 1
    assert why_stalled_now(read(sync_registry, clock), events=0, letters=0) == "the sweep does not run"
