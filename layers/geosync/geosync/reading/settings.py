"""The settings of functions/pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geosync.pair.settings import SelectionSettings
from geosync.settings import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSettings(SelectionSettings):
    """Environment of functions/pull (keys: the names in upper case; durations in seconds)."""

    site_name: str
    site_role: Role
    sync_table: str
    live_queue_url: str
    local_registry_url: str
    primary_registry_url: str | None = None
    primary_topic_arn: str | None = None
    repository_prefix: str = ""
    max_staleness: float = 300
    stale_reads: Literal["refuse", "serve"] = "refuse"
