"""The sweep: wakes workers for what is due and held by nobody. The one rule that makes lost messages harmless.

It wakes workers, not repositories: each goes on with what is due next by itself (working/worker.py). So there are never
more wakes than workers, whatever is due.
"""

from __future__ import annotations

from dataclasses import dataclass

from geosync.messages.queues import Queue
from geosync.messages.work import WorkMessage
from geosync.sync_registry.sync_registry import SyncRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """One sweep's result: the wakes that it sent, or why it sent none."""

    woken: int
    reason: str | None = None


def sweep(sync_registry: SyncRegistry, work: Queue, workers: int) -> Swept:
    """Send a wake for each of the `workers` that has none waiting: for a repository that is due, without a live lease.

    Nothing is sent while the site is paused or while a registry is on hold (but one wake, where it refuses the
    credentials). Raises NotSent when SQS did not take all of them.
    """
    if sync_registry.is_paused():
        return Swept(woken=0, reason="paused")
    if holds := sync_registry.holds():
        # One woken worker is enough to see whether credentials that were refused have been changed.
        asking = sync_registry.due_repositories(1) if any(hold.credentials is not None for hold in holds) else []
        return Swept(woken=_wake(work, asking), reason=f"{holds[0].registry} is on hold")
    free = workers - work.waiting()
    if free <= 0:
        return Swept(woken=0, reason=f"each of the {workers} workers has a message waiting")
    return Swept(woken=_wake(work, sync_registry.due_repositories(free)))


def _wake(work: Queue, repositories: list[str]) -> int:
    return work.send_all(WorkMessage(repository=repository, reason="sweep") for repository in repositories)
