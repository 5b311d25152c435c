"""The slots of a namespace, on both stores: a bounded number for all invocations together, and each ends by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.clock import FakeClock

from geosync.sync_registry.items import Item
from geosync.sync_registry.site.slots import FORGOTTEN_S, SPREAD, Pool, Slot
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Delete, Store, Update
from geosync.sync_registry.table.memory import MemoryStore

MOST = 3


LASTING_S = 60


def take(sync_registry: SyncRegistry, namespace: str = "group", pool: Pool = "live", most: int = MOST) -> Slot | None:
    return sync_registry.take_slot(pool, namespace, most=most, lasting_s=LASTING_S)


def held(store: Store) -> int:
    return sum(len(store.items(partition, "slot#", limit=100)) for partition in SPREAD)


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


def test_a_returned_slot_leaves_no_item(sync_registry: SyncRegistry, store: Store) -> None:
    slot = take(sync_registry)
    assert slot is not None
    assert held(store) == 1
    sync_registry.give_slot_back(slot)
    sync_registry.give_slot_back(slot)
    assert held(store) == 0


def test_a_slot_that_is_renewed_lasts_and_one_that_somebody_else_has_is_not_renewed(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    mine = take(sync_registry, most=1)
    assert mine is not None
    for _ in range(10):
        clock.pass_(LASTING_S - 1)
        assert sync_registry.renew_slot(mine, lasting_s=LASTING_S)
        assert take(sync_registry, most=1) is None
    clock.pass_(LASTING_S)
    yours = take(sync_registry, most=1)
    assert yours is not None
    assert not sync_registry.renew_slot(mine, lasting_s=10 * LASTING_S)
    clock.pass_(LASTING_S)
    assert take(sync_registry, most=1) is not None


def test_a_namespace_is_full_when_it_has_as_many_slots_of_the_queue_as_it_may(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    for _ in range(MOST):
        take(sync_registry, "full")
        take(sync_registry, "other-queue", pool="work")
    for _ in range(MOST - 1):
        take(sync_registry, "fullish")
    assert sync_registry.full_namespaces("live") == {"full"}
    clock.pass_(LASTING_S)
    assert sync_registry.full_namespaces("live") == frozenset()


def test_the_slot_of_a_function_that_vanished_is_free_when_it_ran_out_and_is_not_given_back_by_it(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    lost = take(sync_registry, most=1)
    assert lost is not None
    clock.pass_(LASTING_S - 1)
    assert take(sync_registry, most=1) is None
    clock.pass_(1)
    taken = take(sync_registry, most=1)
    assert taken is not None
    sync_registry.give_slot_back(lost)
    assert take(sync_registry, most=1) is None, "it is somebody else's now"


def test_the_item_of_a_function_that_vanished_goes_once_its_slot_ran_out(
    sync_registry: SyncRegistry, store: Store, clock: FakeClock
) -> None:
    """They would gather, and only so many are read to find the namespaces that are full."""
    slot = take(sync_registry)
    assert slot is not None
    expires = []
    for _ in range(2):
        item = store.get(slot.key)
        assert item is not None
        assert item["expire_at"] * 1000 > item["until"], "it stays as long as somebody has it"
        expires.append(item["expire_at"] - clock.now // 1000)
        clock.pass_(LASTING_S - 1)
        assert sync_registry.renew_slot(slot, lasting_s=LASTING_S)
    assert expires == [LASTING_S + FORGOTTEN_S, LASTING_S + FORGOTTEN_S]


def test_a_slot_is_taken_once_although_its_write_was_repeated(
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


def test_many_concurrent_takers_get_no_more_slots_than_there_are() -> None:
    """On the store in memory: a condition and its write are one step there, as at DynamoDB, and not in moto."""
    sync_registry = SyncRegistry(MemoryStore())
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take(sync_registry), range(24)))
    keys = [slot.key for slot in taken if slot is not None]
    assert len(keys) == len(set(keys)) == MOST
