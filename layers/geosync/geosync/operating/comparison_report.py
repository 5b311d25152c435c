"""The latest comparison as it is shown and reported: how far it is, and its state."""

from __future__ import annotations

from geosync.clock import optional_moment
from geosync.comparing.progress import Progress
from geosync.sync_registry.site.catalogue import Walk


def comparison_report(walk: Walk | None, far: Progress | None) -> dict[str, object] | None:
    """The fields of admin.resources.state.Backfill; None while no comparison has begun."""
    if walk is None or far is None:
        return None
    left = far.seconds_left
    return {
        "state": "failed" if walk.failure is not None else far.state,
        "started_at": optional_moment(far.started_at),
        "finished_at": optional_moment(far.at) if far.complete else None,
        "listed": far.listed,
        "repositories": far.repositories,
        "compared": far.compared,
        "tags": far.tags,
        "found": far.found,
        "settled": far.settled,
        "repositories_per_second": round(far.rate, 3),
        "seconds_left": round(left, 1) if left is not None else None,
        "last": walk.last,
        "failure": walk.failure,
    }


NOT_BEGUN: dict[str, object] = {
    "state": "not_begun",
    "started_at": None,
    "finished_at": None,
    "listed": False,
    "repositories": 0,
    "compared": 0,
    "tags": 0,
    "found": 0,
    "settled": 0,
    "repositories_per_second": 0,
    "seconds_left": None,
    "last": None,
    "failure": None,
}
"""The same fields while no comparison has begun."""
