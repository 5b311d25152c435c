"""Items that somebody edited into nonsense stop nobody else."""

from __future__ import annotations

import pytest
from tests.functional.sync_registry.parts import REPOSITORY, V1, V2, A, B, seen
from tests.support.clock import START

from geosync.errors import CorruptItem
from geosync.sync_registry.items import UNNAMED, Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Store, Update
from geosync.sync_registry.transitions.marks import Mark


def test_a_row_edited_into_nonsense_says_which_and_stops_nobody_else(sync_registry: SyncRegistry, store: Store) -> None:
    sync_registry.mark(REPOSITORY, V1)
    store.write(Update(key=Key(REPOSITORY, "row"), set={"revision": "many"}))
    sync_registry.mark("project/other", V1)

    with pytest.raises(CorruptItem, match=r"project/app.*row.*revision"):
        sync_registry.knock(REPOSITORY)
    with pytest.raises(CorruptItem, match=r"project/app.*row.*revision"):
        sync_registry.row(REPOSITORY)
    assert "project/other" in sync_registry.due_repositories()
    assert sync_registry.acquire("project/other") is not None


def test_an_owed_item_edited_into_nonsense_is_parked_with_the_reason(sync_registry: SyncRegistry, store: Store) -> None:
    sync_registry.mark(REPOSITORY, V1)
    sync_registry.mark(REPOSITORY, V2)
    store.write(Update(key=Key(REPOSITORY, V1.owed_key), set={"marked_at": "yesterday"}))
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None

    (owed,) = sync_registry.due(REPOSITORY)

    assert owed.reference == V2
    sync_registry.discharge(lease, owed, seen(A, START))
    assert sync_registry.due(REPOSITORY) == []
    assert sync_registry.finish(lease)
    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert row.state == "3"
    assert row.last_sync_failure is not None
    assert "owed#tag#v1: marked_at is not a whole number" in row.last_sync_failure


def test_a_mark_heals_what_cannot_be_added_to(sync_registry: SyncRegistry, store: Store) -> None:
    store.write(Update(key=Key(REPOSITORY, V1.owed_key), set={"expects": "everything"}))

    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))

    owed = {one.reference: one.expects for one in sync_registry.due(REPOSITORY)}
    assert owed == {V1: {UNNAMED}, Reference.digest(A): {A}}


def test_a_mark_of_what_cannot_be_read_keeps_the_digests_that_can(sync_registry: SyncRegistry, store: Store) -> None:
    key = Key(REPOSITORY, V1.owed_key)
    store.write(Update(key=key, set={"expects": frozenset({A}), "due": START, "marked_at": "noon"}))

    sync_registry.mark(REPOSITORY, V1, Mark(if_absent=frozenset({"missing"}), distrust=frozenset({B})))
    store.write(Update(key=key, set={"expects": frozenset({A}), "attempts": "many", "pushed_at": "noon"}))
    sync_registry.mark(REPOSITORY, V1, Mark(expects=B))

    assert {one.reference for one in sync_registry.due(REPOSITORY)} == {V1, *map(Reference.digest, (A, B))}
