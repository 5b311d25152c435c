"""The messages that a site's queues hold, counted beside its status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geosync.operating.status import Status
from geosync.threads import Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessages:
    """Numbers of messages in a site's queues."""

    dead_letters: int
    events_waiting: int


def with_queues(
    read: Callable[[], Status],
    *,
    dead_letters: Callable[[], int],
    events_waiting: Callable[[], int],
    threads: Threads,
) -> tuple[Status, QueuedMessages]:
    """Read a site's status, and meanwhile count the messages in its queues. Raises what any of the three raises."""
    with threads.pool(2, name="queues") as pool:
        letters, events = pool.submit(dead_letters), pool.submit(events_waiting)
        status = read()
        return status, QueuedMessages(dead_letters=letters.result(), events_waiting=events.result())
