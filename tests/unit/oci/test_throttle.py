"""The throttle at which one registry is asked: any until it throttles, then half as many, then slowly more."""

from __future__ import annotations

import math
import threading
import time
from contextlib import ExitStack

import pytest
from tests.support.patience import PATIENCE_S

from geosync.clock import Clock
from geosync.oci.throttle import NoTurn, Throttle


class StillClock(Clock):
    """A clock that only the test moves."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic_s(self) -> float:
        return self.now


def forever() -> float:
    return math.inf


def at_once() -> float:
    return 0.0


def one(throttle: Throttle, pause: float | None = None) -> None:
    """Send one request, answered with a 429 that wants `pause`, or well."""
    with throttle.turn(at_once, counts=True) as turn:
        turn.pause_s = pause


def fits(throttle: Throttle, number: int) -> bool:
    """Whether so many requests may be in flight at once; they are answered well."""
    with ExitStack() as stack:
        try:
            for _ in range(number):
                stack.enter_context(throttle.turn(at_once, counts=True))
        except NoTurn:
            return False
    return True


def refuse(throttle: Throttle, clock: StillClock, *, in_flight: int, pause: float = 2.0) -> None:
    """Have all of so many requests refused at once."""
    with ExitStack() as stack:
        for turn in [stack.enter_context(throttle.turn(at_once, counts=True)) for _ in range(in_flight)]:
            turn.pause_s = pause
    clock.now += pause


def test_until_a_registry_throttles_any_number_of_requests_is_in_flight() -> None:
    assert fits(Throttle(), 100)


def test_a_429_halves_what_is_in_flight_and_many_at_once_halve_it_once() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    refuse(throttle, clock, in_flight=16)
    assert throttle.most == 8
    refuse(throttle, clock, in_flight=8)
    assert throttle.most == 4
    for _ in range(5):
        one(throttle, 0.0)
    assert throttle.most == 1


def test_nobody_asks_before_the_pause_is_over() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    one(throttle, 3.0)
    clock.now += 2.9
    with pytest.raises(NoTurn):
        one(throttle)
    clock.now += 0.2
    one(throttle)


def test_the_bound_grows_by_one_request_every_ten_seconds_until_there_is_none() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    refuse(throttle, clock, in_flight=8)
    seen = [throttle.most]
    while throttle.most is not None:
        clock.now += 9.9
        one(throttle)
        assert throttle.most == seen[-1]
        clock.now += 0.1
        one(throttle)
        seen.append(throttle.most)
    assert seen == [4, 5, 6, 7, None]


def test_a_turn_is_waited_for_and_comes() -> None:
    throttle = Throttle()
    one(throttle, 0.0)
    order: list[str] = []

    def second() -> None:
        with throttle.turn(forever, counts=True):
            order.append("second")

    with throttle.turn(forever, counts=True):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join(PATIENCE_S)
    assert order == ["first", "second"]


def test_a_long_upload_does_not_keep_the_others_from_their_turns_but_waits_for_a_pause() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    one(throttle, 0.0)
    with throttle.turn(at_once, counts=False), throttle.turn(at_once, counts=False):
        one(throttle)
    one(throttle, 1.0)
    with pytest.raises(NoTurn), throttle.turn(at_once, counts=False):
        pass


def test_a_request_that_breaks_gives_its_turn_back() -> None:
    throttle = Throttle()
    one(throttle, 0.0)
    with pytest.raises(OSError, match="broke"), throttle.turn(at_once, counts=True):
        raise OSError("broke")
    one(throttle)
