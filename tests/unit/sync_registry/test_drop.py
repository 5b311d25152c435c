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
def sync_registry(store: MemoryStore) -> SyncRegistry:
    return SyncRegistry(store, clock=FakeClock(10**12))


@pytest.fixture
def lease(sync_registry: SyncRegistry) -> Lease:
    """Somebody asked for V1, and it was proved to be nowhere."""
    owed = sync_registry.mark(APP, V1)
    lease = sync_registry.acquire(APP)
    assert lease is not None
    assert sync_registry.discharge(lease, owed, None)
    return sync_registry.renew(lease)


def rows(store: MemoryStore) -> int:
    rows = Counters(store).read()
    assert rows is not None
    return rows.rows


def test_a_row_is_dropped_with_its_index_entries_and_its_count(
    sync_registry: SyncRegistry, store: MemoryStore, lease: Lease
) -> None:
    assert rows(store) == 1
    assert sync_registry.drop(lease)
    assert sync_registry.row(APP) is None
    assert sync_registry.listing.names(limit=9) == []
    assert rows(store) == 0
    assert not sync_registry.drop(lease), "once is enough"
    assert rows(store) == 0


def test_a_mark_and_a_knock_meanwhile_keep_the_row(sync_registry: SyncRegistry, lease: Lease) -> None:
    sync_registry.mark(APP, V1)
    sync_registry.tell(APP, believed=sync_registry.row(APP))
    assert not sync_registry.drop(lease), "something is owed"
    assert sync_registry.row(APP) is not None


def test_a_knock_keeps_the_row_and_a_later_knock_makes_a_new_one(sync_registry: SyncRegistry, lease: Lease) -> None:
    believed = sync_registry.row(APP)
    assert sync_registry.tell(APP, believed=believed), "the holder sees it"
    assert not sync_registry.drop(lease)
    moved = sync_registry.renew(lease)
    assert sync_registry.drop(moved)
    sync_registry.mark(APP, V1)
    assert not sync_registry.tell(APP, believed=believed), "nobody holds it: somebody is to be woken"
    row = sync_registry.row(APP)
    assert row is not None
    assert row.revision == 1
    assert sync_registry.due_repositories() == [APP]


def test_a_seen_tag_keeps_the_row(sync_registry: SyncRegistry, lease: Lease) -> None:
    owed = sync_registry.mark(APP, V1)
    assert sync_registry.discharge(lease, owed, Seen(digest="sha256:a", looked_at=1, seen_at=1))
    assert not sync_registry.drop(lease)


def test_another_holder_or_a_write_that_may_land_keeps_the_row(sync_registry: SyncRegistry, lease: Lease) -> None:
    assert not sync_registry.drop(replace(lease, token="another"))
    assert not sync_registry.drop(sync_registry.suspect(lease))
    assert sync_registry.row(APP) is not None
