"""Verify now: for the command line and the admin API, which send a message, and for functions/sync, which gets it.

The caller needs sqs:SendMessage on the work queue, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.messages.queues import Queue
from geosync.messages.work import Scope, VerifyMessage
from geosync.sync_registry.items import VERIFICATION_FAILED, VERIFICATION_PENDING, VERIFICATION_SUCCEEDED
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def reverify(sqs: SQSClient, work_queue_url: str, repository: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
    """Have `repository` (its name at the primary) verified now; nothing happens while something is owed in it."""
    _send(sqs, work_queue_url, VerifyMessage(repository=repository, asked_at=clock.now_ms()))


def reverify_all(sqs: SQSClient, work_queue_url: str, scope: Scope, *, clock: Clock = SYSTEM_CLOCK) -> None:
    """Have all synced repositories, or (`failed`) those whose verification failed, verified when the pace allows."""
    _send(sqs, work_queue_url, VerifyMessage(scope=scope, asked_at=clock.now_ms()))


def _send(sqs: SQSClient, work_queue_url: str, message: VerifyMessage) -> None:
    Queue(sqs, work_queue_url).send(message)


def make_due(
    sync_registry: SyncRegistry, scope: Scope, asked_at_ms: int, *, check: Callable[[], None] = lambda: None
) -> int:
    """Make the rows of `scope` due that were not verified since `asked_at_ms`; returns how many. Idempotent.

    `check` is called between pages of rows and may raise, to stop.
    """
    states = {VERIFICATION_FAILED}
    if scope == "all":
        states |= {VERIFICATION_PENDING, VERIFICATION_SUCCEEDED}
    return sync_registry.verification.make_due(states, asked_at_ms=asked_at_ms, check=check)
