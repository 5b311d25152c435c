"""The queue that carries measurements from the workers to functions/reconcile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosync.errors import MalformedMessage, NotSent
from geosync.messages.measurements import Measurements
from geosync.messages.queues import BATCH

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST_RECEIVES = 200
"""Requests for messages of one minute: 2,000 messages; what is left is taken in the next."""
DELETIONS = 3
"""Requests to delete a message that SQS leaves in its queue each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenMeasurements:
    """Messages taken from the queue; `receipts` are needed to delete them, `unreadable` were no measurements."""

    measurements: tuple[Measurements, ...] = ()
    receipts: tuple[str, ...] = ()
    unreadable: int = 0


class MeasurementsQueue:
    """Takes measurements from their queue, and deletes them once they are written down."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def take(self) -> TakenMeasurements:
        """Take what is there, until an answer is empty. Raises what SQS raises."""
        found: list[Measurements] = []
        receipts: list[str] = []
        unreadable = 0
        for _ in range(MOST_RECEIVES):
            messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=BATCH).get("Messages", [])
            if not messages:
                break
            for message in messages:
                receipts.append(message["ReceiptHandle"])
                try:
                    found.append(Measurements.parse(message["Body"]))
                except MalformedMessage:
                    unreadable += 1
        return TakenMeasurements(measurements=tuple(found), receipts=tuple(receipts), unreadable=unreadable)

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete messages that were taken; one that stays comes again. Raises NotSent, and what SQS raises."""
        left = list(receipts)
        for _ in range(DELETIONS):
            left = [one for start in range(0, len(left), BATCH) for one in self._delete(left[start : start + BATCH])]
        if left:
            raise NotSent(f"SQS did not delete {len(left)} measurements: they are counted again")

    def _delete(self, receipts: Sequence[str]) -> list[str]:
        """Delete ten at most; returns those that SQS did not delete."""
        answer = self._sqs.delete_message_batch(
            QueueUrl=self._url,
            Entries=[{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)],
        )
        return [receipts[int(one["Id"])] for one in answer.get("Failed", [])]
