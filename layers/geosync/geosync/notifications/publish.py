"""Publishing: every event into the event log (DynamoDB) and every message onto the topic (SNS), side by side.

Heartbeats are not in the event log: one a minute would bury the pushes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import fields
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import NotPublished
from geosync.messages.event_log import hour_of
from geosync.messages.geo_event import GeoEvent, Heartbeat
from geosync.notifications.outcomes import Unusable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient

# Of BatchWriteItem and PublishBatch. Ten messages of at most 4 KiB are far from PublishBatch's 256 KiB.
ITEMS_PER_CALL = 25
MESSAGES_PER_CALL = 10
# 500 events are 20 + 50 calls: 5 rounds of 16, so 100 ms at 20 ms a call, and the processor's share.
PARALLEL_CALLS = 16
# DynamoDB may take a part of a batch (throttling): the rest is sent again after these pauses, then given up.
UNPROCESSED_PAUSES = (0.05, 0.1, 0.2)
SECONDS_PER_DAY = 86_400

_Part = TypeVar("_Part")
_EVENT_FIELDS = tuple(field.name for field in fields(GeoEvent))


class Publisher:
    """Writes to one site's event log and topic. Keeps its threads and connections from one invocation to the next."""

    def __init__(
        self,
        *,
        dynamodb: DynamoDBClient,
        sns: SNSClient,
        events_table: str,
        topic_arn: str,
        retention_days: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._dynamodb = dynamodb
        self._sns = sns
        self._events_table = events_table
        self._topic_arn = topic_arn
        self._retention_seconds = retention_days * SECONDS_PER_DAY
        self._pause = pause
        self._pool = ThreadPoolExecutor(PARALLEL_CALLS, thread_name_prefix="publish")

    def publish(self, outcomes: Sequence[GeoEvent | Heartbeat | Unusable]) -> None:
        """Write them all; return when the event log and the topic have what is theirs.

        Raises NotPublished when anything may be missing; then all of it can be sent again. Nothing is on its way any
        more when this ends, however it ends.
        """
        messages = [outcome for outcome in outcomes if not isinstance(outcome, Unusable)]
        logged = [outcome for outcome in outcomes if not isinstance(outcome, Heartbeat)]
        calls: list[Callable[[], None]] = [
            *(partial(self._send, part) for part in _parts(messages, MESSAGES_PER_CALL)),
            *(partial(self._log, part) for part in _parts(logged, ITEMS_PER_CALL)),
        ]
        if not calls:
            return
        failed = Event()
        # One call is made right here: a single push then costs one hand-over to another thread, not two.
        elsewhere = [self._pool.submit(_attempt, call, failed) for call in calls[:-1]]
        errors: list[BaseException] = []
        try:
            _attempt(calls[-1], failed)
        except (BotoCoreError, ClientError, NotPublished) as error:
            errors.append(error)
        finally:
            wait(elsewhere)
        errors += [cause for future in elsewhere if (cause := future.exception()) is not None]
        if errors:
            raise NotPublished(f"{len(errors)} of {len(calls)} calls failed: {errors[0]}") from errors[0]

    def _send(self, messages: Sequence[GeoEvent | Heartbeat]) -> None:
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
            codes = sorted({entry["Code"] for entry in refused})
            raise NotPublished(f"the topic took a part of a batch only: {', '.join(codes)}")

    def _log(self, outcomes: Sequence[GeoEvent | Unusable]) -> None:
        unprocessed: Any = {self._events_table: [{"PutRequest": {"Item": self._item(one)}} for one in outcomes]}
        for pause in (*UNPROCESSED_PAUSES, None):
            unprocessed = self._dynamodb.batch_write_item(RequestItems=unprocessed).get("UnprocessedItems")
            if not unprocessed:
                return
            if pause is not None:
                self._pause(pause)
        raise NotPublished("the event log took a part of a batch only")

    def _item(self, outcome: GeoEvent | Unusable) -> dict[str, Any]:
        received = outcome.received_at // 1000
        item: dict[str, Any] = {
            "hour": {"S": hour_of(outcome.received_at)},
            "expire_at": {"N": str(received + self._retention_seconds)},
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


def _attempt(call: Callable[[], None], failed: Event) -> None:
    """Make the call, unless another one has failed: then all of it will be sent again, and the answer can go out."""
    if failed.is_set():
        return
    try:
        call()
    except BaseException:
        failed.set()
        raise


def _parts(whole: Sequence[_Part], size: int) -> Iterator[Sequence[_Part]]:
    return (whole[start : start + size] for start in range(0, len(whole), size))
