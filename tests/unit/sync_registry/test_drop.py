"""A row goes only where nothing of its repository is owed or was seen, and nothing came in since that was read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.clock import FakeClock

from geosync.sync_registry.items import Lease, Reference, Seen
from geosync.sync_registry.site.counters import Counters
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

APP, V1 = "no/such", Reference.tag("v1")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry(store: MemoryStore) -> SyncRegistry:
    return SyncRegistry(store, clock=FakeClock(10**12))


@pytest.fixture
def lease(registry: SyncRegistry) -> Lease:
    """Somebody asked for V1, and it was proved to be nowhere."""
    owed = registry.mark(APP, V1)
    lease = registry.acquire(APP)
    assert lease is not None
    assert registry.discharge(lease, owed, None)
    return registry.renew(lease)


def rows(store: MemoryStore) -> int:
    rows = Counters(store).read()
    assert rows is not None
    return rows.rows


def test_it_goes_with_its_entries_and_its_count(registry: SyncRegistry, store: MemoryStore, lease: Lease) -> None:
    assert rows(store) == 1
    assert registry.drop(lease)
    assert registry.row(APP) is None
    assert registry.listing.names(limit=9) == []
    assert rows(store) == 0
    assert not registry.drop(lease), "once is enough"
    assert rows(store) == 0


def test_what_is_marked_and_knocked_meanwhile_keeps_it(registry: SyncRegistry, lease: Lease) -> None:
    registry.mark(APP, V1)
    registry.tell(APP, believed=registry.row(APP))
    assert not registry.drop(lease), "something is owed"
    assert registry.row(APP) is not None


def test_a_knock_alone_keeps_it_and_a_knock_after_it_makes_another(registry: SyncRegistry, lease: Lease) -> None:
    believed = registry.row(APP)
    assert registry.tell(APP, believed=believed), "the holder sees it"
    assert not registry.drop(lease)
    moved = registry.renew(lease)
    assert registry.drop(moved)
    registry.mark(APP, V1)
    assert not registry.tell(APP, believed=believed), "nobody holds it: somebody is to be woken"
    row = registry.row(APP)
    assert row is not None
    assert row.revision == 1
    assert registry.due_repositories() == [APP]


def test_a_tag_that_was_seen_keeps_it(registry: SyncRegistry, lease: Lease) -> None:
    owed = registry.mark(APP, V1)
    assert registry.discharge(lease, owed, Seen(digest="sha256:a", looked_at=1, seen_at=1))
    assert not registry.drop(lease)


def test_another_holder_and_a_write_that_may_still_land_keep_it(registry: SyncRegistry, lease: Lease) -> None:
    assert not registry.drop(replace(lease, token="another"))
    assert not registry.drop(registry.suspect(lease))
    assert registry.row(APP) is not None
