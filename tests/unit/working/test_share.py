"""The slot of an invocation: kept while its work goes on, free within a lease once the invocation vanished."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from tests.support.clock import FakeClock

from geosync.oci.deadline import Deadline
from geosync.sync_registry.items import Item
from geosync.sync_registry.site.slots import partition
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Delete, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.threads import Threads
from geosync.working.share import NamespaceShare
from geosync.working.workplace import SlotBounds, Workplace


class CountingStore(MemoryStore):
    """Counts what is written to slots."""

    writes = 0

    def write(self, change: Update | Delete) -> Item | None:
        self.writes += change.key.item.startswith("slot#")
        return super().write(change)


class Passing(threading.Event):
    """Lets time pass instead of waiting for it, until `ends_at`."""

    def __init__(self, clock: FakeClock, ends_at: int) -> None:
        super().__init__()
        self._clock = clock
        self._ends_at = ends_at

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        if self._clock.now + timeout * 1000 >= self._ends_at:
            self._clock.now = self._ends_at
            return True
        self._clock.pass_(timeout)
        return False


class Work(Threads):
    """Work of some seconds; actions beside it happen when `take` is called, within that time."""

    __slots__ = ("_beside", "_clock", "_lasts_s")

    def __init__(self, clock: FakeClock, lasts_s: float) -> None:
        self._clock = clock
        self._lasts_s = lasts_s
        self._beside: list[Callable[[], None]] = []

    def event(self) -> threading.Event:
        return Passing(self._clock, self._clock.now + round(self._lasts_s * 1000))

    def start(self, run: Callable[[], None], *, name: str) -> threading.Thread:
        self._beside.append(run)
        done = threading.Thread(target=lambda: None, name=name)
        done.start()
        return done

    def take(self) -> None:
        for run in self._beside:
            run()


class Function:
    """An invocation of functions/sync, of which a namespace may have one at a time."""

    def __init__(self, store: MemoryStore, clock: FakeClock, lasts_s: float) -> None:
        self.work = Work(clock, lasts_s)
        self.sync_registry = SyncRegistry(store, clock=clock)
        parts: Any = {"registries": None, "reporter": None, "logger": cast("Any", Silent())}
        place = Workplace(
            role="secondary",
            sync_registry=self.sync_registry,
            deadline=Deadline(),
            clock=clock,
            threads=self.work,
            **parts,
        )
        self.share = NamespaceShare(place, SlotBounds(live=1, work=1))


class Silent:
    def info(self, *_: object, **__: object) -> None:
        """Say nothing."""


def test_a_short_copy_writes_its_slot_twice_and_a_long_one_three_times_a_minute_more() -> None:
    for lasts_s, writes in ((19, 2), (119, 2 + 5), (900, 2 + 44)):
        clock, store = FakeClock(), CountingStore()
        function = Function(store, clock, lasts_s)
        with function.share.slot("group/app") as has_slot:
            assert has_slot
            function.work.take()
            assert Function(store, clock, 0).sync_registry.full_namespaces("live") == {"group"}
        assert store.writes == writes
        assert store.items(partition("group"), "slot#", limit=10) == []


def test_a_function_that_is_killed_keeps_its_slot_for_a_lease_at_most() -> None:
    clock, store = FakeClock(), MemoryStore()
    killed = Function(store, clock, 100)
    taken = killed.share.slot("group/app")
    assert taken.__enter__()
    killed.work.take()  # and then nothing: neither a renewal nor the end
    lease_s = killed.sync_registry.timing.lease_s

    clock.pass_(lease_s / 2)
    with Function(store, clock, 0).share.slot("group/other") as has_slot:
        assert not has_slot
    clock.pass_(lease_s / 2)
    with Function(store, clock, 0).share.slot("group/other") as has_slot:
        assert has_slot


def test_work_goes_on_after_its_slot_ran_out_and_takes_no_other_slot() -> None:
    clock, store = FakeClock(), MemoryStore()
    stuck, other = Function(store, clock, 900), Function(store, clock, 0)
    with stuck.share.slot("group/app"):
        clock.pass_(60)
        with other.share.slot("group/other") as has_slot:
            assert has_slot
            before = store.items(partition("group"), "slot#", limit=10)
            stuck.work.take()
            assert store.items(partition("group"), "slot#", limit=10) == before
