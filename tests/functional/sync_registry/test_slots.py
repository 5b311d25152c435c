"""The slots of a namespace, on both stores: so many at a time, for all invocations together, and none for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.clock import FakeClock

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.site.slots import Pool, Slot
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Delete, Store, Update
from geosync.sync_registry.table.memory import MemoryStore

MOST = 3


def take(sync_registry: SyncRegistry, namespace: str = "group", pool: Pool = "live", most: int = MOST) -> Slot | None:
    return sync_registry.take_slot(pool, namespace, most=most, lasting_s=960)


def held(store: Store) -> int:
    return len(store.items(SITE, "slot#", limit=100))


def test_a_namespace_has_so_many_slots_of_each_queue_and_the_others_have_theirs(
    sync_registry: SyncRegistry, store: Store
) -> None:
    slots = [take(sync_registry) for _ in range(MOST)]
    assert len({slot.key for slot in slots if slot is not None}) == MOST
    assert take(sync_registry) is None
    assert take(sync_registry, "group-b") is not None
    assert take(sync_registry, "grou") is not None
    assert take(sync_registry, pool="work") is not None
    assert slots[1] is not None
    sync_registry.give_slot_back(slots[1])
    again = take(sync_registry)
    assert again is not None
    assert again.key == slots[1].key
    assert take(sync_registry) is None
    assert held(store) == MOST + 3


def test_what_is_given_back_leaves_no_item(sync_registry: SyncRegistry, store: Store) -> None:
    slot = take(sync_registry)
    assert slot is not None
    assert held(store) == 1
    sync_registry.give_slot_back(slot)
    sync_registry.give_slot_back(slot)
    assert held(store) == 0


def test_the_slot_of_a_function_that_vanished_is_free_when_it_must_have_ended_and_is_not_given_back_by_it(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    lost = take(sync_registry, most=1)
    assert lost is not None
    clock.pass_(959)
    assert take(sync_registry, most=1) is None
    clock.pass_(1)
    taken = take(sync_registry, most=1)
    assert taken is not None
    sync_registry.give_slot_back(lost)
    assert take(sync_registry, most=1) is None, "it is somebody else's now"


def test_a_slot_whose_write_was_repeated_is_had_and_given_back(
    sync_registry: SyncRegistry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer came too late, and the client's own repetition of the write finds the slot taken: by itself."""
    write = store.write

    def twice(change: Update | Delete) -> Item | None:
        if isinstance(change, Update):
            write(change)
        return write(change)

    monkeypatch.setattr(store, "write", twice)
    slot = take(sync_registry, most=1)
    assert slot is not None
    assert take(sync_registry, most=1) is None
    sync_registry.give_slot_back(slot)
    assert held(store) == 0


def test_many_that_take_at_the_same_time_get_no_more() -> None:
    """On the store in memory: a condition and its write are one step there, as at DynamoDB, and not in moto."""
    sync_registry = SyncRegistry(MemoryStore())
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take(sync_registry), range(24)))
    keys = [slot.key for slot in taken if slot is not None]
    assert len(keys) == len(set(keys)) == MOST
