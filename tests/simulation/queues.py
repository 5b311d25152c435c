"""SQS: at least once, in any order, visible again after a time, counted as it was up to a minute ago, with a DLQ."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from tests.simulation.calls import Calls, Weather
from tests.simulation.clock import EPOCH_MS
from tests.simulation.scheduler import Scheduler

COUNTS_LAG_S = 50.0
"""Counts are right about a moment within that; SQS says a minute, and the topic takes its part of it."""
LATE_S = 0.5


@dataclass(slots=True, eq=False)
class Message:
    """One message; a copy of it is delivered by each receive."""

    id: str
    body: str
    sent_s: float
    attributes: Mapping[str, Any] = field(default_factory=dict)
    visible_at: float = 0.0
    received: int = 0
    receipt: str = ""


class Queue:
    """One queue. `twice`: the share of messages that are seen once more though somebody has them."""

    def __init__(self, name: str, scheduler: Scheduler, random: Random) -> None:
        self.name = name
        self.url = f"https://sqs.invalid/{name}"
        self.arn = f"arn:aws:sqs:eu-west-1:000000000000:{name}"
        self.visibility_s = 180.0
        self.most_receives = 10
        self.dlq: Queue | None = None
        self.twice = 0.0
        self.late_s = 0.0
        self.messages: dict[str, Message] = {}
        self.on_change: list[Callable[[], None]] = []
        self.on_delete: list[Callable[[Message], None]] = []
        self.on_send: list[Callable[[Message], None]] = []
        self._scheduler = scheduler
        self._random = random
        self._numbers = count(1)
        self._history: deque[tuple[float, int, int]] = deque([(0.0, 0, 0)])

    def send(self, body: str, attributes: Mapping[str, Any] | None = None) -> str:
        """Take one message in."""
        now_s = self._scheduler.now_s
        identifier = f"{self.name}-{next(self._numbers)}"
        self.messages[identifier] = Message(
            id=identifier,
            body=body,
            sent_s=now_s,
            attributes=dict(attributes or {}),
            visible_at=now_s + self._random.random() * self.late_s,
        )
        for listener in self.on_send:
            listener(self.messages[identifier])
        self._changed()
        return identifier

    def receive(self, most: int, visibility_s: float) -> list[Message]:
        """Hand out up to `most` messages that are visible; what was received too often goes to the DLQ instead."""
        now_s = self._scheduler.now_s
        visible = [one for one in self.messages.values() if one.visible_at <= now_s]
        self._random.shuffle(visible)
        taken: list[Message] = []
        for message in visible:
            if len(taken) == most:
                break
            if self.dlq is not None and message.received >= self.most_receives:
                del self.messages[message.id]
                self.dlq.send(message.body, message.attributes)
                continue
            message.received += 1
            message.receipt = f"{message.id}/{message.received}"
            message.visible_at = now_s + visibility_s
            if self._random.random() < self.twice:
                message.visible_at = now_s + self._random.random() * 5
            taken.append(message)
        self._changed()
        return taken

    def delete(self, receipt: str) -> None:
        """Delete a message; SQS takes an older receipt, too."""
        message = self.messages.pop(receipt.partition("/")[0], None)
        if message is not None:
            for listener in self.on_delete:
                listener(message)
        self._changed()

    def show(self, receipt: str, after_s: float) -> None:
        """Make a message visible so many seconds from now."""
        message = self.messages.get(receipt.partition("/")[0])
        if message is not None and message.receipt == receipt:
            message.visible_at = self._scheduler.now_s + after_s
        self._changed()

    def next_visible_s(self) -> float | None:
        """Seconds until a message is visible; None: there is none."""
        at_s = min((one.visible_at for one in self.messages.values()), default=None)
        return None if at_s is None else max(at_s - self._scheduler.now_s, 0.0)

    def counts(self) -> tuple[int, int]:
        """Visible and other messages, about: as they were at a moment within the last minute."""
        self._note()
        at_s = self._scheduler.now_s - self._random.random() * COUNTS_LAG_S
        found = (0, 0)
        for moment_s, visible, hidden in self._history:
            if moment_s > at_s:
                break
            found = (visible, hidden)
        return found

    @property
    def history(self) -> list[tuple[float, int, int]]:
        """Visible and other messages as they were at each change within the last minute and more, and now."""
        self._note()
        return list(self._history)

    def _changed(self) -> None:
        self._note()
        for listener in self.on_change:
            listener()

    def _note(self) -> None:
        now_s = self._scheduler.now_s
        visible = sum(one.visible_at <= now_s for one in self.messages.values())
        self._history.append((now_s, visible, len(self.messages) - visible))
        while len(self._history) > 1 and self._history[1][0] < now_s - 2 * COUNTS_LAG_S:
            self._history.popleft()


class SqsClient:
    """A boto3 client of SQS, as far as Geosync uses one."""

    def __init__(self, queues: Mapping[str, Queue], calls: Calls, weather: Weather) -> None:
        self._queues = queues
        self._calls = calls
        self._weather = weather

    def _make(self, effect: Callable[[], Any]) -> Any:
        def once_or_twice() -> Any:
            if self._calls.is_repeated(self._weather):
                effect()
            return effect()

        return self._calls.make(once_or_twice, self._weather, refused=_refused, lost=_silent, late_s=LATE_S)

    def send_message(
        self, *, QueueUrl: str, MessageBody: str, MessageGroupId: str, MessageAttributes: Any = None
    ) -> Any:
        """Send one."""
        return {"MessageId": self._make(lambda: self._queues[QueueUrl].send(MessageBody, MessageAttributes))}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        """Send several; some of them may be refused."""

        def send() -> Any:
            failed = []
            for entry in Entries:
                if self._calls.is_repeated(self._weather) or self._calls.is_in_part(self._weather):
                    failed.append({"Id": entry["Id"], "Code": "InternalError"})
                else:
                    self._queues[QueueUrl].send(entry["MessageBody"])
            return {"Failed": failed}

        return self._calls.make(send, self._weather, refused=_refused, lost=_silent, late_s=LATE_S)

    def receive_message(
        self, *, QueueUrl: str, MaxNumberOfMessages: int, VisibilityTimeout: float | None = None, **_: Any
    ) -> dict[str, Any]:
        """Receive some."""
        hidden_s = self._queues[QueueUrl].visibility_s if VisibilityTimeout is None else VisibilityTimeout
        found = self._make(lambda: self._queues[QueueUrl].receive(MaxNumberOfMessages, hidden_s))
        messages = [
            {
                "MessageId": one.id,
                "ReceiptHandle": one.receipt,
                "Body": one.body,
                "MessageAttributes": one.attributes,
                "Attributes": {"SentTimestamp": str(EPOCH_MS + int(one.sent_s * 1000))},
            }
            for one in found
        ]
        return {"Messages": messages}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:
        """Delete one."""
        self._make(lambda: self._queues[QueueUrl].delete(ReceiptHandle))

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        """Delete several; some of them may stay."""
        failed = []
        for entry in Entries:
            if self._calls.is_in_part(self._weather):
                failed.append({"Id": entry["Id"], "Code": "InternalError"})
            else:
                self.delete_message(QueueUrl=QueueUrl, ReceiptHandle=entry["ReceiptHandle"])
        return {"Failed": failed}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        """Show one again."""
        self._make(lambda: self._queues[QueueUrl].show(ReceiptHandle, VisibilityTimeout))

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: Any) -> dict[str, Any]:
        """Count, approximately."""
        visible, hidden = self._make(self._queues[QueueUrl].counts)
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(visible),
                "ApproximateNumberOfMessagesNotVisible": str(hidden),
                "ApproximateNumberOfMessagesDelayed": "0",
            }
        }


def _refused() -> Exception:
    return ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "try again"}}, "SendMessage")


def _silent() -> Exception:
    return ReadTimeoutError(endpoint_url="https://sqs.invalid")
