"""A new row gets its id while others hold it, let it go and delete it: the counters say what the rows are.

Whoever writes a row first gives it its id in another write. Two work on one table; the first makes some requests, then
the second makes some, then each goes on to its end: with every number of requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from tests.support.clock import FakeClock

from geosync.errors import Contended
from geosync.operating import status
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import FAILED, ROW, SYNCED, Reference
from geosync.sync_registry.numbering import number
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Comparison, Mark

NOW = 1_700_000_000_000
NAME = "group/app"
TAG = Reference.tag("v1")
REQUESTS = frozenset({"get", "batch_get", "write", "transact", "items", "due", "due_keys"})

Actor = Callable[[SyncRegistry], None]


class Turns:
    """Actors in threads, of which one runs at a time: it makes one request to the table with each turn."""

    def __init__(self, *actors: Actor) -> None:
        self.store = Shared(self)
        self._mine = threading.local()
        self._back = threading.Semaphore(0)
        self._ended: list[bool] = []
        self._go = [threading.Semaphore(0) for _ in actors]
        self._error: BaseException | None = None
        for position, actor in enumerate(actors):
            self._ended.append(False)
            threading.Thread(target=self._run, args=(position, actor), daemon=True).start()

    def _run(self, position: int, actor: Actor) -> None:
        self._mine.position = position
        self._go[position].acquire()
        try:
            actor(SyncRegistry(self.store, clock=FakeClock(NOW)))
        except BaseException as error:  # noqa: BLE001 - the test's own thread raises it
            self._error = error
        self._ended[position] = True
        self._back.release()

    def before_request(self) -> None:
        """Wait for the next turn, in an actor's thread."""
        position = getattr(self._mine, "position", None)
        if position is not None:
            self._back.release()
            self._go[position].acquire()

    def give(self, position: int, turns: int | None = None) -> int:
        """Give an actor some turns (None: until its end), and compare the counts then; returns how many it took."""
        taken = 0
        while not self._ended[position] and taken != turns:
            self._go[position].release()
            self._back.acquire()
            taken += 1
            if self._error is not None:
                raise self._error
        assert self.said() == self.truth()
        return taken

    def truth(self) -> tuple[int, int, int]:
        states = [item["state"] for key, item in self.store.table.items() if key.item == ROW and "id" in item]
        return len(states), states.count(SYNCED), states.count(FAILED)

    def said(self) -> tuple[int, int, int] | None:
        rows = status.read(SyncRegistry(self.store), clock=FakeClock(NOW)).rows
        return (rows.rows, rows.synced, rows.failed) if rows is not None else None


class Shared(MemoryStore):
    """A table whose requests wait for the turn of who makes them."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def __getattribute__(self, name: str) -> Any:
        if name in REQUESTS:
            self._turns.before_request()
        return super().__getattribute__(name)


def announce(sync_registry: SyncRegistry) -> None:
    """Take an event in."""
    sync_registry.mark(NAME, TAG, Mark(expects="sha256:a"))
    sync_registry.tell(NAME)


def compare(sync_registry: SyncRegistry) -> None:
    """Mark the whole repository, as a comparison's walk does."""
    sync_registry.mark(NAME, Reference.whole(), Mark(comparison=Comparison(walk=NOW)))
    sync_registry.tell(NAME)


def sync(sync_registry: SyncRegistry) -> None:
    """Work off all that is owed."""
    _work(sync_registry, lambda held: [held.discharge(owed, None) for owed in sync_registry.owed(NAME)])


def fail(sync_registry: SyncRegistry) -> None:
    """Park everything that is owed."""
    _work(sync_registry, lambda _: [sync_registry.fail(owed, "500", parked=True) for owed in sync_registry.owed(NAME)])


def drop(sync_registry: SyncRegistry) -> None:
    """Find that neither registry knows the repository."""
    _work(sync_registry, lambda held: [held.discharge(owed, None) for owed in sync_registry.owed(NAME)], drops=True)


def _work(sync_registry: SyncRegistry, do: Callable[[HeldLease], object], *, drops: bool = False) -> None:
    lease = sync_registry.acquire(NAME)
    if lease is None:
        return
    held = HeldLease(sync_registry, lease)
    for _ in range(6):
        before = held.lease
        do(held)
        if (drops and held.drop(before)) or held.finish(before):
            return
    raise AssertionError("a holder is not let go of its repository")


PAIRS = list(permutations((announce, compare, sync, fail, drop), 2))


@pytest.mark.parametrize("actors", PAIRS, ids=lambda actors: " ".join(one.__name__ for one in actors))
def test_the_counters_match_the_rows_whoever_writes_in_between(actors: tuple[Actor, Actor]) -> None:
    first = 0
    while True:
        second = 0
        while True:
            turns = Turns(*actors)
            is_through = turns.give(0, first) < first
            is_second_through = turns.give(1, second) < second
            turns.give(0)
            turns.give(1)
            row = turns.store.table.get(Key(NAME, ROW))
            assert row is None or "id" in row
            if is_second_through:
                break
            second += 1
        if is_through:
            return
        first += 1


@pytest.mark.parametrize("is_let_go", [False, True])
def test_a_row_numbered_by_another_than_its_holder_is_counted_in_its_state(is_let_go: bool) -> None:
    """The holder's own numbering is refused, as other transactions are in the way."""
    store = MemoryStore()
    registry, other = (SyncRegistry(store, clock=FakeClock(NOW)) for _ in range(2))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "transact", _refuse)
        announce(other)
        row = registry.row(NAME)
        lease = registry.acquire(NAME)
    assert row is not None
    assert lease is not None
    assert not lease.listed
    held = HeldLease(registry, lease)
    for owed in registry.owed(NAME):
        held.discharge(owed, None)
    if is_let_go:
        assert held.finish()
        number(store, row)  # what waited since the row was written
    else:
        number(store, row)
        assert not held.finish()
        assert held.finish()
    found = status.read(registry, clock=FakeClock(NOW)).rows
    assert found is not None
    assert (found.rows, found.synced) == (1, 1)


def _refuse(_: object) -> None:
    raise Contended("another transaction is in the way")
