"""A secondary's events queue and DLQ, as a minute counts them and looks through them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosync.messages.queues import Queue
from geosync.operating.dead_letters import DeadLetter, DeadLetterQueue, Sifted

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

    def sift(self, unneeded: Callable[[Sequence[DeadLetter]], Collection[DeadLetter]], *, most: int) -> Sifted:
        """Look through the DLQ, at most `most` messages, and delete those that `unneeded` names."""
        return DeadLetterQueue(self.sqs, dlq_url=self.dlq_url).sift(unneeded, most=most)
