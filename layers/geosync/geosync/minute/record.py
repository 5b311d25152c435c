"""Records that the minute ran, and what its sweep did. A status shows when one of them is late."""

from __future__ import annotations

from geosync.minute.reporting import MinuteReporter
from geosync.minute.sweep import Swept
from geosync.sync_registry.sync_registry import SyncRegistry


def record_run(sync_registry: SyncRegistry, reporter: MinuteReporter) -> None:
    """Record this run; a status reports a missing one."""
    sync_registry.minute.record()
    reporter.ran()


def record_sweep(swept: Swept, sync_registry: SyncRegistry, reporter: MinuteReporter) -> None:
    """Record what the sweep did; while the last one is late, no heartbeat is accounted."""
    sync_registry.sweep.record(woken=swept.woken, reason=swept.reason)
    reporter.swept(swept)
