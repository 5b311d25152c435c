"""Items as the version before wrote them: read, swept, shown, and worked off."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clock import FakeClock

from geosync.operating import status
from geosync.sync_registry.items import PARKED_DUE_MS, SYNCED, Reference, Row
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard
from geosync.sync_registry.transitions.marks import Mark

REPOSITORY, NOW = "group/app", 1_700_000_000_000
SHARD = due_shard(REPOSITORY)


def owed(tag: str, **values: Any) -> dict[str, Any]:
    """An owed reference without what came later: pushed_at, walk, unannounced, a shard for what failed."""
    times = {"marked_at": NOW, "owed_since": NOW - 5000, "due": NOW, "due_shard": SHARD, "attempts": 0}
    return {"repository": REPOSITORY, "item": f"owed#tag#{tag}", "mark": f"m-{tag}", **times, **values}


@pytest.fixture
def store() -> MemoryStore:
    row = {"repository": REPOSITORY, "item": "row", "id": 7, "container_repository_id": 7, "state": "3"}
    row |= {"retry_count": 2, "retry_at": NOW, "last_sync_failure": "500", "created_at": NOW - 9000, "revision": 4}
    failed = owed("failed", attempts=2, failure="500", failed_at=NOW - 10)
    parked = owed("parked", attempts=1, failure="schema 1", parked=True, due=PARKED_DUE_MS)
    listed = {"repository": "#rows", "item": f"name#{REPOSITORY}", "id": 7}
    counted = {"repository": "#site", "item": "counter#rows", "value": 1}
    return MemoryStore([row, listed, counted, owed("fresh"), failed, parked])


def test_older_items_are_read_and_new_attributes_have_their_defaults(store: MemoryStore) -> None:
    sync_registry = SyncRegistry(store, clock=FakeClock(NOW))
    read = {str(one.reference): one for one in sync_registry.owed(REPOSITORY)}
    assert {name: (one.pushed_at, one.walk, one.unannounced) for name, one in read.items()} == dict.fromkeys(
        ("fresh", "failed", "parked"), (NOW - 5000, None, False)
    )
    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert (row.id, row.state, row.retry_count, row.missing_on_primary) == (7, "3", 2, False)


def test_older_items_are_swept_shown_and_worked_off(store: MemoryStore) -> None:
    sync_registry = SyncRegistry(store, clock=FakeClock(NOW))
    assert sync_registry.due_repositories() == [REPOSITORY]
    shown = status.read(sync_registry, clock=FakeClock(NOW))
    assert ({one.reference for one in shown.owed}, [one.reference for one in shown.parked]) == (
        {"fresh", "failed"},
        ["parked"],
    )
    assert (shown.repositories, shown.open_repositories, shown.failed_repositories) == (None, None, None)
    assert sync_registry.recount.go_on() is not None
    shown = status.read(sync_registry, clock=FakeClock(NOW))
    assert (shown.repositories, shown.open_repositories, shown.failed_repositories) == (1, 1, 1)
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    for one in sync_registry.due(REPOSITORY):
        assert sync_registry.discharge(lease, one, None)
    parked = sync_registry.mark(REPOSITORY, Reference.tag("parked"))
    assert sync_registry.discharge(lease, parked, None)
    assert sync_registry.finish(lease)
    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert (row.state, row.retry_count, row.last_sync_failure) == (SYNCED, 0, None)


@pytest.mark.parametrize(
    ("attribute", "nonsense"),
    [("pushed_at", "yesterday"), ("walk", "the first"), ("unannounced", 3), ("owed_since", "x"), ("expects", "a")],
)
def test_an_item_edited_into_nonsense_is_parked_with_what_is_wrong_and_a_mark_mends_it(
    store: MemoryStore, attribute: str, nonsense: object
) -> None:
    sync_registry = SyncRegistry(store, clock=FakeClock(NOW))
    key = Key(REPOSITORY, "owed#tag#fresh")
    store.table[key] = {**store.table[key], attribute: nonsense}
    assert [str(one.reference) for one in sync_registry.due(REPOSITORY)] == ["failed"], "the others go on"
    assert attribute in str(store.table[key]["failure"])
    assert store.table[key]["parked"] is True
    mended = sync_registry.mark(REPOSITORY, Reference.tag("fresh"), Mark(expects="sha256:a"))
    assert (mended.parked, mended.failure, mended.due) == (False, None, NOW)


def test_a_row_has_every_field_that_the_console_shows() -> None:
    """The fields of GitLab's registry row; the rest of Row is the protocol's."""
    console = {
        "id",
        "container_repository_id",
        "state",
        "retry_count",
        "retry_at",
        "last_sync_failure",
        "last_synced_at",
        "created_at",
        "missing_on_primary",
        "verification_state",
        "verified_at",
        "verification_retry_at",
        "verification_retry_count",
        "verification_failure",
        "verification_checksum",
        "verification_checksum_mismatched",
        "checksum_mismatch",
    }
    assert console <= set(Row.__slots__)
