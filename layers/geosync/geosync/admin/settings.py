"""The settings of functions/admin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geosync.operating.site_facts import FactSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings(FactSettings):
    """Environment of functions/admin (keys: the names in upper case)."""

    sync_table: str
    events_table: str
    events_queue_url: str
    work_queue_url: str
    dlq_url: str
    read_secret_arn: str
    act_secret_arn: str
    event_retention_days: int
    deletes: Literal["propagate", "keep"]
    outside_selection: Literal["keep", "remove"]
    event_log_shards: int = 1
    """Partitions of an hour in the event log."""
    admin_api: Literal["public", "private"] = "public"
    """Reports of other sites do not arrive at a private one."""
    primary_topic_arn: str | None = None
    """The primary that the site follows: what was recorded under another one is not shown."""
    superseded_images: Literal["replicate", "skip"] = "replicate"
