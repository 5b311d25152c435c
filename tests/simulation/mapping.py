"""An event source mapping: hands the messages of a queue to a function, a batch at a time, so many side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.simulation.calls import Caller
from tests.simulation.functions import Ended, Function
from tests.simulation.queues import Message, Queue
from tests.simulation.scheduler import Scheduler

POLLER = Caller("event source")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most messages in a batch, and the most invocations at a time."""

    batch: int = 1
    concurrency: int = 2


class EventSource:
    """Polls one queue for one function."""

    def __init__(self, queue: Queue, function: Function, bounds: Bounds, scheduler: Scheduler) -> None:
        self._queue = queue
        self._function = function
        self._bounds = bounds
        self._scheduler = scheduler
        self._running = 0
        self._task = scheduler.spawn(self._poll, f"poll {queue.name}", POLLER)
        queue.on_change.append(lambda: scheduler.wake(self._task))

    def _poll(self) -> None:
        while True:
            wait_s = self._queue.next_visible_s()
            if wait_s is None or wait_s > 0 or self._running >= self._bounds.concurrency:
                self._scheduler.park(wait_s if self._running < self._bounds.concurrency else None)
                continue
            self._scheduler.sleep(0.01)
            taken = self._queue.receive(self._bounds.batch, self._queue.visibility_s)
            if taken:
                self._hand_over(taken)

    def _hand_over(self, messages: list[Message]) -> None:
        receipts = {message.id: message.receipt for message in messages}
        event = {"Records": [_record(message) for message in messages]}

        def end(ended: Ended) -> None:
            self._running -= 1
            if ended.crashed is None:
                failed = {one["itemIdentifier"] for one in ended.answer["batchItemFailures"]}
                for identifier, receipt in receipts.items():
                    if identifier not in failed:
                        self._queue.delete(receipt)
            self._scheduler.wake(self._task)

        self._running += 1
        self._function.invoke(event, end)


def _record(message: Message) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.received)},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:queue",
        "awsRegion": "eu-west-1",
    }
