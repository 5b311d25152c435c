"""The reason why a drill is due, by DrillSchedule: for the minute's alarm and for status.

A drill is carried out by somebody with the right to promote the site, not by the site itself
(docs/decisions/0054-nobody-drills-by-himself.md). The site says when one is missing.
"""

from __future__ import annotations

from typing import Literal

from geosync.clock import DAY_MS
from geosync.sync_registry.site.drills import LastDrill

DrillSchedule = Literal["off", "daily", "weekly", "monthly"]
_DAYS = {"daily": 1, "weekly": 7, "monthly": 31}
GRACE_MS = DAY_MS
"""A pipeline that runs once in the time may run some hours later the next time."""


def why_due(last: LastDrill | None, schedule: DrillSchedule, *, now_ms: int) -> str | None:
    """Say why a drill is due at `now_ms` (ms), None: none is. One that is incomplete counts as carried out."""
    if schedule == "off":
        return None
    if last is None:
        return "no drill was carried out yet"
    if last.verdict == "failed":
        return "the last drill failed"
    if now_ms - last.at > _DAYS[schedule] * DAY_MS + GRACE_MS:
        return f"the last drill was {(now_ms - last.at) // DAY_MS} days ago"
    return None
