"""Whatever a client's callers wait for is made by the threads that it is given: a scheduler can take over there."""

from __future__ import annotations

import threading

import pytest

from geosync.clock import Clock
from geosync.errors import OutOfTime, RegistryUnavailable
from geosync.oci.credentials import Anonymous, Basic
from geosync.oci.deadline import Deadline
from geosync.oci.options import ClientOptions
from geosync.oci.requests import Call, Requester
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


class SilentThreads(Threads):
    """Threads whose events never come; a wait for one moves a clock."""

    __slots__ = ("clock",)

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock

    def event(self) -> threading.Event:
        clock = self.clock

        class Silent(threading.Event):
            def set(self) -> None:
                pass

            def wait(self, timeout: float | None = None) -> bool:
                clock.now += timeout or 0.0
                return False

        return Silent()


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
    with throttle.turn(deadline.left_s, counts=True) as turn:
        turn.pause_s = 4.0
    with throttle.turn(deadline.left_s, counts=True):
        pass
    assert clock.now == 104.0
    assert deadline.left_s() == 56.0


def test_the_wait_for_the_first_answer_is_within_the_bound_of_a_tag_write() -> None:
    clock = SimulatedClock()
    deadline = Deadline(clock)
    account = Basic(username="geosync", password="a password")
    options = ClientOptions(threads=SilentThreads(clock))
    requests = Requester("https://registry.example.com", account, deadline=deadline, writes=True, options=options)
    call = Call(method="PUT", target="/v2/app/manifests/v1", access=(), body=b"{}", write=True, bound_s=20.0)
    deadline.set(0)
    with pytest.raises(OutOfTime):
        requests.send(call)
    deadline.set(60)
    with pytest.raises(RegistryUnavailable, match="no time was left to send it"):
        requests.send(call)
    assert clock.now == 120.0
