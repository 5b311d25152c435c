"""The settings of functions/sync."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from geosync.pair.selection import Selection
from geosync.registries.vendors import AUTO
from geosync.settings import Role
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.timing import Timing

PARALLELISM = 16
"""Blobs and manifests at a time for one repository. Small ones wait for the network, not for the CPU."""
REFERENCES = 16
"""References at a time of one repository. Most wait for their blobs, or for one small answer. Indexes are fewer at a
time: what is below them has a budget (oci/memory.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of what verification costs.

    Seconds between two rounds of a repository (0: only on request), requests for each repository and day, bytes read
    back by the site in a day.
    """

    interval_s: float = 7 * 86_400
    requests: int = 20_000
    sample_bytes: int = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionSettings:
    """The selection of a site, as its environment states it; a base of other settings."""

    include_repositories: str = ""
    exclude_repositories: str = ""
    include_tags: str = ""
    exclude_tags: str = ""
    superseded_images: Literal["replicate", "skip"] = "replicate"

    @property
    def selection(self) -> Selection:
        """The selection of this site; raises ConfigurationError naming the pattern that is wrong."""
        patterns = Selection.parse(
            include_repositories=self.include_repositories,
            exclude_repositories=self.exclude_repositories,
            include_tags=self.include_tags,
            exclude_tags=self.exclude_tags,
        )
        return replace(patterns, superseded_images=self.superseded_images == "replicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings(SelectionSettings):
    """Environment of functions/sync (keys: the names in upper case; durations in seconds)."""

    site_name: str
    site_role: Role
    sync_table: str
    dlq_url: str
    measurements_queue_url: str | None = None
    """The queue of measurements for functions/reconcile; None: nothing is measured."""
    local_registry_url: str
    local_registry_secret_arn: str | None = None
    local_registry_vendor: str = AUTO
    primary_registry_url: str | None = None
    primary_registry_secret_arn: str | None = None
    primary_registry_vendor: str = AUTO
    primary_topic_arn: str | None = None
    allowed_hosts: str = ""
    repository_prefix: str = ""
    deletes: Literal["propagate", "keep"] = "propagate"
    outside_selection: Literal["keep", "remove"] = "keep"
    deletion_delay: float = 0
    breaker_share: float = 50
    breaker_tags: int = 100
    breaker_seconds: float = 3600
    lease_seconds: float = 60
    settle_seconds: float = 30
    suspect_seconds: float = 60
    blob_concurrency: int = PARALLELISM
    reference_concurrency: int = REFERENCES
    live_concurrency: int = 16
    work_concurrency: int = 10
    max_namespace_share: float = 75
    shared_blob_bytes: int = 0
    shared_copy_bytes: int = 0
    max_bandwidth: float = 0
    work_queue_url: str | None = None
    primary_registry_bucket: str | None = None
    local_registry_bucket: str | None = None
    backfill_window: str = ""
    verification_seconds: float = 7 * 86_400
    verification_requests: int = 20_000
    verification_sample_bytes: int = 1024**3
    arrivals_topic_arn: str | None = None
    """The topic of arrivals and failures; None: they are not announced."""

    @property
    def timing(self) -> Timing:
        """The times of the store protocol, in proportion to the lease."""
        return Timing.scaled_to(
            self.lease_seconds,
            settle_s=self.settle_seconds,
            suspect_s=self.suspect_seconds,
            deletion_delay_s=self.deletion_delay,
        )

    @property
    def verification(self) -> Bounds:
        """The bounds of what verification costs."""
        return Bounds(
            interval_s=self.verification_seconds,
            requests=self.verification_requests,
            sample_bytes=self.verification_sample_bytes,
        )

    @property
    def limits(self) -> Limits:
        """The bounds beyond which deletes by comparison are suspended."""
        return Limits(share=self.breaker_share / 100, tags=self.breaker_tags, window_s=self.breaker_seconds)

    @property
    def registry_names(self) -> tuple[str, ...]:
        """The names of the site's registries, as holds and errors have them."""
        return registry_names(self.local_registry_url, self.primary_registry_url)


def registry_names(*urls: str | None) -> tuple[str, ...]:
    """The names (host:port) of the registries at `urls`."""
    return tuple(urlsplit(url).netloc for url in urls if url is not None)
