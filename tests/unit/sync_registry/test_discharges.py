"""Discharges of several threads: an error of one does not end the others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.clock import START, FakeClock
from tests.support.patience import PATIENCE_S

from geosync.errors import Contended
from geosync.sync_registry.discharges import MOST_LEFT, Discharges
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site.outbox import Outbox
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Change, Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.discharge import Discharged
from geosync.sync_registry.transitions.marks import Mark
from geosync.threads import Threads

REPOSITORY = "project/app"
FIRST, MANY, FEW = map(Reference.tag, ("first", "many", "few"))
OVERTAKEN = frozenset(f"sha256:{number:064x}" for number in range(100))
LATEST = max(OVERTAKEN)


class CountedTurn(threading.Condition):
    """Tells of each thread that is about to wait for its turn: its discharge is queued by then."""

    def __init__(self) -> None:
        super().__init__()
        self.queued = threading.Semaphore(0)

    def __enter__(self) -> bool:
        self.queued.release()
        return super().__enter__()


class CountedThreads(Threads):
    def __init__(self) -> None:
        self.turn = CountedTurn()

    def condition(self) -> threading.Condition:
        return self.turn


class BusyStore(MemoryStore):
    """Begins the first discharge once all are queued, and never gets to mark one overtaken digest."""

    def __init__(self, turn: CountedTurn, threads: int) -> None:
        super().__init__()
        self._turn = turn
        self._threads = threads
        self.begun = threading.Event()

    def transact(self, changes: Sequence[Change]) -> None:
        keys = {change.key.item for change in changes}
        if FIRST.owed_key in keys:
            self.begun.set()
            for _ in range(self._threads):
                assert self._turn.queued.acquire(timeout=PATIENCE_S)
        if Reference.digest(LATEST).owed_key in keys:
            raise Contended("others were in the way")
        super().transact(changes)


def test_a_tag_with_many_overtaken_digests_does_not_end_the_discharges_that_wait_beside_it() -> None:
    assert len(OVERTAKEN) > MOST_LEFT
    threads, clock = CountedThreads(), FakeClock()
    store = BusyStore(threads.turn, threads=3)
    registry = SyncRegistry(store, clock=clock)
    lease = registry.acquire(REPOSITORY)
    assert lease is not None
    discharges = Discharges(store, clock, None, threads, names=lambda: "a mark", outbox=Outbox(store, clock, str))
    seen = Seen(digest="sha256:seen", looked_at=START, seen_at=START)

    def discharge(reference: Reference) -> set[Reference]:
        owed = registry.mark(REPOSITORY, reference, Mark(expects="sha256:seen"))
        superseded = OVERTAKEN if reference == MANY else frozenset[str]()
        return discharges.discharge(lease, [Discharged(owed, seen, superseded)])

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(discharge, FIRST)
        assert store.begun.wait(PATIENCE_S)
        many, few = pool.submit(discharge, MANY), pool.submit(discharge, FEW)
        with pytest.raises(Contended):
            many.result(PATIENCE_S)
        assert (first.result(PATIENCE_S), few.result(PATIENCE_S)) == ({FIRST}, {FEW})
    assert store.get(Key(REPOSITORY, MANY.owed_key)) is not None, "it is owed still"
    assert store.get(Key(REPOSITORY, FEW.owed_key)) is None
