"""The sites and their status as the API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from geosync.admin.common import MOST_COUNT, REPORTED, AnswerModel, Count, Moment, RequestModel, SiteName
from geosync.admin.resources.service_level import Measured, ReportedServiceLevel
from geosync.admin.resources.state import Backfill
from geosync.clock import LAST_MOMENT_MS
from geosync.operating.fleet import read_degraded

SITES = "/api/v4/geo_sites"


class SiteLinks(AnswerModel):
    """The addresses of a site at the API that answers."""

    self: str
    status: str


class StatusLinks(AnswerModel):
    """The addresses of a status at the API that answers."""

    self: str
    site: str


class Namespace(AnswerModel):
    """A namespace that a site replicates with its descendants."""

    full_path: str


class GeoSite(AnswerModel):
    """A site. `current` is the one that answers; `enabled` is false while it is paused (null: not known here).

    The id is the same at every site, and stays when another one becomes the primary.
    """

    id: int
    name: str
    url: str | None
    primary: bool
    current: bool
    enabled: bool | None
    added_at: str | None = Field(description="When this site was told to expect it; null for others.")
    links: SiteLinks = Field(alias="_links")


class ReportedComparison(Backfill):
    """Progress of a site's latest comparison."""

    model_config = REPORTED


Verdict = Literal["passed", "incomplete", "failed"]


class ReportedDrill(BaseModel):
    """The last rehearsal of the primary's loss at a site (`geosync drill`)."""

    model_config = REPORTED

    id: str
    verdict: Verdict = Field(description="incomplete: nothing failed, and something is not known.")
    ended_at: Moment
    why: str = Field(
        default="",
        description="What kept it from passing; empty: nothing did, or only the site's own API says it.",
    )
    recovery_point_age_seconds: float | None = Field(
        default=None, description="How old the recovery point was: pushes so new may have been missing; null: unknown."
    )
    recovery_time_seconds: float | None = Field(
        default=None, description="From the command to a primary, as it was estimated; null: not known."
    )


