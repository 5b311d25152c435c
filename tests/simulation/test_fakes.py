"""Faults of the fakes that a seed found."""

from __future__ import annotations

from random import Random

from tests.simulation.calls import Caller
from tests.simulation.queues import Queue
from tests.simulation.scheduler import Scheduler


def test_a_wait_ends_later_than_it_began_however_short_it_is() -> None:
    scheduler, moments = Scheduler(Random(0)), list[float]()

    def wait() -> None:
        scheduler.sleep(64.75682254734144)
        for step in (scheduler.sleep, scheduler.park):
            moments.append(scheduler.now_s)
            step(7.1e-15)  # less than the next number of that size is away
        moments.append(scheduler.now_s)

    scheduler.run(wait, Caller("world"))
    assert sorted(set(moments)) == moments
    assert moments[-1] - moments[0] < 1e-12


def test_a_queue_s_count_may_be_of_the_minute_before_its_first_message() -> None:
    scheduler, counts = Scheduler(Random(0)), list[tuple[int, int]]()

    def send() -> None:
        scheduler.sleep(7.0)
        queue = Queue("dlq", scheduler, Random(0))
        queue.send("{}")
        scheduler.sleep(1.0)
        seen = {sum(messages) for _, *messages in queue.history}
        counts.extend(queue.counts() for _ in range(50))
        assert {sum(one) for one in counts} <= seen, "each count that is answered was so"
        assert 0 in seen

    scheduler.run(send, Caller("world"))
    assert (0, 0) in counts
