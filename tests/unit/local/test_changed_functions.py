"""What a function does when it is changed goes on to its end, in the emulator as on AWS."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from local.emulator_process import let_invocations_end


@dataclass(eq=False)
class Worker:
    """A worker as the emulator has it in its pool."""

    in_use: bool = False
    killed: bool = False


@dataclass
class Runtime:
    """The emulator's pool of one function's workers, as far as it is asked."""

    pool: list[Worker] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def kill_workers(self, workers: Iterable[Worker | None]) -> None:
        for one in workers:
            if one is not None:
                one.killed = True

    def invalidate_worker(self, name: str, qualifier: str | None = None, account: str | None = None) -> None:
        with self._lock:
            doomed, self.pool = self.pool, []
        self.kill_workers(doomed)

    def release_worker(self, worker: Worker | None) -> None:
        if worker is not None:
            worker.in_use = False


@pytest.fixture
def runtime() -> Runtime:
    found = Runtime([Worker(in_use=True), Worker()])
    let_invocations_end(found, SimpleNamespace())
    return found


def test_an_invocation_ends_before_its_worker_does_and_nobody_is_given_that_worker_again(runtime: Runtime) -> None:
    busy, idle = runtime.pool
    runtime.invalidate_worker("sync", qualifier="$LATEST", account="1")
    assert (busy.killed, idle.killed, runtime.pool) == (False, True, [])
    runtime.release_worker(busy)
    assert busy.killed
    runtime.release_worker(None)


def test_a_function_that_is_deleted_ends_at_once(runtime: Runtime) -> None:
    workers = list(runtime.pool)
    runtime.invalidate_worker("sync")
    assert [one.killed for one in workers] == [True, True]


def test_a_worker_that_was_idle_too_long_and_one_that_fails_are_ended(runtime: Runtime) -> None:
    busy = runtime.pool[0]
    runtime.kill_workers([busy, None])
    assert busy.killed
