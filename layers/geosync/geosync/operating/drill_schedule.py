"""The last drill, and why another is due by DrillSchedule: for the minute's alarm and for status.

A drill is carried out by somebody with the right to promote the site, not by the site itself
(docs/decisions/0054-nobody-drills-by-himself.md). The site says when one is missing.
"""

from __future__ import annotations

from typing import Any, Literal

from geosync.clock import DAY_MS, moment, optional_seconds
from geosync.sync_registry.site.drills import LastDrill

DrillSchedule = Literal["off", "daily", "weekly", "monthly"]
_DAYS = {"daily": 1, "weekly": 7, "monthly": 31}
GRACE_MS = DAY_MS
"""A pipeline that runs once in the time may run some hours later the next time."""


def last_drill_fields(last: LastDrill | None) -> dict[str, Any] | None:
    """The last drill for programs; durations in seconds, null where they are not known. None: there was none."""
    if last is None:
        return None
    return {
        "id": last.id,
        "verdict": last.verdict,
        "ended_at": moment(last.at),
        "why": last.why,
        "recovery_point_age_seconds": optional_seconds(last.recovery_point_age_ms),
        "recovery_time_seconds": optional_seconds(last.recovery_time_ms),
    }


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
