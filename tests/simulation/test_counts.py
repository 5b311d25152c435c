"""The judge of MessagesRefused: a message is refused once, however often the queue got it."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.simulation.calls import Caller, Calls, Weather
from tests.simulation.counts import Run, false_counts
from tests.simulation.queues import Queue, SqsClient
from tests.simulation.scheduler import Scheduler
from tests.simulation.watching import Watcher

from geosync.messages import queues

MANY = 40
"""Seeds of a world in which SQS often does not answer."""


def refuse(random: Random, *, measured: int) -> tuple[int, list[str]]:
    """Have an invocation of log_cursor refuse a message; return the number of letters and the false counts."""
    scheduler, place = Scheduler(random), Caller("log_cursor@beta/1")
    calls, dlq = Calls(scheduler, random), Queue("dlq", scheduler, random)
    site: Any = type("Beta", (), {"name": "beta"})()
    no_wire: Any = type("NoWire", (), {"acting": None})()
    none: Any = None
    watcher = Watcher(site=site, scheduler=scheduler, wire=no_wire)
    dlq.on_send.append(watcher._put_aside)
    sqs: Any = SqsClient({dlq.url: dlq}, calls, Weather(lost=0.5))
    queue = queues.Queue(sqs, dlq.url)
    place.tally.measured["MessagesRefused"] = measured

    def send() -> None:
        try:
            queue.send_body("{}", {"kind": "refused"})
        except Exception:  # noqa: BLE001 - the message would come again
            return

    scheduler.run(send, place)
    run = Run(site=site, ledger=none, place=place, event={"Records": []}, answer={}, is_following=False)
    return len(dlq.messages), [text for text in false_counts(run, "log_cursor") if "MessagesRefused" in text]


def test_a_letter_that_is_sent_a_second_time_is_of_one_refusal() -> None:
    ended = [refuse(Random(seed), measured=1) for seed in range(MANY)]
    assert {letters for letters, _ in ended} == {1, 2}, "the queue gets some of them twice"
    assert not [text for _, false in ended for text in false]


def test_a_letter_that_nobody_counts_is_found() -> None:
    assert all(false for _, false in (refuse(Random(seed), measured=0) for seed in range(MANY)))
