"""Shares of the memory: waited for, taken at once, given back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest
from tests.support.clock import FakeClock

from geosync.errors import OutOfTime
from geosync.oci.deadline import Deadline
from geosync.oci.documents import SMALL_BYTES
from geosync.oci.manifests import MAX_MANIFEST_BYTES
from geosync.oci.memory import ATTEMPTS_BYTES, MIB, STEPS_BYTES, Memory, Pool, Room

FOREVER = Deadline()
PATIENCE_S = 120


def over() -> Deadline:
    deadline = Deadline(FakeClock())
    deadline.set(0)
    return deadline


def test_takers_that_do_not_fit_wait_and_are_served_first_come_first_served() -> None:
    pool = Pool(10)
    pool.take(8, FOREVER)
    served: list[int] = []

    def taking(size: int) -> threading.Thread:
        def take() -> None:
            pool.take(size, FOREVER)
            served.append(size)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        while len(pool._waiting) <= len(threads):
            pass
        return thread

    threads: list[threading.Thread] = []
    threads.append(taking(9))
    threads.append(taking(1))  # it would fit, and comes later
    assert served == []
    pool.give_back(8)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(served) == [1, 9]
    assert (pool.held, pool.most_held) == (10, 10)


def test_a_waiter_gives_up_at_its_deadline_and_the_others_keep_their_turn() -> None:
    pool = Pool(10)
    pool.take(10, FOREVER)
    with pytest.raises(OutOfTime):
        pool.take(5, over())
    pool.give_back(10)
    pool.take(5, over())  # nothing to wait for
    assert pool.held == 5


def test_a_taker_larger_than_the_pool_runs_alone() -> None:
    pool = Pool(10)
    pool.take(20, FOREVER)
    pool.give_back(20)
    pool.take(1, FOREVER)
    with pytest.raises(OutOfTime):
        pool.take(20, over())


def test_a_room_is_taken_where_it_is_free() -> None:
    room = Room(10)
    assert room.take_if_free(8)
    assert not room.take_if_free(3)
    room.give_back(8)
    assert room.take_if_free(3)
    assert (room.held, room.most_held) == (3, 8)


def test_a_step_takes_memory_for_a_large_document_once_and_returns_it_at_its_end() -> None:
    memory = Memory()
    with memory.step(FOREVER):
        memory.need(1000)
        assert memory.steps.held == 0
        memory.need(1 * MIB)
        assert memory.steps.held == 8 * MIB
        with memory.step(FOREVER):
            memory.need(1 * MIB)
            assert memory.steps.held == 8 * MIB
        memory.need(MAX_MANIFEST_BYTES)
        assert memory.steps.held == 11 * MIB
    assert memory.steps.held == 0
    memory.need(MAX_MANIFEST_BYTES)
    assert memory.steps.held == 0


def test_an_attempt_has_a_pool_of_its_own() -> None:
    memory = Memory()
    with memory.attempt(FOREVER), memory.step(FOREVER):
        memory.need(MAX_MANIFEST_BYTES)
        assert (memory.attempts.held, memory.steps.held) == (11 * MIB, 0)
    assert memory.attempts.held == 0


def test_the_graph_of_a_small_image_is_not_counted_and_at_most_three_wide_ones_share_the_pool() -> None:
    memory = Memory()
    with memory.graph(SMALL_BYTES, FOREVER, is_wide=False):
        assert memory.graphs.held == 0
    with ExitStack() as held:
        for size, is_wide in ((500, True), (500, True), (500, True), (SMALL_BYTES + 1, False)):
            held.enter_context(memory.graph(size, FOREVER, is_wide=is_wide))
        with pytest.raises(OutOfTime):
            held.enter_context(memory.graph(500, over(), is_wide=True))
    assert memory.graphs.held == 0


def test_steps_that_need_more_later_never_wait_for_each_other() -> None:
    """Each has a part of the pool and wants more than is left: the one that waits gives its part back first."""
    memory = Memory(steps=Pool(STEPS_BYTES))
    together = threading.Barrier(8)
    done = []

    def work() -> None:
        with memory.step(FOREVER):
            memory.need(100_000)
            together.wait(PATIENCE_S)
            memory.need(MAX_MANIFEST_BYTES)
        done.append(True)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(done) == 8
    assert memory.steps.held == 0
    assert memory.steps.most_held <= STEPS_BYTES


def test_attempts_that_hold_all_of_their_pool_leave_the_steps_theirs() -> None:
    memory = Memory()
    with ExitStack() as held:
        for _ in range(3):
            memory.attempts.take(ATTEMPTS_BYTES // 3, FOREVER)
        held.enter_context(memory.step(over()))
        memory.need(MAX_MANIFEST_BYTES)
        assert memory.steps.held == 11 * MIB


def test_the_holder_of_a_graph_waits_for_no_attempt() -> None:
    """A repair reads a large child in the thread of its attempt, while all attempts are held by who waits for a graph.

    The deadline has passed: whoever would wait raises OutOfTime.
    """
    memory, deadline = Memory(), over()
    with memory.attempt(deadline):
        memory.need(100_000)
        memory.attempts.take(ATTEMPTS_BYTES - 800_000, FOREVER)
        with memory.graph(500, deadline, is_wide=True):
            memory.need(MAX_MANIFEST_BYTES)
            with memory.step(FOREVER):
                memory.need(MAX_MANIFEST_BYTES)
            assert (memory.attempts.held, memory.steps.held) == (ATTEMPTS_BYTES, 11 * MIB)
            memory.give_back()
            assert memory.steps.held == 0
            memory.need(1 * MIB)
        assert (memory.attempts.held, memory.graphs.held, memory.steps.held) == (ATTEMPTS_BYTES, 0, 0)
        memory.need(100_000)
        assert memory.steps.held == 0, "the attempt has its own share again"
    assert memory.attempts.held == ATTEMPTS_BYTES - 800_000


def test_repairs_with_all_graphs_and_attempts_that_wait_for_one_get_to_their_end() -> None:
    """As the review found it: four repairs with large children, and three references with manifests of 4 MiB.

    A deadline stands only for the mend that is not there: its clock passes once nobody can go on.
    """
    memory, clock = Memory(), FakeClock()
    deadline = Deadline(clock)
    deadline.set(900)
    graphs, attempts = threading.Barrier(5), threading.Barrier(4)
    ended: list[str] = []

    def repair() -> None:
        with memory.attempt(deadline), memory.graph(500, deadline, is_wide=True):
            graphs.wait(PATIENCE_S)
            attempts_are_held.wait(PATIENCE_S)
            memory.need(100_000)
        ended.append("repair")

    def copy() -> None:
        with memory.attempt(deadline):
            memory.need(MAX_MANIFEST_BYTES)
            attempts.wait(PATIENCE_S)
            with memory.graph(MAX_MANIFEST_BYTES, deadline, is_wide=False):
                ended.append("copy")

    def run(of: Callable[[], None]) -> None:
        with suppress(OutOfTime):
            of()

    attempts_are_held = threading.Event()
    threads = [threading.Thread(target=run, args=(repair,), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    graphs.wait(PATIENCE_S)
    copies = [threading.Thread(target=run, args=(copy,), daemon=True) for _ in range(3)]
    for thread in copies:
        thread.start()
    attempts.wait(PATIENCE_S)
    while len(memory.graphs._waiting) < 3:
        pass
    attempts_are_held.set()
    for thread in threads + copies:
        while thread.is_alive():
            thread.join(0.01)
            if len(memory.graphs._waiting) == 3 and len(memory.attempts._waiting) == 4:
                clock.pass_(900)  # nothing moves any more
    assert sorted(ended) == 3 * ["copy"] + 4 * ["repair"]


def test_a_large_refusal_has_the_memory_for_itself() -> None:
    memory = Memory()
    with memory.refusal(1000, FOREVER), memory.refusal(8 * MIB, FOREVER):
        late = memory.refusal(1 * MIB, over())
        with pytest.raises(OutOfTime):
            late.__enter__()
    assert memory.refusals.held == 0
