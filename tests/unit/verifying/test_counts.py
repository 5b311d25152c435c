"""The counters of verified rows move with the rows."""

from __future__ import annotations

from tests.support.counts import verification_counts

from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import ROW, Reference
from geosync.sync_registry.site import counters
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.verifying.counts import VerificationCounts

REPOSITORY = "group/app"


def counted(store: MemoryStore, before: str | None, after: str | None) -> None:
    store.transact(counters.moved(REPOSITORY, Counted(verification=before), Counted(verification=after)))


def test_a_row_is_counted_once_wherever_it_goes() -> None:
    store = MemoryStore()
    store.transact(counters.moved(REPOSITORY, Counted(), Counted(), rows=3))

    counted(store, None, counters.VERIFIED)
    expected = {"total": 3, "verified": 1, "failed": 0, "checksummed": 1, "checksum_failed": 0}
    assert verification_counts(SyncRegistry(store)) == VerificationCounts(**expected)
    counted(store, counters.VERIFIED, counters.FAILED)
    assert verification_counts(SyncRegistry(store)) == VerificationCounts(**expected | {"verified": 0, "failed": 1})
    counted(store, counters.FAILED, counters.UNREADABLE)
    assert verification_counts(SyncRegistry(store)) == VerificationCounts(
        total=3, verified=0, failed=1, checksummed=0, checksum_failed=1
    )
    failed = Counted(verification=counters.FAILED)
    assert counters.moved(REPOSITORY, failed, failed) == []


def test_a_verified_row_whose_sync_fails_is_not_counted_any_more() -> None:
    store = MemoryStore()
    sync_registry = SyncRegistry(store)
    sync_registry.knock(REPOSITORY, take=False)
    store.write(Update(key=Key(REPOSITORY, ROW), set={"verification_counted": counters.VERIFIED}))
    counted(store, None, counters.VERIFIED)

    owed = sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    lease = sync_registry.knock(REPOSITORY)
    assert lease is not None
    assert sync_registry.fail(owed, "no such manifest", parked=True)
    assert sync_registry.finish(lease)

    assert verification_counts(SyncRegistry(store)).verified == 0
    changed = store.get(Key(REPOSITORY, ROW))
    assert changed is not None
    assert "verification_counted" not in changed


def test_a_verified_row_that_is_synced_again_stays_counted_until_it_is_verified() -> None:
    store = MemoryStore()
    sync_registry = SyncRegistry(store)
    sync_registry.knock(REPOSITORY, take=False)
    store.write(Update(key=Key(REPOSITORY, ROW), set={"verification_counted": counters.VERIFIED}))
    counted(store, None, counters.VERIFIED)

    lease = sync_registry.knock(REPOSITORY)
    assert lease is not None
    assert sync_registry.finish(lease)

    assert verification_counts(SyncRegistry(store)).verified == 1
