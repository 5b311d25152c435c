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
        self.subscribed_s: dict[str, float] = {}
        self._scheduler = scheduler
        self._random = random
        self._calls = calls
        self._queues: dict[str, Queue] = {}

    def subscribe(self, queue: Queue) -> None:
        """Deliver to this queue from now on."""
        self._queues[queue.arn] = queue
        self.subscribed_s.setdefault(queue.arn, self._scheduler.now_s)

    def delivers_to(self, queue: Queue) -> bool:
        """The queue is subscribed."""
        return queue.arn in self._queues

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
                if self._calls.is_repeated(self._weather):
                    failed.append({"Id": entry["Id"], "Code": "InternalError"})
                else:
                    self._topics[TopicArn].publish(entry["Message"])
                    taken.append({"Id": entry["Id"]})
            return {"Successful": taken, "Failed": failed}

        return self._calls.make(publish, self._weather, refused=_refused, lost=_silent, late_s=0.5)

    def subscribe(self, *, TopicArn: str, Protocol: str, Endpoint: str, **_: Any) -> dict[str, str]:
        """Subscribe a queue."""

        def subscribe() -> None:
            self._topics[TopicArn].subscribe(self._queues[Endpoint])

        self._calls.make(subscribe, self._weather, refused=_refused, lost=_silent)
        return {"SubscriptionArn": f"{TopicArn}:{Protocol}"}


def _refused() -> Exception:
    return ClientError({"Error": {"Code": "Throttled", "Message": "slow down"}}, "Publish")


def _silent() -> Exception:
    return ReadTimeoutError(endpoint_url="https://sns.invalid")
