"""SNS: a topic that delivers to the queues that subscribed, each on its own way, late or twice."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from tests.simulation.calls import Calls, Weather
from tests.simulation.queues import Queue
from tests.simulation.scheduler import Scheduler

AT_ONCE_S, LATE_S = 0.5, 10.0
"""The longest that a delivery takes, and that it takes in bad times: with the lag of the queues' counts, a minute."""


class Topic:
    """One topic. `late_s`: the longest that a delivery takes; `twice`: the share of those that are repeated."""

    def __init__(self, arn: str, scheduler: Scheduler, random: Random, calls: Calls) -> None:
        self.arn = arn
        self.late_s = AT_ONCE_S
        self.twice = 0.0
        self._scheduler = scheduler
        self._random = random
        self._calls = calls
        self._queues: dict[str, Queue] = {}
        self._subscriptions: dict[str, str] = {}
        self._given = 0

    def subscribe(self, queue: Queue) -> str:
        """Deliver to this queue from now on; the ARN of its subscription, which is another one each time it is made."""
        if queue.arn not in self._queues:
            self._given += 1
            self._queues[queue.arn] = queue
            self._subscriptions[queue.arn] = f"{self.arn}:{self._given}"
        return self._subscriptions[queue.arn]

    def unsubscribe(self, queue: Queue) -> None:
        """Deliver nothing to this queue that is published from now on."""
        self._queues.pop(queue.arn, None)

    def publish(self, body: str) -> None:
        """Send a message to every queue that is subscribed now."""
        for queue in self._queues.values():
            copies = 2 if self._random.random() < self.twice else 1
            for _ in range(copies):
                self._deliver(queue, body)

    def _deliver(self, queue: Queue, body: str) -> None:
        def arrive() -> None:
            queue.send(body)

        self._scheduler.spawn(arrive, "sns", self._calls.beyond, delay_s=self._random.random() * self.late_s)


class SnsClient:
    """A boto3 client of SNS, as far as Geosync uses one."""

    def __init__(
        self, topics: Mapping[str, Topic], queues: Mapping[str, Queue], calls: Calls, weather: Weather
    ) -> None:
        self._topics = topics
        self._queues = queues
        self._calls = calls
        self._weather = weather

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> dict[str, Any]:
        """Publish several; some may be refused."""

        def publish() -> dict[str, Any]:
            taken, failed = [], []
            for entry in PublishBatchRequestEntries:
                if self._calls.is_repeated(self._weather) or self._calls.is_in_part(self._weather):
                    failed.append({"Id": entry["Id"], "Code": "InternalError"})
                else:
                    self._topics[TopicArn].publish(entry["Message"])
                    taken.append({"Id": entry["Id"]})
            return {"Successful": taken, "Failed": failed}

        with self._calls.noting("not told"):
            return self._calls.make(publish, self._weather, refused=_refused, lost=_silent, late_s=0.5)

    def subscribe(self, *, TopicArn: str, Protocol: str, Endpoint: str, **_: Any) -> dict[str, str]:
        """Subscribe a queue."""

        def subscribe() -> str:
            return self._topics[TopicArn].subscribe(self._queues[Endpoint])

        return {"SubscriptionArn": self._calls.make(subscribe, self._weather, refused=_refused, lost=_silent)}


def _refused() -> Exception:
    return ClientError({"Error": {"Code": "Throttled", "Message": "slow down"}}, "Publish")


def _silent() -> Exception:
    return ReadTimeoutError(endpoint_url="https://sns.invalid")
