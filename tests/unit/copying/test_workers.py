"""The threads of a copy: order, bounds, and an end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.support.patience import PATIENCE_S

from geosync.copying.workers import HEAVY, Workers


def _alive() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("copy-")}


def test_tasks_that_wait_run_smallest_first() -> None:
    order: list[int] = []
    busy, done = threading.Event(), threading.Event()
    workers = Workers(most=1, most_heavy=1)

    def task(size: int) -> Callable[[], None]:
        return lambda: order.append(size)

    def wait() -> None:
        assert busy.wait(PATIENCE_S)

    workers.submit(wait, size=0)
    for size in (HEAVY + 1, 500, 3, 70, HEAVY):
        workers.submit(task(size), size=size)
    workers.submit(done.set, size=HEAVY + 2)
    busy.set()
    assert done.wait(PATIENCE_S)
    workers.close()
    assert order == [3, 70, 500, HEAVY, HEAVY + 1]


def test_heavy_tasks_are_bounded_and_do_not_hold_up_light_ones() -> None:
    workers = Workers(most=6, most_heavy=2)
    started, release, light = threading.Semaphore(0), threading.Event(), threading.Event()

    def heavy() -> None:
        started.release()
        assert release.wait(PATIENCE_S)

    for _ in range(4):
        workers.submit(heavy, size=HEAVY)
    assert started.acquire(timeout=PATIENCE_S)
    assert started.acquire(timeout=PATIENCE_S)
    workers.submit(light.set, size=1)
    assert light.wait(PATIENCE_S)
    assert not started.acquire(timeout=0.05), "a third heavy task began"
    release.set()
    assert started.acquire(timeout=PATIENCE_S)
    assert started.acquire(timeout=PATIENCE_S)
    workers.close()


def test_as_many_tasks_run_at_once_as_there_are_threads() -> None:
    workers = Workers(most=4, most_heavy=4)
    together = threading.Barrier(4)
    passed = threading.Semaphore(0)

    def task() -> None:
        together.wait(PATIENCE_S)
        passed.release()

    for _ in range(8):
        workers.submit(task, size=1)
    assert all(passed.acquire(timeout=PATIENCE_S) for _ in range(8))
    workers.close()


def test_one_thread_gets_through_tasks_that_submit_tasks() -> None:
    workers = Workers(most=1, most_heavy=1)
    done = threading.Event()

    def down(depth: int) -> None:
        if depth == 0:
            done.set()
        else:
            workers.submit(lambda: down(depth - 1), size=HEAVY if depth % 2 else 0)

    down(50)
    assert done.wait(PATIENCE_S)
    workers.close()


def test_after_close_no_thread_is_alive_and_nothing_begins() -> None:
    before = _alive()
    workers = Workers(most=3, most_heavy=1)
    began = threading.Event()
    late: list[str] = []

    def running() -> None:
        """Run until it is closed: were it over before, the next one would rightly begin."""
        began.set()
        while not workers._closed:
            threading.Event().wait(0.001)

    workers.submit(running, size=HEAVY)
    workers.submit(lambda: late.append("queued"), size=HEAVY)
    assert began.wait(PATIENCE_S)
    workers.close()
    workers.submit(lambda: late.append("submitted after"), size=0)
    assert _alive() <= before
    assert late == []