class GeoSiteStatus(BaseModel):
    """A site's status at one moment: as it sees itself, or (`reported_at`) as it last reported itself.

    Counts are null where they are not known: of a site that never reported, of a primary those that only secondaries
    have, and after an update of a site until its rows are counted.
    """

    model_config = REPORTED

    geo_node_id: Count
    name: str
    primary: bool
    healthy: bool = Field(description="True only where health_status is Healthy.")
    health: str = Field(description="What is wrong, the worst first, or Healthy.")
    health_status: Literal["Healthy", "Degraded", "Unhealthy", "Unknown"] = Field(
        description="Unknown: the site that answers has nothing by which to judge it."
    )
    health_reasons: list[str] = Field(default=[], description="What is wrong, one by one.")
    container_repositories_replication_enabled: bool | None
    container_repositories_count: Count | None = Field(
        default=None,
        description="Repositories of the primary that the site replicates; at a primary all, as its sites counted.",
    )
    primary_repositories_count: Count | None = Field(
        default=None, description="All names in the primary's catalogue, whoever replicates them."
    )
    primary_repositories_counted_at: Moment | None = Field(
        default=None, description="When the comparison began that counted them."
    )
    container_repositories_registry_count: Count | None = None
    container_repositories_synced_count: Count | None = Field(default=None, description="Rows in state synced.")
    container_repositories_failed_count: Count | None = Field(default=None, description="Rows in state failed.")
    container_repositories_comparing_count: Count | None = Field(
        default=None,
        description="Repositories that the comparison under way has still to look at, with those of this site that the "
        "primary's catalogue does not list. Fewer while it does not know all of them yet.",
    )
    container_repositories_synced_in_percentage: str | None = None
    container_repositories_verification_total_count: Count | None = None
    container_repositories_verified_count: Count | None = None
    container_repositories_verification_failed_count: Count | None = None
    container_repositories_verified_in_percentage: str | None = None
    container_repositories_checksummed_count: Count | None = None
    container_repositories_checksum_failed_count: Count | None = None
    container_repositories_checksum_total_count: Count | None = None
    container_repositories_oldest_unsynced_time: Count | None = Field(
        default=None, description="Since when the oldest reference is owed (seconds); null: nothing is, or not known."
    )
    last_event_id: Count | None = Field(
        default=None, description="The primary's newest event; at a secondary null while events wait in its queue."
    )
    last_event_timestamp: Count | None = None
    cursor_last_event_id: Count | None = Field(default=None, description="The last event that a secondary processed.")
    cursor_last_event_timestamp: Count | None = None
    last_successful_status_check_timestamp: Count | None = None
    recovery_point_at: Moment | None = Field(
        default=None, description="Everything pushed before this moment is at this site and was seen there."
    )
    superseded_images: Literal["replicate", "skip"] | None = Field(
        default=None,
        description="skip: the recovery point speaks of the newest push of each tag alone (SupersededImages); "
        "null: not known.",
    )
    recovery_point_but_parked_at: Moment | None = Field(
        default=None, description="The recovery point if nothing were parked."
    )
    recovery_point_stands_because: str | None = Field(
        default=None, description="What keeps heartbeats from moving the recovery point; null: nothing does."
    )
    recovery_point_unknown_because: str | None = Field(default=None, description="Why there is no recovery point.")
    proved_at: Moment | None = Field(
        default=None, description="When the last comparison of everything began: it covers lost notifications, too."
    )
    notifications_lost_count: Count | None = None
    would_be_lost: list[str] = Field(
        default=[], description="What would be lost if the primary died now, the oldest first: repository:reference."
    )
    would_be_lost_count: Count | None = None
    owed_references_count: Count | None = Field(
        default=None, description="Tags and digests that are owed, and tried again: not what is parked."
    )
    failed_references_count: Count | None = None
    parked_references_count: Count | None = None
    more_owed: bool = Field(default=False, description="There is more owed than the counts say.")
    oldest_owed_seconds: Count | None = Field(
        default=None, description="For how long the oldest reference is owed, of those read; 0: nothing is."
    )
    lag_measured_count: Count | None = Field(
        default=None, description="Pushes of the last hour whose lag, from push to synced, was measured."
    )
    lag_median_seconds: float | None = Field(default=None, description="Half of them took at most this.")
    lag_p99_seconds: float | None = Field(default=None, description="99 of 100 of them took at most this.")
    service_level: ReportedServiceLevel | None = Field(
        default=None, description="The service level of the current month; null: not known here."
    )
    measured: Measured | None = Field(
        default=None, description="Counts since the site keeps a history; null: it keeps none yet."
    )
    comparison: ReportedComparison | None = Field(default=None, description="The latest comparison; null: none yet.")
    dead_letters_count: Count | None = None
    events_waiting_count: Count | None = None
    paused_since: Moment | None = None
    pause_reason: str | None = None
    registries_on_hold: list[str] = []
    deletes_suspended_since: Moment | None = Field(
        default=None, description="Deletes by comparison are suspended since then; null: they are not."
    )
    deletes_suspended_because: str | None = None
    last_heartbeat_at: Moment | None = None
    last_drill: ReportedDrill | None = Field(default=None, description="The last drill; null: none is known.")
    drill_due_because: str | None = Field(
        default=None, description="Why a drill is due by DrillSchedule; null: none is, or there is no schedule."
    )
    version: str | None = None
    revision: str | None = Field(default=None, description="Sites with the same revision run the same code.")
    selective_sync_type: str | None = Field(
        default=None, description="namespaces or tags: what restricts what it replicates; null: nothing does."
    )
    namespaces: list[Namespace] = Field(default=[], description="Namespaces that it replicates with their descendants.")
    reported_at: Moment | None = Field(
        default=None, description="When its report arrived; null for the site that answers."
    )
    updated_at: Moment
    links: StatusLinks | None = Field(default=None, alias="_links")

    @field_validator("last_event_id", "cursor_last_event_id", mode="before")
    @classmethod
    def _read_event_id(cls, value: object) -> object:
        """Read a number. A site of the version before reports texts; what is no number, or too large, is left out."""
        if not isinstance(value, str):
            return value
        is_number = value.isdecimal() and len(value) <= len(str(MOST_COUNT))
        return value if is_number and int(value) <= MOST_COUNT else None

    @field_validator("last_drill", mode="before")
    @classmethod
    def _read_last_drill(cls, value: object) -> object:
        """Read a drill. One whose verdict is not known here is left out, so that the rest of the status is shown."""
        return None if isinstance(value, dict) and value.get("verdict") not in get_args(Verdict) else value

    @model_validator(mode="before")
    @classmethod
    def _read_degraded(cls, fields: Any) -> Any:
        """Read Degraded, for which a report has a field of its own (minute/report.py)."""
        return read_degraded(fields) if isinstance(fields, dict) else fields


class SiteToAdd(RequestModel):
    """A site to expect. `report_key` is the SHA-256 (hex) of its report token, as `geosync sites add` computes it."""

    name: SiteName
    url: Annotated[
        str,
        StringConstraints(max_length=255, pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$"),
    ]
    report_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class StatusReport(RequestModel):
    """A site's status by itself, sent every minute. `sent_at` is in milliseconds since the epoch."""

    site: SiteName
    sent_at: Annotated[int, Field(ge=0, le=LAST_MOMENT_MS)]
    status: dict[str, Any]


class OtherSite(AnswerModel):
    """Another site, as a primary tells a secondary of it; `status` as in GeoSiteStatus, without `would_be_lost`."""

    name: str
    url: str | None
    primary: bool
    status: dict[str, Any]


class ReportTaken(AnswerModel):
    """The answer to a report: the other sites, which the one that reports shows under the same ids."""

    message: str
    sites: list[OtherSite]
