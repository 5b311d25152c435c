"""Whatever a client's callers wait for is made by the threads that it is given: a scheduler can take over there."""

from __future__ import annotations

import threading

from geosync.clock import Clock
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.options import ClientOptions
from geosync.oci.throttle import Throttle
from geosync.registries.registry import Registry
from geosync.threads import Threads


class CountingThreads(Threads):
    """Ordinary threads; the conditions that were made are counted."""

    __slots__ = ("conditions",)

    def __init__(self) -> None:
        self.conditions = 0

    def condition(self) -> threading.Condition:
        self.conditions += 1
        return super().condition()


class WaitingThreads(Threads):
    """Threads whose conditions, instead of waiting, move a clock by the seconds that they were to wait."""

    __slots__ = ("clock",)

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock

    def condition(self) -> threading.Condition:
        clock = self.clock

        class Moving(threading.Condition):
            def wait(self, timeout: float | None = None) -> bool:
                clock.now += timeout or 0.0
                return False

        return Moving()


class SimulatedClock(Clock):
    """A clock that only waiting moves."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic_s(self) -> float:
        return self.now


def test_turns_loans_tokens_and_repositories_are_waited_for_by_the_threads_given() -> None:
    threads = CountingThreads()
    registry = Registry(
        "https://registry.example.com", Anonymous(), deadline=Deadline(), options=ClientOptions(threads=threads)
    )
    registry.close()
    assert threads.conditions == 3, "its turns, its account, the making of repositories; one more for each token"


def test_a_pause_passes_in_simulated_time() -> None:
    clock = SimulatedClock()
    deadline = Deadline(clock)
    deadline.set(60)
    throttle = Throttle(clock, WaitingThreads(clock))
    with throttle.turn(deadline.left, counts=True) as turn:
        turn.pause = 4.0
    with throttle.turn(deadline.left, counts=True):
        pass
    assert clock.now == 104.0
    assert deadline.left() == 56.0
