"""The reason why a site's recovery point is not known. What the point is made of stands in recovery/point.py."""

from __future__ import annotations

from geosync.operating.stalled import OF_ANOTHER_SELECTION
from geosync.operating.status import Status


def why_not_known(status: Status) -> str:
    """Say what the recovery point waits for, where a status has none."""
    walk = status.comparison
    if walk is None:
        why = "no comparison of everything has begun"
    elif walk.failure is not None and walk.proved_at is None:
        why = f"the primary's catalogue cannot be read: {walk.failure}"
    elif walk.proved_at is not None and status.proved_at is None:
        why = OF_ANOTHER_SELECTION
    elif walk.proved_at is not None:
        why = "more is owed than was read, and it was not known before"
    elif walk.finished_at is None:
        why = "the first comparison of everything goes on"
    elif walk.complete and status.parked:
        why = "something that the first comparison found is parked"
    else:
        why = "not all that the first comparison found is copied and seen"
    return f"{why}, and the site is paused" if status.pause is not None else why
