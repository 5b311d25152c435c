"""Every minute at a secondary with a DrillSchedule: decide whether a drill is due."""

from __future__ import annotations

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.minute.reporting import MinuteReporter
from geosync.operating.drill_schedule import DrillSchedule, why_due
from geosync.sync_registry.sync_registry import SyncRegistry


def judge_drills(
    schedule: DrillSchedule, sync_registry: SyncRegistry, reporter: MinuteReporter, *, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Put the metric of the alarm. Raises what DynamoDB raises."""
    reporter.drill_due(why_due(sync_registry.drills.last(), schedule, now_ms=clock.now_ms()))
