"""The status under GitLab's names."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock

from geosync.messages.event_log import LastEvent
from geosync.operating import status
from geosync.operating.geo_site_status import UNHEALTHY_AFTER_MS, geo_site_status, percentage
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site import counters, minute
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.memory import MemoryStore

NOW = 1_700_000_000_000
# The reference lists these fields of GitLab's status for container repositories, and no others are added.
FIELDS = {
    "container_repositories_count",
    "container_repositories_registry_count",
    "container_repositories_synced_count",
    "container_repositories_failed_count",
    "container_repositories_synced_in_percentage",
    "container_repositories_verification_total_count",
    "container_repositories_verified_count",
    "container_repositories_verification_failed_count",
    "container_repositories_verified_in_percentage",
    "container_repositories_checksummed_count",
    "container_repositories_checksum_failed_count",
    "container_repositories_replication_enabled",
    "last_event_id",
    "last_event_timestamp",
    "cursor_last_event_id",
    "cursor_last_event_timestamp",
    "last_successful_status_check_timestamp",
    "health",
    "healthy",
    "health_status",
    "updated_at",
}


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    registry = SyncRegistry(store, clock=FakeClock(NOW))
    for number in range(4):
        registry.mark(f"group/app-{number}", Reference.tag("v1"))
        lease = registry.knock(f"group/app-{number}")
        assert lease is not None
        if number == 0:
            (owed,) = registry.owed("group/app-0")
            registry.fail(owed, "500")
            assert registry.finish(lease)
        elif number == 1:
            registry.release(lease)
        else:
            (owed,) = registry.owed(f"group/app-{number}")
            assert registry.discharge(lease, owed, None)
            assert registry.finish(lease)
    store.write(Update(key=minute.KEY, set={"at": NOW - 1000}))
    return store


def read(store: MemoryStore, now: int = NOW) -> status.Status:
    clock = FakeClock(now)
    return status.read(SyncRegistry(store, clock=clock), clock=clock)


def test_it_has_gitlab_s_fields_and_counts_repositories(store: MemoryStore) -> None:
    key = counters.key(counters.number_of("group/app-2"))
    store.write(Update(key=key, add={"verified": 1}))
    fields = geo_site_status(read(store), role="secondary")
    assert set(fields) == FIELDS
    assert fields["container_repositories_registry_count"] == 4
    assert fields["container_repositories_synced_count"] == 2
    assert fields["container_repositories_failed_count"] == 1
    assert fields["container_repositories_synced_in_percentage"] == "50.00%"
    assert fields["container_repositories_verified_in_percentage"] == "25.00%"
    assert fields["healthy"] is True
    assert fields["last_successful_status_check_timestamp"] == NOW // 1000 - 1
    assert fields["updated_at"] == "2023-11-14T22:13:20.000000Z"


def test_it_is_unhealthy_when_the_minute_is_not_had(store: MemoryStore) -> None:
    late = geo_site_status(read(store, NOW + UNHEALTHY_AFTER_MS + 1), role="secondary")
    assert (late["healthy"], late["health_status"]) == (False, "Unhealthy")
    assert "10 minutes" in str(late["health"])
    never = geo_site_status(read(MemoryStore()), role="secondary")
    assert never["healthy"] is False
    assert never["container_repositories_synced_in_percentage"] == "0.00%"


def test_a_paused_site_replicates_nothing(store: MemoryStore) -> None:
    SyncRegistry(store).pause()
    assert geo_site_status(read(store), role="secondary")["container_repositories_replication_enabled"] is False


def test_lag_is_the_last_event_against_the_last_one_processed(store: MemoryStore) -> None:
    for number in (2, 3, 1):  # queues deliver in any order
        SyncRegistry(store).cursor.record(event_id=f"e{number}", received_at=number * 1000)
    fields = geo_site_status(read(store), role="primary", last_event=LastEvent(id="e9", received_at=9000))
    assert (fields["last_event_id"], fields["last_event_timestamp"]) == ("e9", 9)
    assert (fields["cursor_last_event_id"], fields["cursor_last_event_timestamp"]) == ("e3", 3)


def test_a_share_has_two_decimals() -> None:
    assert percentage(39, 40) == "97.50%"
