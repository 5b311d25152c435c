"""The recovery point: everything pushed before it is here and was seen."""

from __future__ import annotations

import pytest

from geosync import heartbeats, status
from geosync.events import Heartbeat
from geosync.sync_registry.items import Reference
from geosync.sync_registry.memory import MemoryStore
from geosync.sync_registry.registry import SyncRegistry

NOW = 1_000_000


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def beat(store: MemoryStore, sent_at: int) -> None:
    heartbeats.record(store, Heartbeat(id="b", site="primary", sent_at=sent_at, received_at=sent_at), now=sent_at + 5)


def mark(store: MemoryStore, reference: Reference, at: int) -> None:
    SyncRegistry(store, clock=lambda: at).mark("team/app", reference)


def recovery_point(store: MemoryStore, most: int = 10) -> int | None:
    return status.read(store, most=most, clock=lambda: NOW).recovery_point


def test_without_a_heartbeat_it_is_not_known(store: MemoryStore) -> None:
    assert recovery_point(store) is None


def test_when_nothing_is_owed_it_is_the_last_heartbeat(store: MemoryStore) -> None:
    beat(store, 700_000)
    assert recovery_point(store) == 700_000


def test_it_stands_still_while_heartbeats_do(store: MemoryStore) -> None:
    beat(store, 700_000)
    beat(store, 600_000)
    assert recovery_point(store) == 700_000, "a heartbeat that was overtaken moves nothing back"


def test_it_waits_for_the_oldest_push_that_is_owed(store: MemoryStore) -> None:
    beat(store, 700_000)
    mark(store, Reference.tag("v2"), 500_000)
    mark(store, Reference.tag("v1"), 400_000)
    mark(store, Reference.tag("v1"), 650_000)
    assert recovery_point(store) == 400_000


def test_a_comparison_that_is_to_come_is_no_push(store: MemoryStore) -> None:
    beat(store, 700_000)
    mark(store, Reference.whole(), 100_000)
    assert recovery_point(store) == 700_000


def test_with_more_owed_than_was_read_it_is_not_known(store: MemoryStore) -> None:
    beat(store, 700_000)
    for number in range(3):
        mark(store, Reference.tag(f"v{number}"), 500_000)
    assert recovery_point(store, most=2) is None
