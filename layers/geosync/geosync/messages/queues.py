"""The one way to send to a queue, and to count one. Every message carries its group (messages/groups.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice, repeat
from typing import TYPE_CHECKING, Protocol

from geosync.aws.errors import reason_of_entries
from geosync.errors import NotSent
from geosync.messages.groups import group_of_body
from geosync.messages.tracing import ATTRIBUTE

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

BATCH = 10
"""Messages in one SendMessageBatch, the most that SQS takes."""
_VISIBLE: tuple[QueueAttributeNameType, ...] = ("ApproximateNumberOfMessages",)
_ALL: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_OWN_TRACE: Iterable[str | None] = repeat(None)


class Message(Protocol):
    """A message of one of the queues."""

    @property
    def message_group_id(self) -> str:
        """The group that it belongs to."""
        ...

    def to_json(self) -> str:
        """Its body."""
        ...


class Queue:
    """One SQS queue. Thread-safe, as its client is."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs = sqs
        self.url = url

    def send(self, message: Message) -> None:
        """Send one message. Raises what SQS raises."""
        self._sqs.send_message(
            QueueUrl=self.url, MessageBody=message.to_json(), MessageGroupId=message.message_group_id
        )

    def send_all(self, messages: Iterable[Message], *, traces: Iterable[str | None] = _OWN_TRACE) -> int:
        """Send the messages, ten in a request; returns how many. Raises NotSent when SQS did not take one of them.

        What was sent before that stays sent. `traces` are the trace headers of the messages, in their order; a message
        without one belongs to the trace of this invocation, as botocore sends that header with the request.
        """
        remaining, sent = zip(messages, traces, strict=False), 0
        while batch := list(islice(remaining, BATCH)):
            entries = [_entry(position, one, trace) for position, (one, trace) in enumerate(batch)]
            if failed := self._sqs.send_message_batch(QueueUrl=self.url, Entries=entries).get("Failed"):
                why = reason_of_entries("SQS SendMessageBatch", (one["Code"] for one in failed))
                raise NotSent(f"{len(failed)} of {len(batch)} messages were not taken: {why}")
            sent += len(batch)
        return sent

    def send_body(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Send a message as it was found, with text `attributes`. Raises what SQS raises."""
        given: dict[str, MessageAttributeValueTypeDef] = {
            name: {"DataType": "String", "StringValue": text} for name, text in (attributes or {}).items()
        }
        self._sqs.send_message(
            QueueUrl=self.url, MessageBody=body, MessageAttributes=given, MessageGroupId=group_of_body(body)
        )

    def waiting(self) -> int:
        """About how many messages wait to be taken."""
        return self._count(_VISIBLE)

    def messages(self) -> int:
        """About how many messages there are: those that wait, and those that somebody has taken and not deleted."""
        return self._count(_ALL)

    def _count(self, names: tuple[QueueAttributeNameType, ...]) -> int:
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found.get(name, "0")) for name in names)


def _entry(position: int, message: Message, trace: str | None) -> SendMessageBatchRequestEntryTypeDef:
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": str(position),
        "MessageBody": message.to_json(),
        "MessageGroupId": message.message_group_id,
    }
    if trace is not None:
        entry["MessageSystemAttributes"] = {ATTRIBUTE: {"DataType": "String", "StringValue": trace}}
    return entry
