"""The settings of functions/pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geosync.pair.settings import SelectionSettings, registry_names
from geosync.reading.promise import Promise
from geosync.settings import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSettings(SelectionSettings):
    """Environment of functions/pull (keys: the names in upper case; durations in seconds)."""

    site_name: str
    site_role: Role
    sync_table: str
    live_queue_url: str
    work_queue_url: str
    local_registry_url: str
    primary_registry_url: str | None = None
    primary_topic_arn: str | None = None
    repository_prefix: str = ""
    max_staleness: float = 300
    stale_reads: Literal["refuse", "serve"] = "refuse"

    @property
    def registry_names(self) -> tuple[str, ...]:
        """The names (host:port) that the holds of the site's registries go by."""
        return registry_names(self.local_registry_url, self.primary_registry_url)

    @property
    def promise(self) -> Promise:
        """The promise to those who pull; raises ConfigurationError naming the pattern that is wrong."""
        return Promise(
            role=self.site_role,
            max_staleness_ms=round(self.max_staleness * 1000),
            serves_stale=self.stale_reads == "serve",
            selection=self.selection,
            prefix=f"{self.repository_prefix}/" if self.repository_prefix else "",
        )
