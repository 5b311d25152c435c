"""The decision whether deletes by comparison are suspended, where a comparison found too many tags missing."""

from __future__ import annotations

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing import doubt
from geosync.minute.queues import Queues
from geosync.minute.reporting import MinuteReporter
from geosync.sync_registry.sync_registry import SyncRegistry


def decide_about_deletes(
    sync_registry: SyncRegistry,
    queues: Queues,
    reporter: MinuteReporter,
    *,
    primary: str | None,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Decide the breaker's doubt once that can be done. Raises what DynamoDB and SQS raise."""
    after = doubt.decide(sync_registry, queues.events, primary=primary, clock=clock)
    if not after.stops or after.suspended:
        reporter.deletes_decided(after)
