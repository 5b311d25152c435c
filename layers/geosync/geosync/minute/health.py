"""The site's health as a metric, every minute, by the same function as for the dashboard, the API and the command.

A secondary is judged by the status that its recovery point was just made of. A primary reads what it needs.
"""

from __future__ import annotations

from dataclasses import replace

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.minute.queues import Queues
from geosync.minute.reporting import MinuteReporter
from geosync.minute.settings import ReconcileSettings
from geosync.operating.health import Health, PrimarySigns, SecondarySigns, health_of
from geosync.operating.sites import silent_sites
from geosync.operating.status import Status
from geosync.sync_registry.sync_registry import SyncRegistry

UNREAD = Health(unhealthy=("this minute could not read what the site owes",))


def judge_secondary(
    settings: ReconcileSettings, status: Status | None, queues: Queues, reporter: MinuteReporter
) -> None:
    """Judge the site by a status that was read a moment ago, None: it could not be read. Raises what SQS raises."""
    if status is None:
        reporter.health(UNREAD)
        return
    status = replace(status, last_minute=status.at)  # this very minute runs
    signs = SecondarySigns(facts=settings.facts, status=status, dead_letters=queues.dead_letters())
    reporter.health(health_of(signs))


def judge_primary(
    sync_registry: SyncRegistry, queues: Queues, reporter: MinuteReporter, *, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Judge the site by its heartbeats, its DLQ and the reports of other sites. Raises what SQS and DynamoDB raise."""
    now_ms = clock.now_ms()
    signs = PrimarySigns(
        at=now_ms,
        last_minute=now_ms,
        posted=sync_registry.posted_heartbeat.read(),
        dead_letters=queues.dead_letters(),
        silent=silent_sites(sync_registry.sites.all(), sync_registry.sites.reports(), now_ms=now_ms),
    )
    reporter.health(health_of(signs))
