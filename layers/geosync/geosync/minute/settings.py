"""The settings of functions/reconcile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geosync.operating.site_facts import FactSettings
from geosync.sync_registry.site.breaker import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSettings(FactSettings):
    """Environment of functions/reconcile (keys: the names in upper case)."""

    sync_table: str
    work_queue_url: str
    events_queue_arn: str
    events_queue_url: str
    dlq_url: str
    measurements_queue_url: str | None = None
    heartbeat_url: str
    notification_secret_arn: str
    report_secret_arn: str
    primary_topic_arn: str | None = None
    primary_admin_url: str | None = None
    """The URL to which a secondary reports its status; none: it reports to nobody."""
    work_concurrency: int = 2
    """Invocations of functions/sync that the work queue wakes at most."""
    comparison_seconds: float = 86_400
    """Between two walks through the primary's catalogue; 0: the first one only."""
    backfill_window: str = ""
    """When a walk may begin or go on (comparing/window.py); at any time where it is empty."""
    verification_seconds: float = 7 * 86_400
    """Between two verifications of a repository; 0: none but those that somebody asks for."""
    settle_seconds: float = 30.0
    """Longest time from a notification to its tag."""
    breaker_share: float = 50
    breaker_tags: int = 100
    breaker_seconds: float = 3600
    superseded_images: Literal["replicate", "skip"] = "replicate"
    """Which images the recovery point covers; the status says it."""
    arrivals_topic_arn: str | None = None
    """The topic of arrivals and failures; None: they are not announced."""

    @property
    def limits(self) -> Limits:
        """The bounds beyond which deletes by comparison are suspended."""
        return Limits(share=self.breaker_share / 100, tags=self.breaker_tags, window_s=self.breaker_seconds)
