"""Layers under way between two holders, on both stores: one hand at a time, and none after a death."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.clock import FakeClock

from geosync.errors import LeaseLost
from geosync.sync_registry.items import Lease, Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Store
from geosync.sync_registry.uploads import UPLOAD_PREFIX, KeptUpload

REPOSITORY = "project/app"
V1 = Reference.tag("v1")
UPLOAD = KeptUpload(
    digest="sha256:" + "a" * 64,
    size=1000,
    registry="registry:5000",
    path="/v2/project/app/blobs/uploads/1?_state=x",
    offset=400,
    furthest=600,
)
MARK = KeptUpload(digest="sha256:" + "b" * 64, size=2000, registry="registry:5000")


def acquire(registry: SyncRegistry) -> Lease:
    lease = registry.acquire(REPOSITORY)
    assert lease is not None
    return lease


def left(store: Store) -> int:
    return len(store.items(REPOSITORY, UPLOAD_PREFIX, limit=10))


def test_what_a_holder_releases_the_next_takes_up_and_nobody_after_it(registry: SyncRegistry, store: Store) -> None:
    registry.release(acquire(registry), [UPLOAD, MARK])
    lease = acquire(registry)
    assert registry.uploads.take(lease) == [UPLOAD, MARK]
    assert left(store) == 0
    assert registry.uploads.take(lease) == []


def test_what_a_holder_finishes_with_is_left_as_well(registry: SyncRegistry) -> None:
    registry.mark(REPOSITORY, V1)
    lease = acquire(registry)
    (owed,) = registry.due(REPOSITORY)
    registry.fail(owed, "the layer is no further")
    assert registry.finish(lease, [UPLOAD])
    assert registry.uploads.take(acquire(registry)) == [UPLOAD]


def test_a_repository_that_is_not_let_go_leaves_nothing(registry: SyncRegistry, store: Store) -> None:
    lease = acquire(registry)
    registry.mark(REPOSITORY, V1)
    assert not registry.finish(lease, [UPLOAD])
    assert left(store) == 0


def test_a_holder_that_lost_its_lease_leaves_nothing_and_takes_nothing(
    registry: SyncRegistry, store: Store, clock: FakeClock
) -> None:
    registry.release(acquire(registry), [MARK])
    dead = acquire(registry)
    clock.pass_(registry.timing.lease_s + 1)
    alive = acquire(registry)
    for attempt in (
        lambda: registry.uploads.take(dead),
        lambda: registry.release(dead, [UPLOAD]),
        lambda: registry.finish(dead, [UPLOAD]),
    ):
        with pytest.raises(LeaseLost):
            attempt()
    assert left(store) == 1
    assert registry.uploads.take(alive) == [MARK]


def test_what_a_dead_holder_had_taken_is_gone(registry: SyncRegistry, clock: FakeClock) -> None:
    registry.release(acquire(registry), [UPLOAD])
    dead = acquire(registry)
    assert registry.uploads.take(dead) == [UPLOAD]
    clock.pass_(registry.timing.lease_s + 1)
    assert registry.uploads.take(acquire(registry)) == []


def test_an_upload_that_is_left_again_is_what_it_is_now(registry: SyncRegistry) -> None:
    registry.release(acquire(registry), [UPLOAD])
    gone = replace(UPLOAD, path=None, offset=0)
    registry.release(acquire(registry), [gone])
    assert registry.uploads.take(acquire(registry)) == [gone]


def test_it_is_forgotten_before_the_registry_forgets_it(registry: SyncRegistry, store: Store, clock: FakeClock) -> None:
    registry.release(acquire(registry), [UPLOAD])
    item = store.get(Key(REPOSITORY, UPLOAD_PREFIX + UPLOAD.digest))
    assert item is not None
    assert 0 < item["expire_at"] - clock.now // 1000 < 7 * 86_400
    assert "due" not in item, "it wakes nobody: what is owed does"


def test_where_an_upload_goes_is_in_no_text() -> None:
    assert "_state" not in repr(UPLOAD)
