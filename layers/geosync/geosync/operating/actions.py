"""An operator's actions on a site. The command line and the admin API both go this way.

Each action can be done twice, and by two operators at once, without harm: a mark is made anew, a pause set again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosync.comparing import catalogue
from geosync.errors import MalformedMessage
from geosync.messages.queues import Queue
from geosync.messages.work import CatalogueMessage, WorkMessage
from geosync.oci.references import is_digest, is_tag
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.threads import SYSTEM_THREADS, Threads

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST_IN_A_MESSAGE = 500
"""References in one work message: names of 128 characters stay far below the 256 KiB of SQS."""
MOST_FAILED = 1000
"""Failed references that one call marks anew: some two seconds."""
MARKERS = 8
"""Marks written side by side."""


def reference(text: str) -> Reference:
    """Read a tag or a digest; raises MalformedMessage."""
    if is_digest(text):
        return Reference.digest(text)
    if is_tag(text):
        return Reference.tag(text)
    raise MalformedMessage("neither a tag nor a digest")


def resync(
    sqs: SQSClient,
    work_url: str,
    repository: str,
    references: Sequence[Reference] = (),
    *,
    if_absent: str | None = None,
) -> None:
    """Have references (none: the whole repository) marked and made equal to the primary's now.

    `if_absent` has the meaning that it has in Owed: with KEEP a tag that the primary no longer has, or that left the
    selection, stays here.
    """
    wanted = references or (Reference.whole(),)
    for start in range(0, len(wanted), MOST_IN_A_MESSAGE):
        part = tuple(wanted[start : start + MOST_IN_A_MESSAGE])
        message = WorkMessage(repository=repository, reason="resync", references=part, if_absent=if_absent)
        Queue(sqs, work_url).send(message)


def resync_all(sync_registry: SyncRegistry, sqs: SQSClient, work_url: str, *, now_ms: int) -> Walk | None:
    """Have every repository of the primary's catalogue marked as a whole; a walk under way goes on and is returned.

    `now_ms` is in milliseconds.
    """
    walk = sync_registry.catalogue.latest()
    under_way = walk is not None and walk.finished_at is None and not catalogue.is_due(walk, now_ms=now_ms, every_s=0)
    if not under_way:
        # Should the message be dropped (a pause, a hold), the next minute sends it again.
        sync_registry.catalogue.ask()
        Queue(sqs, work_url).send(CatalogueMessage())
    return walk if under_way else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedAnew:
    """The outcome of `resync_failed`. `more`: call it again; `corrupt` items cannot be read and stay parked.

    `repositories` are those in which something was marked.
    """

    marked: int
    more: bool
    corrupt: int = 0
    repositories: frozenset[str] = frozenset()


def resync_failed(
    sync_registry: SyncRegistry, *, most: int = MOST_FAILED, threads: Threads = SYSTEM_THREADS
) -> MarkedAnew:
    """Mark anew what has failed, parked or waiting for its next attempt; the sweep wakes it within a minute.

    At most `most` items are read.
    """
    failed = sync_registry.owed_index.failed(most=most)
    with threads.pool(MARKERS, name="mark") as pool:
        for _ in pool.map(lambda owed: sync_registry.mark(owed.repository, owed.reference), failed.owed):
            pass
    names = frozenset(owed.repository for owed in failed.owed)
    return MarkedAnew(marked=len(failed.owed), more=failed.more, corrupt=failed.corrupt, repositories=names)
