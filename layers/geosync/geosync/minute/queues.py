"""The counts of a secondary's events queue and DLQ, as a minute reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosync.messages.queues import Queue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """The events queue and the DLQ of a secondary."""

    sqs: SQSClient
    events_url: str
    dlq_url: str

    def events(self) -> int:
        """About how many events wait, or are on their way to a mark."""
        return Queue(self.sqs, self.events_url).messages()

    def dead_letters(self) -> int:
        """About how many messages are in the DLQ."""
        return Queue(self.sqs, self.dlq_url).messages()
