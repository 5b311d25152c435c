"""Which repositories are verified next: those that wait the longest, a few each minute, behind everything else.

They are read from the index, eight queries of a page each, whatever the number of rows. A message that waits while its
repository is chosen again costs whoever gets the second one read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from geosync.messages.queues import Queue
from geosync.messages.work import VerifyMessage
from geosync.sync_registry.table.changes import Key, Store
from geosync.sync_registry.table.shards import VERIFICATION_SHARDS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST = 40
"""Repositories a minute: 400,000 in a week."""
BUSY = 20
"""Messages that wait in the work queue from which on nothing is added: retries and resyncs come first."""


def due_for_verification(store: Store, now: int, limit: int = MOST) -> list[str]:
    """At most `limit` repositories due for verification at `now` (ms), from every shard in turn, longest due first."""
    shards: list[Iterator[Key]] = [iter(store.due_keys(shard, now)) for shard in VERIFICATION_SHARDS]
    found: list[str] = []
    while shards and len(found) < limit:
        for shard in list(shards):
            key = next(shard, None)
            if key is None:
                shards.remove(shard)
            elif len(found) < limit:
                found.append(key.repository)
    return found


def ask_for_verifications(store: Store, sqs: SQSClient, work_queue_url: str, *, now: int) -> int:
    """Send a message for each repository that is chosen; returns how many. Raises NotSent.

    None are while BUSY messages wait: what is due stays due.
    """
    work = Queue(sqs, work_queue_url)
    if work.waiting() >= BUSY:
        return 0
    return work.send_all(VerifyMessage(repository=repository) for repository in due_for_verification(store, now))
