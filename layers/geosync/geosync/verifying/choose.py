"""The repositories that are verified next: those that wait the longest, a few each minute, behind everything else.

They are read from the index, eight queries of a page each, whatever the number of rows. Namespaces that have their
share of the workers are passed over: a woken worker could not verify them. If a message still waits when its repository
is chosen again, the second message costs one read.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from geosync.messages.groups import namespace
from geosync.messages.queues import Queue
from geosync.messages.work import VerifyMessage
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST = 40
"""Repositories a minute: 400,000 in a week."""
BUSY = 20
"""Messages that wait in the work queue from which on nothing is added: retries and resyncs come first."""


def ask_for_verifications(
    sync_registry: SyncRegistry, sqs: SQSClient, work_queue_url: str, *, now_ms: int, asked_only: bool = False
) -> int:
    """Send a message for each repository that is chosen; returns how many. Raises NotSent.

    None are while BUSY messages wait: what is due stays due. With `asked_only` (rolling verification is off) only those
    that somebody asked for are chosen.
    """
    work = Queue(sqs, work_queue_url)
    if work.waiting() >= BUSY:
        return 0
    full = cache(partial(sync_registry.full_namespaces, "work"))  # asked where something is due
    choose = sync_registry.verification.asked_for if asked_only else sync_registry.verification.due
    chosen = choose(now_ms=now_ms, limit=MOST, skip=lambda repository: namespace(repository) in full())
    return work.send_all(VerifyMessage(repository=repository) for repository in chosen)
