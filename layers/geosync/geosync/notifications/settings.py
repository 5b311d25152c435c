"""The settings of functions/notifications."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.notifications.sources import SourceName
from geosync.settings import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """Environment of functions/notifications (keys: the names in upper case)."""

    site_name: str
    site_role: Role
    notification_secret_arn: str
    events_table: str
    topic_arn: str
    event_retention_days: int
    local_registry_url: str
    event_log_shards: int = 1
    """Partitions that an hour of the event log is in."""
    notification_source: SourceName = "distribution"
    notification_audience: str = ""
    notification_sender: str = ""
