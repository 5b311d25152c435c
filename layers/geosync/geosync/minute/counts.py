"""Every minute at a secondary: compares the counters of rows with the rows, if that is due."""

from __future__ import annotations

from geosync.minute.reporting import MinuteReporter
from geosync.sync_registry.sync_registry import SyncRegistry


def recount(sync_registry: SyncRegistry, reporter: MinuteReporter) -> None:
    """Go on with a recount that is due. Raises what DynamoDB raises."""
    recounted = sync_registry.recount.go_on()
    if recounted is not None:
        reporter.recounted(recounted)
