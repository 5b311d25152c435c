"""The settings of functions/log_cursor."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.pair.settings import SelectionSettings, registry_names
from geosync.settings import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings(SelectionSettings):
    """Environment of functions/log_cursor (keys: the names in upper case)."""

    site_name: str
    site_role: Role
    sync_table: str
    live_queue_url: str
    dlq_url: str
    local_registry_url: str
    primary_registry_url: str | None = None
    primary_topic_arn: str | None = None

    @property
    def registry_names(self) -> tuple[str, ...]:
        """The names (host:port) under which the site's registries are held. No request goes to them."""
        return registry_names(self.local_registry_url, self.primary_registry_url)

    @property
    def primary_name(self) -> str | None:
        """The name of the site that this one follows, as its topic says it; None: it follows none."""
        return self.primary_topic_arn.partition(":geosync-")[2] or None if self.primary_topic_arn else None
