"""The reason why a site's recovery point is not known. recovery/point.py computes the point."""

from __future__ import annotations

from geosync.operating.stalled import OF_ANOTHER_SELECTION
from geosync.operating.status import Status
from geosync.sync_registry.site.catalogue import Walk


def why_not_known(status: Status) -> str:
    """Say what the recovery point waits for, where a status has none."""
    why = _of_the_comparison(status, status.comparison)
    return f"{why}, and the site is paused" if status.pause is not None else why


def _of_the_comparison(status: Status, walk: Walk | None) -> str:
    if walk is None:
        return "no comparison of everything has begun"
    if walk.proved_at is not None:
        has_changed = status.proved_at is None
        return OF_ANOTHER_SELECTION if has_changed else "more is owed than was read, and it was not known before"
    if walk.failure is not None:
        return f"the primary's catalogue cannot be read: {walk.failure}"
    if walk.finished_at is None:
        return "the first comparison of everything goes on"
    if walk.complete and status.parked:
        return "something that the first comparison found is parked"
    return "not all that the first comparison found is copied and seen"
