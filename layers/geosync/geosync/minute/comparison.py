"""The comparison: a walk through the primary's catalogue is asked for when one is due. functions/sync does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.catalogue import is_due
from geosync.messages.queues import Queue
from geosync.messages.work import CatalogueMessage
from geosync.minute.reporting import MinuteReporter
from geosync.minute.settings import ReconcileSettings
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def ask_for_comparison(
    settings: ReconcileSettings,
    sync_registry: SyncRegistry,
    sqs: SQSClient,
    reporter: MinuteReporter,
    *,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Note which primary the site follows, and send one message when a walk should begin or go on."""
    if sync_registry.catalogue.follow(settings.primary_topic_arn or ""):
        sync_registry.suspected.forget()
        reporter.primary_changed(settings.primary_topic_arn)
    walk = sync_registry.catalogue.latest()
    if not is_due(walk, now_ms=clock.now_ms(), every_s=settings.comparison_seconds):
        return
    Queue(sqs, settings.work_queue_url).send(CatalogueMessage())
    reporter.comparison_asked_for(walk)


def follow_nobody(sync_registry: SyncRegistry) -> None:
    """Note that a primary follows nobody: should it follow its former primary again, everything is compared anew."""
    sync_registry.catalogue.follow("")
