"""Asks for the verification of a few repositories that are due. functions/sync verifies them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.minute.reporting import MinuteReporter
from geosync.minute.settings import ReconcileSettings
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.verifying.choose import ask_for_verifications

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def ask_for_due_verifications(
    settings: ReconcileSettings,
    sync_registry: SyncRegistry,
    sqs: SQSClient,
    reporter: MinuteReporter,
    *,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Send messages for repositories that are due, unless the site is paused or leaves a registry alone.

    With `verification_seconds` 0, only for those that somebody asked for.
    """
    if sync_registry.is_paused() or sync_registry.holds():
        return
    asked_for = ask_for_verifications(
        sync_registry,
        sqs,
        settings.work_queue_url,
        now_ms=clock.now_ms(),
        asked_only=not settings.verification_seconds,
    )
    if asked_for:
        reporter.verifications_asked_for(asked_for)
