"""The sweep: whatever is due and held by nobody is woken. The one rule that makes lost messages harmless."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from geosync.errors import NotSent
from geosync.messages.work import WorkMessage
from geosync.sync_registry.registry import SyncRegistry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""Messages in one SendMessageBatch."""
MOST_WAITING = 500
"""Wake-ups that wait in the queue before the sweep adds no more: what is due stays due, and is found next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one sweep did: `woken` repositories, or why it woke none."""

    woken: int
    reason: str | None = None


def sweep(registry: SyncRegistry, sqs: SQSClient, work_queue_url: str) -> Swept:
    """Send a wake-up for each repository with something due and no live lease.

    Nothing is sent while the site is paused, while a registry is on hold (but one wake-up, where it refuses the
    credentials), or while MOST_WAITING wake-ups wait. Raises NotSent when SQS did not take all of them.
    """
    if registry.is_paused():
        return Swept(woken=0, reason="paused")
    if holds := registry.holds():
        # Whoever is woken sees whether credentials that were refused have been changed: one is enough to ask.
        asking = registry.due_repositories(1) if any(hold.credentials is not None for hold in holds) else []
        _send(sqs, work_queue_url, asking)
        return Swept(woken=len(asking), reason=f"{holds[0].registry} is on hold")
    answer = sqs.get_queue_attributes(QueueUrl=work_queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    room = MOST_WAITING - int(answer["Attributes"]["ApproximateNumberOfMessages"])
    if room <= 0:
        return Swept(woken=0, reason=f"{MOST_WAITING} wake-ups wait already")
    due = registry.due_repositories(room)
    _send(sqs, work_queue_url, due)
    return Swept(woken=len(due))


def _send(sqs: SQSClient, work_queue_url: str, repositories: Iterable[str]) -> None:
    remaining = iter(repositories)
    while batch := list(islice(remaining, BATCH)):
        answer = sqs.send_message_batch(
            QueueUrl=work_queue_url,
            Entries=[
                {"Id": str(position), "MessageBody": WorkMessage(repository=repository, reason="sweep").to_json()}
                for position, repository in enumerate(batch)
            ],
        )
        if failed := answer.get("Failed"):
            raise NotSent(f"{len(failed)} of {len(batch)} wake-ups were not taken: {failed[0].get('Code')}")
