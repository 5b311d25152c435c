"""The status under GitLab's names."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.support.clock import FakeClock

from geosync import __version__
from geosync.messages.event_log import LastEvent
from geosync.messages.event_number import event_number
from geosync.operating import status
from geosync.operating.geo_site_status import geo_site_status, percentage
from geosync.operating.health import Health
from geosync.operating.site_facts import SiteFacts
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site import counters, minute
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.memory import MemoryStore

NOW = 1_700_000_000_000
# The reference lists these fields of GitLab's status for container repositories.
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
    "container_repositories_checksum_total_count",
    "container_repositories_oldest_unsynced_time",
    "container_repositories_replication_enabled",
    "last_event_id",
    "last_event_timestamp",
    "cursor_last_event_id",
    "cursor_last_event_timestamp",
    "last_successful_status_check_timestamp",
    "health",
    "healthy",
    "health_status",
    "version",
    "revision",
    "selective_sync_type",
    "namespaces",
    "updated_at",
}
OURS = {"health_reasons"}
OREGON = SiteFacts(name="oregon", role="secondary")
DUBLIN = SiteFacts(name="dublin", role="primary")
WELL = Health()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    sync_registry = SyncRegistry(store, clock=FakeClock(NOW))
    for number in range(4):
        sync_registry.mark(f"group/app-{number}", Reference.tag("v1"))
        lease = sync_registry.knock(f"group/app-{number}")
        assert lease is not None
        if number == 0:
            (owed,) = sync_registry.owed("group/app-0")
            sync_registry.fail(owed, "500")
            assert sync_registry.finish(lease)
        elif number == 1:
            sync_registry.release(lease)
        else:
            (owed,) = sync_registry.owed(f"group/app-{number}")
            assert sync_registry.discharge(lease, owed, None)
            assert sync_registry.finish(lease)
    store.write(Update(key=minute.KEY, set={"at": NOW - 1000}))
    return store


def read(store: MemoryStore, now: int = NOW) -> status.Status:
    clock = FakeClock(now)
    return status.read(SyncRegistry(store, clock=clock), clock=clock)


def test_it_has_gitlab_s_fields_and_counts_repositories(store: MemoryStore) -> None:
    key = counters.key(counters.number_of("group/app-2"))
    store.write(Update(key=key, add={"verified": 1}))
    fields = geo_site_status(read(store), OREGON, WELL)
    assert set(fields) == FIELDS | OURS
    assert fields["container_repositories_registry_count"] == 4
    assert fields["container_repositories_synced_count"] == 2
    assert fields["container_repositories_failed_count"] == 1
    assert fields["container_repositories_synced_in_percentage"] == "50.00%"
    assert fields["container_repositories_verified_in_percentage"] == "25.00%"
    assert fields["healthy"] is True
    assert fields["last_successful_status_check_timestamp"] == NOW // 1000 - 1
    assert fields["updated_at"] == "2023-11-14T22:13:20.000000Z"


def test_the_state_and_its_reasons_stand_under_gitlab_s_names(store: MemoryStore) -> None:
    fields = geo_site_status(read(store), OREGON, Health(unhealthy=("no heartbeat",), degraded=("paused",)))
    assert (fields["healthy"], fields["health_status"]) == (False, "Unhealthy")
    assert (fields["health"], fields["health_reasons"]) == ("no heartbeat; paused", ["no heartbeat", "paused"])


def test_the_status_counts_checksums_and_names_the_oldest_owed(store: MemoryStore) -> None:
    fields = geo_site_status(read(store, NOW + 60_000), OREGON, WELL)
    assert fields["container_repositories_checksum_total_count"] == 4
    assert fields["container_repositories_oldest_unsynced_time"] == NOW // 1000
    assert geo_site_status(read(store), DUBLIN, WELL)["container_repositories_oldest_unsynced_time"] is None
    assert geo_site_status(read(MemoryStore()), OREGON, WELL)["container_repositories_oldest_unsynced_time"] is None


def test_the_oldest_is_not_known_where_more_is_owed_than_was_read(store: MemoryStore) -> None:
    clock = FakeClock(NOW)
    found = status.read(SyncRegistry(store, clock=clock), most=1, clock=clock)
    assert found.more_owed
    assert geo_site_status(found, OREGON, WELL)["container_repositories_oldest_unsynced_time"] is None


def test_the_version_and_the_selection(store: MemoryStore) -> None:
    fields = geo_site_status(read(store), OREGON, WELL)
    assert (fields["version"], fields["selective_sync_type"], fields["namespaces"]) == (__version__, None, [])
    assert re.fullmatch(r"[0-9a-f]{11}", str(fields["revision"]))
    patterns = ("group/**", "library/*", "team-?/**")
    selective = replace(OREGON, selective_sync="namespaces", included=patterns)
    fields = geo_site_status(read(store), selective, WELL)
    assert (fields["selective_sync_type"], fields["namespaces"]) == ("namespaces", [{"full_path": "group"}])
    assert geo_site_status(read(store), replace(selective, role="primary"), WELL)["selective_sync_type"] is None


def test_a_paused_site_replicates_nothing(store: MemoryStore) -> None:
    SyncRegistry(store).pause()
    assert geo_site_status(read(store), OREGON, WELL)["container_repositories_replication_enabled"] is False


def test_lag_is_the_last_event_against_the_last_one_processed(store: MemoryStore) -> None:
    for number in (2, 3, 1):  # queues deliver in any order
        SyncRegistry(store).cursor.record(event_id=f"e{number}", received_at=number * 1000)
    newest = LastEvent(id="e9", received_at=9000)
    fields = geo_site_status(read(store), OREGON, WELL, last_event=newest)
    assert (fields["last_event_id"], fields["last_event_timestamp"]) == (event_number("e9", 9000), 9)
    assert (fields["cursor_last_event_id"], fields["cursor_last_event_timestamp"]) == (event_number("e3", 3000), 3)
    primary = geo_site_status(read(store), DUBLIN, WELL, last_event=newest)  # it was a secondary once
    assert (primary["last_event_id"], primary["cursor_last_event_id"]) == (event_number("e9", 9000), None)


def test_numbers_of_events_grow_with_time_and_are_exact_in_every_language() -> None:
    moments = range(NOW, NOW + 50)
    numbers = [event_number(f"e{number % 3}", moment) for number, moment in enumerate(moments)]
    assert numbers == sorted(set(numbers))
    assert event_number("e1", NOW) == event_number("e1", NOW) != event_number("e2", NOW)
    assert event_number("e1", 8_993_548_800_000) < 2**53  # in 2255


def test_a_share_has_two_decimals() -> None:
    assert percentage(39, 40) == "97.50%"
