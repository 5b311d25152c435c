"""The counts of a secondary's events queue and DLQ, as a minute reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_COUNTS: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """The events queue and the DLQ of a secondary."""

    sqs: SQSClient
    events_url: str
    dlq_url: str

    def events(self) -> int:
        """About how many events wait, or are on their way to a mark."""
        return self._messages(self.events_url)

    def dead_letters(self) -> int:
        """About how many messages are in the DLQ."""
        return self._messages(self.dlq_url)

    def _messages(self, url: str) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)["Attributes"]
        return sum(int(found.get(name, "0")) for name in _COUNTS)
