"""Uploads passed from holder to holder, on both stores: one holder at a time, and none after a death."""

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


def acquire(sync_registry: SyncRegistry) -> Lease:
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    return lease


def left(store: Store) -> int:
    return len(store.items(REPOSITORY, UPLOAD_PREFIX, limit=10))


def test_an_upload_that_a_holder_releases_is_taken_by_the_next_holder_only(
    sync_registry: SyncRegistry, store: Store
) -> None:
    sync_registry.release(acquire(sync_registry), [UPLOAD, MARK])
    lease = acquire(sync_registry)
    assert sync_registry.uploads.take(lease) == [UPLOAD, MARK]
    assert left(store) == 0
    assert sync_registry.uploads.take(lease) == []


def test_an_upload_that_a_holder_has_when_it_finishes_is_kept_as_well(sync_registry: SyncRegistry) -> None:
    sync_registry.mark(REPOSITORY, V1)
    lease = acquire(sync_registry)
    (owed,) = sync_registry.due(REPOSITORY)
    sync_registry.fail(owed, "the layer is no further")
    assert sync_registry.finish(lease, [UPLOAD])
    assert sync_registry.uploads.take(acquire(sync_registry)) == [UPLOAD]


def test_a_repository_that_is_not_let_go_leaves_nothing(sync_registry: SyncRegistry, store: Store) -> None:
    lease = acquire(sync_registry)
    sync_registry.mark(REPOSITORY, V1)
    assert not sync_registry.finish(lease, [UPLOAD])
    assert left(store) == 0


def test_a_holder_that_lost_its_lease_leaves_nothing_and_takes_nothing(
    sync_registry: SyncRegistry, store: Store, clock: FakeClock
) -> None:
    sync_registry.release(acquire(sync_registry), [MARK])
    dead = acquire(sync_registry)
    clock.pass_(sync_registry.timing.lease_s + 1)
    alive = acquire(sync_registry)
    for attempt in (
        lambda: sync_registry.uploads.take(dead),
        lambda: sync_registry.release(dead, [UPLOAD]),
        lambda: sync_registry.finish(dead, [UPLOAD]),
    ):
        with pytest.raises(LeaseLost):
            attempt()
    assert left(store) == 1
    assert sync_registry.uploads.take(alive) == [MARK]


def test_an_upload_that_a_dead_holder_had_taken_is_gone(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.release(acquire(sync_registry), [UPLOAD])
    dead = acquire(sync_registry)
    assert sync_registry.uploads.take(dead) == [UPLOAD]
    clock.pass_(sync_registry.timing.lease_s + 1)
    assert sync_registry.uploads.take(acquire(sync_registry)) == []


def test_an_upload_that_is_left_again_has_its_latest_state(sync_registry: SyncRegistry) -> None:
    sync_registry.release(acquire(sync_registry), [UPLOAD])
    gone = replace(UPLOAD, path=None, offset=0)
    sync_registry.release(acquire(sync_registry), [gone])
    assert sync_registry.uploads.take(acquire(sync_registry)) == [gone]


def test_an_upload_is_forgotten_before_the_registry_forgets_it(
    sync_registry: SyncRegistry, store: Store, clock: FakeClock
) -> None:
    sync_registry.release(acquire(sync_registry), [UPLOAD])
    item = store.get(Key(REPOSITORY, UPLOAD_PREFIX + UPLOAD.digest))
    assert item is not None
    assert 0 < item["expire_at"] - clock.now // 1000 < 7 * 86_400
    assert "due" not in item, "it wakes nobody: what is owed does"


def test_no_text_shows_the_location_of_an_upload() -> None:
    assert "_state" not in repr(UPLOAD)
