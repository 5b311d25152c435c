"""The reason why heartbeats do not move the recovery point, from one status and the queues at the same moment."""

from __future__ import annotations

from geosync.operating.status import Status
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.subscription import Subscription

SWEEP_LATE_MS = 5 * 60_000
"""Time since the last sweep after which nothing is accounted."""
OF_ANOTHER_SELECTION = "no comparison is complete that began after the selection changed"
REFUSED_JUST_NOW = "a message could not be marked, and is not in the DLQ yet"


def why_stalled(status: Status, *, events: int, unmarked: int | None) -> str | None:
    """The reason why no heartbeat can be accounted now; None when those that arrived early enough can.

    `events` wait in the events queue. `unmarked` messages of the DLQ could not be marked; None: that is not known.
    """
    if status.last_sweep is None or status.at - status.last_sweep.at > SWEEP_LATE_MS:
        return "the sweep does not run"
    if events:
        return f"events wait in the queue: {events}"
    if unmarked is None:
        return "the DLQ could not be looked through"
    if unmarked or status.refused:
        return f"the DLQ holds messages that could not be marked: {unmarked}" if unmarked else REFUSED_JUST_NOW
    return None


def why_undecided(undecided: int) -> str | None:
    """The reason while events may be on their way for something that a comparison found; None: there is no such."""
    return f"the events of what a comparison found may be on their way: {undecided}" if undecided else None


def why_apart(subscription: Subscription | None, walk: Walk | None) -> str | None:
    """The reason why what is delivered does not join what was compared; None where no gap is between them.

    `subscription` is the site's, `walk` its latest comparison.

    Nobody sends a site what was pushed before it subscribed, or while its subscription was gone. Only a comparison that
    began afterwards finds it (sync_registry/site/subscription.py). The same goes for what entered the selection.
    """
    if subscription is None:
        return "the site has not subscribed to the primary's topic yet"
    began_at = 0 if walk is None else walk.started_at if walk.settled_at is None else walk.settled_at
    if not subscription.is_of_its_selection(began_at):
        return OF_ANOTHER_SELECTION
    if walk is None or not subscription.joins(began_at):
        return "no comparison is complete that began after the site subscribed to the primary's topic"
    return None


def why_stalled_now(status: Status, *, events: int, letters: int) -> str | None:
    """The same as `why_stalled` for whoever shows a status, with what the minute's last look into the DLQ found.

    `letters` are in the DLQ now.
    """
    unmarked: int | None = 0
    if letters:
        unmarked = min(status.letters.unmarked, letters) if status.letters is not None else None
    why = why_stalled(status, events=events, unmarked=unmarked) or why_undecided(status.recovery.undecided)
    return why or why_apart(status.subscription, status.comparison)
