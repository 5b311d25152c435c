"""The settings of functions/admin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geosync.settings import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """Environment of functions/admin (keys: the names in upper case)."""

    site_name: str
    site_role: Role
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
    superseded_images: Literal["replicate", "skip"] = "replicate"
