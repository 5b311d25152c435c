"""The recovery point: everything pushed before it is here and was seen. Pure functions.

```
recovery point = min(accounted, the earliest push that is owed)
accounted      = max(newest accounted heartbeat, proved_at); proved_at alone while notifications are known to be lost
```

A heartbeat that arrived says little: a queue delivers in any order, so an event that was sent before it may still wait.
It is *accounted* when the events queue was seen empty (nothing visible and nothing in flight) a minute or more after it
arrived, as SQS counts are right only after a minute, and the DLQ held nothing that could not be marked. From then on
everything that was sent before it is marked, or was. As an event's message is deleted as soon as the event is
marked, a queue that copies keep busy is empty again and again.

None of this sees a registry that posts nothing. The next comparison does: a reference that it has to copy though nobody
announced it is a *lost notification*, once the queue was seen empty past the find (minute/losses.py). Until a later
comparison is complete without one, and an event has come since, heartbeats prove nothing here, and the recovery point
is what the comparisons prove.

The items are kept by sync_registry/site/recovery.py; minute/recovery.py reads and writes them every minute.
"""

from __future__ import annotations

from collections.abc import Iterable

from geosync.sync_registry.site.recovery import Recovery

COUNTS_SETTLE_MS = 60_000
"""Time after which the counts of an SQS queue include what was sent to it."""
MOST_HEARTBEATS = 5
"""Heartbeats that wait to be accounted; the newest are kept."""


def heard(recovery: Recovery, heartbeat: tuple[int, int] | None) -> tuple[tuple[int, int], ...]:
    """The heartbeats that wait to be accounted, with the newest that arrived (`sent_at`, `arrived_at`)."""
    known = recovery.heartbeats
    if heartbeat is None or heartbeat[0] <= max((sent_at for sent_at, _ in known), default=recovery.sent_at or 0):
        return known
    return (*known, heartbeat)[-MOST_HEARTBEATS:]


def accounted(heartbeats: Iterable[tuple[int, int]], *, empty_at: int, settle_ms: int = COUNTS_SETTLE_MS) -> int | None:
    """The newest heartbeat that the queue, seen empty at `empty_at`, accounts for."""
    return max((sent_at for sent_at, arrived_at in heartbeats if arrived_at + settle_ms <= empty_at), default=None)


def point(*, sent_at: int | None, proved_at: int | None, is_losing: bool, pushes: Iterable[int]) -> int | None:
    """The recovery point, None before the first comparison was complete: nobody knows yet what is missing.

    `pushes` are the moments of what is owed. See the module.
    """
    if proved_at is None:
        return None
    base = proved_at if is_losing else max(sent_at or 0, proved_at)
    return min([base, *pushes])
