"""Geo sites, their status, and how a site reports its own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from geosync.admin.models.common import Answer, Request, SiteName


class GeoSite(Answer):
    """A site. `current` is the one that answers; `enabled` is false while it is paused (null: not known here)."""

    id: int
    name: str
    url: str | None
    primary: bool
    current: bool
    enabled: bool | None
    added_at: str | None = Field(description="When this site was told of it; null of itself.")


class GeoSiteStatus(BaseModel):
    """A site's status: as it sees itself, or (`reported_at`) as it reported itself last.

    Counts are null where they are not known: at a site that never reported, or of a backlog too long to be counted.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)  # a site of a newer version may say more

    geo_node_id: int
    name: str
    primary: bool
    healthy: bool
    health: str = Field(description="What is wrong, or Healthy.")
    health_status: Literal["Healthy", "Unhealthy"]
    container_repositories_replication_enabled: bool
    container_repositories_count: int | None = None
    container_repositories_registry_count: int | None = None
    container_repositories_synced_count: int | None = None
    container_repositories_failed_count: int | None = None
    container_repositories_synced_in_percentage: str | None = None
    container_repositories_verification_total_count: int | None = None
    container_repositories_verified_count: int | None = None
    container_repositories_verification_failed_count: int | None = None
    container_repositories_verified_in_percentage: str | None = None
    container_repositories_checksummed_count: int | None = None
    container_repositories_checksum_failed_count: int | None = None
    last_event_id: str | None = None
    last_event_timestamp: int | None = None
    cursor_last_event_id: str | None = None
    cursor_last_event_timestamp: int | None = None
    last_successful_status_check_timestamp: int | None = None
    recovery_point_at: str | None = Field(
        default=None, description="Everything pushed before this moment is at this site and was seen there."
    )
    recovery_point_but_parked_at: str | None = Field(default=None, description="The same but for what is parked.")
    recovery_point_stands_because: str | None = Field(
        default=None, description="What keeps heartbeats from moving the recovery point; null: nothing does."
    )
    proved_at: str | None = Field(
        default=None, description="When the last comparison of everything began: it covers lost notifications, too."
    )
    notifications_lost_count: int | None = None
    would_be_lost: list[str] = Field(
        default=[], description="What would be lost if the primary died now, the oldest first: repository:reference."
    )
    would_be_lost_count: int | None = None
    owed_references_count: int | None = Field(default=None, description="Tags and digests that are owed.")
    failed_references_count: int | None = None
    parked_references_count: int | None = None
    more_owed: bool = Field(default=False, description="There is more owed than the counts say.")
    lag_seconds: int | None = Field(default=None, description="For how long the oldest reference is owed.")
    dead_letters_count: int | None = None
    events_waiting_count: int | None = None
    paused_since: str | None = None
    pause_reason: str | None = None
    registries_on_hold: list[str] = []
    deletes_suspended_since: str | None = Field(default=None, description="Of deletes by comparison; null: they go on.")
    deletes_suspended_because: str | None = None
    last_heartbeat_at: str | None = None
    reported_at: str | None = Field(default=None, description="When its report arrived; null of the site that answers.")
    updated_at: str


class SiteToAdd(Request):
    """A site to expect. `report_key` is the SHA-256 (hex) of its report token, as `geosync sites add` computes it."""

    name: SiteName
    url: Annotated[
        str,
        StringConstraints(max_length=255, pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$"),
    ]
    report_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class StatusReport(Request):
    """What a site says of itself, every minute. `sent_at` is in milliseconds since the epoch."""

    site: SiteName
    sent_at: Annotated[int, Field(ge=0, le=253_402_300_799_000)]
    status: dict[str, Any]
