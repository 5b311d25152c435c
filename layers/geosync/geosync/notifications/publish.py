"""Publishing: every event into the event log (DynamoDB) and every message onto the topic (SNS), side by side.

Neither waits for the other, and both are tried even if one fails. If either fails the answer is 503: the registry sends
everything again, and an event that is there already overwrites itself. Heartbeats are not in the event log: one a
minute would bury the pushes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from geosync.aws.errors import reason, reason_of_entries
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import NotPublished
from geosync.messages.event_log import hour_of, partition, shard_of
from geosync.messages.geo_event import GeoEvent, Heartbeat
from geosync.notifications.outcomes import Unusable
from geosync.threads import SYSTEM_THREADS, Threads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient

# Of BatchWriteItem and PublishBatch. Ten messages of at most 4 KiB are far from PublishBatch's 256 KiB.
ITEMS_PER_CALL = 25
MESSAGES_PER_CALL = 10
# 500 events are 20 calls of one kind and 50 of the other: 4 and 5 rounds, so 100 ms at 20 ms a call, and the
# processor's share. Each kind has threads of its own: calls that hang hold up none of the other kind.
ITEM_CALLS_AT_ONCE = 5
MESSAGE_CALLS_AT_ONCE = 11
# DynamoDB may take a part of a batch (throttling): the rest is sent again after these pauses, then given up.
UNPROCESSED_PAUSES_S = (0.05, 0.1, 0.2)
SECONDS_PER_DAY = 86_400

_Part = TypeVar("_Part")
_Call = Callable[[], None]
_EVENT_FIELDS = tuple(field.name for field in fields(GeoEvent))


class EventLogWriter:
    """Writes to a site's event log. Entries are kept for `retention_days`; an hour of them has so many shards."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        table: str,
        *,
        retention_days: int,
        shards: int = 1,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._retention_s = retention_days * SECONDS_PER_DAY
        self._shards = shards
        self._clock = clock

    def write(self, outcomes: Sequence[GeoEvent | Unusable]) -> None:
        """Write at most ITEMS_PER_CALL. Raises NotPublished, and botocore's errors."""
        unprocessed: Any = {self._table: [{"PutRequest": {"Item": self._item(one)}} for one in outcomes]}
        for pause_s in (*UNPROCESSED_PAUSES_S, None):
            unprocessed = self._dynamodb.batch_write_item(RequestItems=unprocessed).get("UnprocessedItems")
            if not unprocessed:
                return
            if pause_s is not None:
                self._clock.sleep(pause_s)
        raise NotPublished("the event log took only a part of a batch")

    def _item(self, outcome: GeoEvent | Unusable) -> dict[str, Any]:
        received_s = outcome.received_at // 1000
        item: dict[str, Any] = {
            "hour": {"S": partition(hour_of(outcome.received_at), shard_of(outcome.id, self._shards))},
            "expire_at": {"N": str(received_s + self._retention_s)},
        }
        if isinstance(outcome, GeoEvent):
            texts: dict[str, Any] = {name: getattr(outcome, name) for name in _EVENT_FIELDS}
            texts["outcome"] = "accepted"
        else:
            texts = {"id": outcome.id, "source": outcome.source, "outcome": "unusable", "reason": outcome.reason}
            item["claims"] = {"M": {name: {"S": claim} for name, claim in outcome.claims.items()}}
        item |= {name: {"S": text} for name, text in texts.items() if isinstance(text, str)}
        item["received_at"] = {"N": str(outcome.received_at)}
        return item


class TopicWriter:
    """Sends to a site's topic."""

    def __init__(self, sns: SNSClient, topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def send(self, messages: Sequence[GeoEvent | Heartbeat]) -> None:
        """Send at most MESSAGES_PER_CALL. Raises NotPublished, and botocore's errors."""
        answer = self._sns.publish_batch(
            TopicArn=self._topic_arn,
            PublishBatchRequestEntries=[
                {
                    "Id": str(position),
                    "Message": message.to_json(),
                    "MessageGroupId": message.message_group_id,
                }
                for position, message in enumerate(messages)
            ],
        )
        refused = answer.get("Failed", [])
        if refused or len(answer.get("Successful", [])) != len(messages):
            why = reason_of_entries("SNS PublishBatch", (entry["Code"] for entry in refused))
            raise NotPublished(f"the topic took only a part of a batch: {why}")


class Publisher:
    """Writes to an event log and a topic. Keeps its threads and connections from one invocation to the next."""

    def __init__(self, event_log: EventLogWriter, topic: TopicWriter, *, threads: Threads = SYSTEM_THREADS) -> None:
        self._event_log = event_log
        self._topic = topic
        self._item_threads = threads.pool(ITEM_CALLS_AT_ONCE, name="event-log")
        self._message_threads = threads.pool(MESSAGE_CALLS_AT_ONCE, name="topic")

    def publish(self, outcomes: Sequence[GeoEvent | Heartbeat | Unusable]) -> None:
        """Write them all: all but heartbeats to the event log, all but the unusable to the topic.

        Raises NotPublished when anything may be missing; then all of it can be sent again. No call is under way any
        more when this returns or raises.
        """
        messages = [outcome for outcome in outcomes if not isinstance(outcome, Unusable)]
        logged = [outcome for outcome in outcomes if not isinstance(outcome, Heartbeat)]
        sending = _Calls([partial(self._topic.send, part) for part in _parts(messages, MESSAGES_PER_CALL)])
        writing = _Calls([partial(self._event_log.write, part) for part in _parts(logged, ITEMS_PER_CALL)])
        # One call is made in this thread: a single push then costs one hand-over to another thread, not two.
        here = (writing if logged else sending).take_one()
        begun = [*sending.begin(self._message_threads), *writing.begin(self._item_threads)]
        errors = _run(here, begun)
        if errors:
            raise NotPublished(f"{len(errors)} of {len(begun) + 1} calls failed: {reason(errors[0])}") from errors[0]


class _Calls:
    """The calls to one of the two services. Once one has failed, those that have not begun are left out.

    The registry sends all of it again, so the answer can go out: a service that hangs costs the time of one call.
    """

    def __init__(self, calls: list[_Call]) -> None:
        self._calls = calls
        self._has_failed = False

    def take_one(self) -> _Call:
        """Take out one call, to be made by the taker; one that does nothing where there is none."""
        return partial(self._attempt, self._calls.pop()) if self._calls else _nothing

    def begin(self, threads: Executor) -> list[Future[None]]:
        """Have threads make the other calls."""
        return [threads.submit(self._attempt, call) for call in self._calls]

    def _attempt(self, call: _Call) -> None:
        if self._has_failed:
            return
        try:
            call()
        except BaseException:
            self._has_failed = True
            raise


def _nothing() -> None:
    """Make no call."""


def _parts(whole: Sequence[_Part], size: int) -> Iterator[Sequence[_Part]]:
    return (whole[start : start + size] for start in range(0, len(whole), size))


def _run(here: Callable[[], object], begun: Sequence[Future[None]]) -> list[BaseException]:
    """Make one call here and wait for those that have begun; returns the errors of all."""
    errors: list[BaseException] = []
    try:
        here()
    except (BotoCoreError, ClientError, NotPublished) as error:
        errors.append(error)
    finally:
        errors += [cause for future in begun if (cause := future.exception()) is not None]
    return errors
