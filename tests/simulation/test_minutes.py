"""EventBridge in the simulation: in calm weather a minute comes once, and on time; else it may come twice, or late."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from tests.simulation.calls import Caller
from tests.simulation.minutes import LATE_S, MINUTE_S, Minutes
from tests.simulation.scheduler import Scheduler

MINUTES = 20


def starts(*, twice: float = 0.0, late: float = 0.0, calm: bool = False) -> list[float]:
    """The moments at which a site's minute is started within so many minutes."""
    scheduler, place, started = Scheduler(Random(1)), Caller("world"), list[float]()
    minutes = Minutes(lambda: started.append(scheduler.now_s), scheduler, place, Random(1), twice=twice, late=late)
    if calm:
        minutes.calm()

    def main() -> None:
        scheduler.spawn(minutes.run, "minutes", place)
        scheduler.sleep((MINUTES - 0.5) * MINUTE_S)

    scheduler.run(main, place)
    return started


def test_in_calm_weather_a_minute_comes_once_and_on_time() -> None:
    on_time = [number * MINUTE_S for number in range(MINUTES)]
    assert starts() == on_time
    assert starts(twice=1.0, late=1.0, calm=True) == on_time


def test_a_minute_that_comes_twice_comes_at_once_or_later_beside_the_next_one() -> None:
    started = starts(twice=1.0)
    assert len(started) > 1.5 * MINUTES
    assert any(first == second for first, second in pairwise(started))
    assert any(at % MINUTE_S for at in started)


def test_a_late_minute_comes_within_the_time_that_an_event_is_kept() -> None:
    started = starts(late=1.0)
    assert all(at % MINUTE_S for at in started)
    assert len(started) >= MINUTES - LATE_S / MINUTE_S - 1
