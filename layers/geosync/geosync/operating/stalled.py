"""The reason why heartbeats do not move the recovery point, from one status and the queues at the same moment."""

from __future__ import annotations

from geosync.operating.status import Status

SWEEP_LATE_MS = 5 * 60_000
"""Time since the last sweep after which nothing is accounted."""


def why_stalled(status: Status, *, events: int, letters: int) -> str | None:
    """The reason why no heartbeat can be accounted now; None when those that arrived early enough can.

    `events` wait in the events queue, `letters` in the DLQ.
    """
    if status.last_sweep is None or status.at - status.last_sweep.at > SWEEP_LATE_MS:
        return "the sweep does not run"
    if events:
        return f"events wait in the queue: {events}"
    if letters and status.refused:
        return "the DLQ holds messages that could not be marked"
    if letters > len(status.parked) and not status.more_parked:
        return "the DLQ holds messages that speak of nothing that is owed"
    return None
