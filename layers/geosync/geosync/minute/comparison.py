"""Asks for a comparison, a walk through the primary's catalogue, when one is due. functions/sync does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.catalogue import is_due
from geosync.comparing.window import BackfillWindow
from geosync.messages.queues import Queue
from geosync.messages.work import CatalogueMessage
from geosync.minute.reporting import MinuteReporter
from geosync.minute.settings import ReconcileSettings
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.subscription import Subscription
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

AT_ONCE_S = 0.001
"""Between the end of a walk that proves nothing about what is delivered, and the next walk."""
PROMOTION_MS = 900_000
"""Longer than a promotion takes, unless its command was interrupted."""
SHOWN_MS = 60_000
"""After its stack is updated, a promotion takes seconds to count what came meanwhile and to show what is missing."""


def ask_for_comparison(
    settings: ReconcileSettings,
    sync_registry: SyncRegistry,
    sqs: SQSClient,
    reporter: MinuteReporter,
    *,
    subscription: Subscription | None,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Note which primary the site follows, and send one message when a walk should begin or go on.

    `subscription` is the one that this minute saw, if it saw any. A walk that began before it leaves a gap. So none
    begins in the moments after it was made, and one that began before is followed by another.
    """
    if sync_registry.catalogue.follow(settings.primary_topic_arn or ""):
        sync_registry.catalogue.ask()
        sync_registry.suspected.forget()
        if subscription is not None:  # it may have delivered to this site as a primary, which drops what comes
            subscription = sync_registry.subscription.begin_anew(subscription.arn, settle_s=settings.settle_seconds)
        reporter.primary_changed(settings.primary_topic_arn)
    walk, now_ms = sync_registry.catalogue.latest(), clock.now_ms()
    if not _is_due(walk, subscription, now_ms=now_ms, every_s=settings.comparison_seconds):
        return
    if subscription is not None and walk is not None and walk.started_at < subscription.gapless_from:
        sync_registry.catalogue.ask()  # until it is done the recovery point is not known, so it waits for no window
    elif _waits_for_its_window(settings, sync_registry, now_ms):
        return
    Queue(sqs, settings.work_queue_url).send(CatalogueMessage())
    reporter.comparison_asked_for(walk)


def _is_due(walk: Walk | None, subscription: Subscription | None, *, now_ms: int, every_s: float) -> bool:
    """Tell whether a walk is due; it is at once where the last one began before the subscription had settled."""
    if subscription is not None:
        if not subscription.joins(now_ms):
            return False
        if walk is not None and not subscription.joins(walk.started_at):
            every_s = AT_ONCE_S
    return is_due(walk, now_ms=now_ms, every_s=every_s)


def _waits_for_its_window(settings: ReconcileSettings, sync_registry: SyncRegistry, now_ms: int) -> bool:
    """Tell whether a walk that nobody asked for has to wait; after a change of the selection it is a backfill."""
    window = BackfillWindow.parse(settings.backfill_window)
    return window.opens_in_ms(now_ms) > 0 and not sync_registry.catalogue.is_asked_for()


def follow_nobody(sync_registry: SyncRegistry, *, clock: Clock = SYSTEM_CLOCK) -> None:
    """Note that a primary follows nobody: if it follows its former primary again, everything is compared anew.

    That forgets what was proved here. A promotion shows by it what is missing here, so this waits until then.
    """

    def is_shown() -> bool:
        last = sync_registry.promotions.latest()
        if last is None:
            return True
        ended_ms = last.ended_at if last.ended_at is not None else last.began_at + PROMOTION_MS
        return clock.now_ms() >= ended_ms + SHOWN_MS

    sync_registry.catalogue.follow("", may_forget=is_shown)
