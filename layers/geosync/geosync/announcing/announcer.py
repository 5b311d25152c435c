"""Announces arrivals and failures on EventBridge's default bus, and on the site's topic for mail, chat and webhooks.

An event is deleted only after both have taken it. If a worker dies in between, functions/reconcile announces it again
within a minute. So an event may come twice, with the same `id`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from geosync.announcing import document
from geosync.aws.errors import reason, reason_of_entries
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import SyncRegistryError
from geosync.sync_registry.site.outbox import Outbox, ReplicationEvent

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

    from geosync.observability import Metrics

BATCH = 10
"""Events in one request, the most that EventBridge and SNS take."""
TRIES = 2
"""Attempts at a batch: what EventBridge or SNS did not take is sent once more."""
GATHERED_S = 1.0
"""Longest wait of a holder for ten events, so that a backfill does not send a request for each."""
LEFT_ALONE_S = 30.0
"""So long after a failure a holder leaves its events to functions/reconcile: a copy does not wait for a bus."""
OLD_MS = 15_000
"""Age from which functions/reconcile announces an event: its writer died, or failed to announce it."""
LONGEST_S = 15.0
"""Time after which a run of functions/reconcile begins no further batch: the next run announces the rest."""


class Listeners:
    """EventBridge's default bus, and the site's topic. For one thread.

    `client` makes the client of an AWS service. It is made at first use: that takes a tenth of a second, and many wakes
    announce nothing.
    """

    def __init__(self, client: Callable[[str], Any], *, topic_arn: str, site: str) -> None:
        self._client = client
        self._topic_arn = topic_arn
        self._site = site
        self.refusal = ""
        """The reason for which the bus or the topic last refused an event."""

    @cached_property
    def _events(self) -> EventBridgeClient:
        found: EventBridgeClient = self._client("events")
        return found

    @cached_property
    def _sns(self) -> SNSClient:
        found: SNSClient = self._client("sns")
        return found

    def tell(self, batch: Sequence[ReplicationEvent]) -> list[ReplicationEvent]:
        """Send at most BATCH events; returns those that both the bus and the topic took. Raises what they raise."""
        passed_on = list(batch)
        for send in (self._put, self._publish):
            left, taken = passed_on, list[ReplicationEvent]()
            for _ in range(TRIES):
                if left:
                    refused = send(left)
                    taken += [one for position, one in enumerate(left) if position not in refused]
                    left = [one for position, one in enumerate(left) if position in refused]
            passed_on = taken
        return passed_on

    def _put(self, batch: Sequence[ReplicationEvent]) -> set[int]:
        """Put events on the bus; returns the positions of those that it did not take."""
        entries: list[PutEventsRequestEntryTypeDef] = [
            {
                "Source": document.SOURCE,
                "DetailType": document.detail_type(one),
                "Detail": document.as_json(document.detail(one, self._site)),
            }
            for one in batch
        ]
        answer = self._events.put_events(Entries=entries)
        if not answer["FailedEntryCount"]:
            return set()
        refused = {position: code for position, one in enumerate(answer["Entries"]) if (code := one.get("ErrorCode"))}
        self.refusal = reason_of_entries("EventBridge PutEvents", refused.values())
        return set(refused)

    def _publish(self, batch: Sequence[ReplicationEvent]) -> set[int]:
        """Publish events to the topic: JSON, and a sentence for mail. Returns the positions of those not taken."""
        entries: list[PublishBatchRequestEntryTypeDef] = [
            {
                "Id": str(position),
                "Subject": document.subject(one, self._site),
                "MessageStructure": "json",
                "Message": document.as_json(
                    {
                        "default": document.as_json(document.message(one, self._site)),
                        "email": document.sentence(one, self._site),
                    }
                ),
                "MessageAttributes": {
                    "detail-type": {"DataType": "String", "StringValue": document.detail_type(one)},
                    "repository": {"DataType": "String", "StringValue": one.repository},
                },
            }
            for position, one in enumerate(batch)
        ]
        answer = self._sns.publish_batch(TopicArn=self._topic_arn, PublishBatchRequestEntries=entries)
        refused = {int(one["Id"]): one["Code"] for one in answer.get("Failed", [])}
        if refused:
            self.refusal = reason_of_entries("SNS PublishBatch", refused.values())
        return set(refused)


class Announcer:
    """Announces what is in the outbox. For one thread."""

    def __init__(
        self, outbox: Outbox, listeners: Listeners, *, logger: Logger, metrics: Metrics, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._outbox = outbox
        self._listeners = listeners
        self._logger = logger
        self._metrics = metrics
        self._clock = clock
        self._silent_until_s = 0.0

    def due_in_s(self) -> float | None:
        """The seconds until fresh events are due; None: there is none, or functions/reconcile announces them."""
        since_s = self._outbox.fresh_for_s()
        if since_s is None or self._clock.monotonic_s() < self._silent_until_s:
            return None
        return 0.0 if self._outbox.fresh() >= BATCH else max(GATHERED_S - since_s, 0.0)

    def tell_fresh(self, *, all_of_them: bool = False) -> None:
        """Announce what this execution environment wrote, once it is due, or all of it.

        Events that fail are left to functions/reconcile. Raises nothing: a late event harms no copy.
        """
        due_s = self.due_in_s()
        if due_s is None or (due_s > 0 and not all_of_them):
            return
        fresh = self._outbox.take_fresh()
        try:
            told = self._tell(fresh)
        except (BotoCoreError, ClientError, SyncRegistryError) as error:
            self._report_failed(error)
            return
        if told < len(fresh):
            self._silent_until_s = self._clock.monotonic_s() + LEFT_ALONE_S

    def tell_left_over(self) -> int:
        """Announce events that their writers left, oldest first, for about LONGEST_S; returns how many.

        Raises what bus, topic and table raise.
        """
        told, until_s = 0, self._clock.monotonic_s() + LONGEST_S
        while left := self._outbox.left_over(old_ms=OLD_MS, limit=10 * BATCH):
            done = self._tell(left, until_s=until_s)
            told += done
            if done < len(left):
                break  # the next minute tries again
        return told

    def _tell(self, events: Sequence[ReplicationEvent], *, until_s: float = inf) -> int:
        """Send events in batches until a moment (monotonic seconds), delete what was taken; returns how many were."""
        told = 0
        for start in range(0, len(events), BATCH):
            if self._clock.monotonic_s() >= until_s:
                break
            batch = events[start : start + BATCH]
            taken = self._listeners.tell(batch)
            self._outbox.forget(taken)
            told += len(taken)
            self._metrics.put({"ReplicationEventsTold": len(taken)})
            if len(taken) < len(batch):
                keys = {"events": len(batch) - len(taken), "reason": self._listeners.refusal}
                self._logger.warning("replication_events_refused", extra=keys)
        return told

    def _report_failed(self, error: Exception) -> None:
        self._silent_until_s = self._clock.monotonic_s() + LEFT_ALONE_S
        self._logger.warning("replication_events_not_told", extra={"reason": reason(error)})
