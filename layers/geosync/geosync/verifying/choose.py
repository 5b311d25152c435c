"""The repositories that are verified next: those that wait the longest, a few each minute, behind everything else.

They are read from the index, eight queries of a page each, whatever the number of rows. A message that waits while its
repository is chosen again costs whoever gets the second one read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosync.errors import NotSent
from geosync.messages.work import VerifyMessage
from geosync.sync_registry.registry import SyncRegistry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST = 40
"""Repositories a minute: 400,000 in a week."""
BUSY = 20
"""Messages that wait in the work queue from which on nothing is added: retries and resyncs come first."""
BATCH = 10
"""Messages in one SendMessageBatch."""


def ask_for_verifications(sync_registry: SyncRegistry, sqs: SQSClient, work_queue_url: str, *, now_ms: int) -> int:
    """Send a message for each repository that is chosen; returns how many. Raises NotSent.

    None are while BUSY messages wait: what is due stays due.
    """
    answer = sqs.get_queue_attributes(QueueUrl=work_queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    if int(answer["Attributes"]["ApproximateNumberOfMessages"]) >= BUSY:
        return 0
    chosen = sync_registry.verification.due(now_ms=now_ms, limit=MOST)
    for start in range(0, len(chosen), BATCH):
        bodies = [VerifyMessage(repository=repository).to_json() for repository in chosen[start : start + BATCH]]
        entries = [{"Id": str(position), "MessageBody": body} for position, body in enumerate(bodies)]
        failed = sqs.send_message_batch(QueueUrl=work_queue_url, Entries=entries).get("Failed")  # type: ignore[arg-type]
        if failed:
            raise NotSent(f"{len(failed)} of {len(bodies)} verifications were not taken: {failed[0].get('Code')}")
    return len(chosen)
