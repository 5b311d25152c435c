"""What a status says of a sync registry, read from one in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.clock import START, FakeClock

from geosync.operating import status
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.heartbeat import LastHeartbeat
from geosync.sync_registry.site.pause import Pause
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Comparison, Mark


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sync_registry(store: MemoryStore, clock: FakeClock) -> SyncRegistry:
    return SyncRegistry(store, clock=clock)


def test_a_site_that_never_owed_anything_owes_nothing(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    found = status.read(sync_registry, clock=clock)
    assert found.nothing_owed
    assert (found.oldest, found.heartbeat, found.pause, found.holds, found.repositories) == (None, None, None, (), 0)


def test_the_oldest_comes_first_with_the_reason_of_its_last_failure(
    store: MemoryStore, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    old = sync_registry.mark("group/app", Reference.tag("v1"))
    clock.now += 60_000
    sync_registry.mark("group/app", Reference.tag("v2"))
    sync_registry.fail(old, "dublin: GET /v2/: 503")
    found = status.read(sync_registry, clock=clock)
    assert [(one.reference, one.owed_since) for one in found.owed] == [("v1", START), ("v2", START + 60_000)]
    assert found.oldest is not None
    assert (found.oldest.failure, found.oldest.attempts) == ("dublin: GET /v2/: 503", 1)
    assert (found.failed, found.nothing_owed) == (1, False)


def test_parked_references_are_counted_for_themselves(
    store: MemoryStore, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.fail(sync_registry.mark("group/app", Reference.tag("v1")), "schema 1 is refused", parked=True)
    found = status.read(sync_registry, clock=clock)
    assert ([one.reference for one in found.parked], found.owed, found.nothing_owed) == (["v1"], (), False)


@pytest.mark.parametrize(("owed", "more"), [(5, False), (6, True)])
def test_a_count_beyond_what_is_read_says_that_there_are_more(
    store: MemoryStore, sync_registry: SyncRegistry, clock: FakeClock, owed: int, more: bool
) -> None:
    for number in range(owed):
        sync_registry.mark(f"group/app-{number}", Reference.tag("v1"))
    found = status.read(sync_registry, most=5, clock=clock)
    assert (len(found.owed), found.more_owed) == (5, more)


def test_a_repository_that_is_held_is_being_worked_on_and_is_no_reference(
    store: MemoryStore, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    assert sync_registry.knock("group/app") is not None
    found = status.read(sync_registry, clock=clock)
    assert (found.worked_on, found.repositories, found.nothing_owed) == (1, 1, True)
    clock.now += 61_000  # the lease has run out
    assert status.read(sync_registry, clock=clock).worked_on == 0


def test_everybody_at_work_is_counted_however_much_is_owed(
    store: MemoryStore, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    for number in range(20):
        sync_registry.mark(f"group/backlog-{number}", Reference.tag("v1"))
    clock.now += 1  # what is being worked on comes last in every partition
    held = [f"group/app-{number}" for number in range(3)]
    for name in held:
        assert sync_registry.acquire(name) is not None
    found = status.read(sync_registry, most=2, clock=clock)
    assert (found.more_owed, found.worked_on) == (True, 3)
    assert sync_registry.owed_index.read(most=2, now_ms=clock.now, leases=True).leased == tuple(held)


def test_a_later_comparison_under_way_does_not_count_as_owed(
    store: MemoryStore, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.mark("group/app", Reference.whole(), Mark(comparison=Comparison(walk=START, unannounced=False)))
    found = status.read(sync_registry, clock=clock)
    first = Walk(started_at=START, touched_at=START)
    assert not replace(found, comparison=first).nothing_owed
    assert not replace(found, owed=(), comparison=replace(first, finished_at=START)).nothing_owed
    later = replace(first, settled_at=START - 86_400_000)
    assert replace(found, comparison=later).nothing_owed
    assert not replace(found, comparison=later, more_owed=True).nothing_owed
    sync_registry.mark("group/app", Reference.tag("v1"), Mark(comparison=Comparison(walk=START, unannounced=True)))
    assert not replace(status.read(sync_registry, clock=clock), comparison=later).nothing_owed


def test_an_item_that_cannot_be_read_is_owed_all_the_same(
    store: MemoryStore, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.mark("group/app", Reference.tag("v1"))
    key = Key("group/app", "owed#tag#v1")
    store.table[key] = {**store.table[key], "attempts": "many"}
    (one,) = status.read(sync_registry, clock=clock).owed
    assert one.reference == "v1"
    assert "attempts is not a whole number" in (one.failure or "")


def test_pause_holds_in_force_and_the_last_heartbeat_are_named(
    store: MemoryStore, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.pause("upgrade")
    sync_registry.hold("registry.example.com:443", reason="503")
    sync_registry.heartbeat.record(site="dublin", sent_at=START - 5, arrived_at=START)
    found = status.read(sync_registry, clock=clock)
    assert found.pause == Pause(since=START, reason="upgrade")
    assert [hold.registry for hold in found.holds] == ["registry.example.com:443"]
    assert found.heartbeat == LastHeartbeat(site="dublin", sent_at=START - 5, arrived_at=START)
    clock.now += 3_600_000
    assert status.read(sync_registry, clock=clock).holds == ()
