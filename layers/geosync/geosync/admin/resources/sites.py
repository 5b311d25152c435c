"""The sites and their status, as the API shows them: their models, and what makes them of what this site knows.

A primary knows the sites that it was told to expect, by their reports. A secondary knows what the primary told of them
in its answer to the last report, and the primary by its heartbeats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from geosync.admin.common import AnswerModel, RequestModel, SiteName
from geosync.admin.http import HttpRefusal
from geosync.admin.site import AdminSite
from geosync.operating import sites, status
from geosync.operating.moments import moment
from geosync.operating.site_report import QueuedMessages, site_report
from geosync.operating.status import Status
from geosync.sync_registry.site.sites import LATE_SECONDS, KnownSite, SiteReport, site_id
from geosync.sync_registry.site.told import Told, ToldSite
from geosync.verifying.counts import verification_counts_of

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
    added_at: str | None = Field(description="When this site was told to expect it; null of others.")
    links: SiteLinks = Field(alias="_links")


class GeoSiteStatus(BaseModel):
    """A site's status: as it sees itself, or (`reported_at`) as it reported itself last.

    Counts are null where they are not known: at a site that never reported, or of a backlog too long to be counted.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)  # a site of a newer version may say more

    geo_node_id: int
    name: str
    primary: bool
    healthy: bool = Field(description="True for health_status Healthy alone.")
    health: str = Field(description="What is wrong, the worst first, or Healthy.")
    health_status: Literal["Healthy", "Degraded", "Unhealthy", "Unknown"] = Field(
        description="Unknown: the site that answers has nothing by which to judge it."
    )
    health_reasons: list[str] = Field(default=[], description="What is wrong, one by one.")
    container_repositories_replication_enabled: bool | None
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
    container_repositories_checksum_total_count: int | None = None
    container_repositories_oldest_unsynced_time: int | None = Field(
        default=None, description="Since when the oldest reference is owed (seconds); null: nothing is, or not known."
    )
    last_event_id: int | None = Field(
        default=None, description="The primary's newest event; at a secondary null while events wait in its queue."
    )
    last_event_timestamp: int | None = None
    cursor_last_event_id: int | None = Field(default=None, description="The last event that a secondary processed.")
    cursor_last_event_timestamp: int | None = None
    last_successful_status_check_timestamp: int | None = None
    recovery_point_at: str | None = Field(
        default=None, description="Everything pushed before this moment is at this site and was seen there."
    )
    recovery_point_but_parked_at: str | None = Field(default=None, description="The same but for what is parked.")
    recovery_point_stands_because: str | None = Field(
        default=None, description="What keeps heartbeats from moving the recovery point; null: nothing does."
    )
    recovery_point_unknown_because: str | None = Field(default=None, description="Why there is no recovery point.")
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
    version: str | None = None
    revision: str | None = Field(default=None, description="Sites with the same revision run the same code.")
    selective_sync_type: str | None = Field(
        default=None, description="namespaces or tags: what restricts what it replicates; null: nothing does."
    )
    namespaces: list[Namespace] = Field(default=[], description="Namespaces that it replicates with their descendants.")
    reported_at: str | None = Field(default=None, description="When its report arrived; null of the site that answers.")
    updated_at: str
    links: StatusLinks | None = Field(default=None, alias="_links")

    @field_validator("last_event_id", "cursor_last_event_id", mode="before")
    @classmethod
    def _read_event_id(cls, value: object) -> object:
        """Read a number; the texts that a site of the version before reports say nothing to whoever reckons."""
        return None if isinstance(value, str) and not value.isdecimal() else value

    @model_validator(mode="before")
    @classmethod
    def _read_degraded(cls, said: Any) -> Any:
        """Read the third word, which a report has apart (minute/report.py)."""
        if isinstance(said, dict) and said.get("degraded") is True and said.get("health_status") == "Unhealthy":
            return {**said, "health_status": "Degraded"}
        return said


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
    sent_at: Annotated[int, Field(ge=0, le=253_402_300_799_000)]
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


class SiteViews:
    """The sites that one site knows, for one request to the API at the address `base`; read when they are asked for."""

    def __init__(self, site: AdminSite, base: str) -> None:
        self._site = site
        self._base = f"{base}{SITES}"
        self._now_ms = site.clock.now_ms()

    def sites(self) -> list[GeoSite]:
        """The sites, the one that answers first."""
        enabled = self._read.pause is None
        own = self._shown(self._site.name, url=None, primary=self._site.is_primary, current=True, enabled=enabled)
        return [own, *self._others()]

    def statuses(self) -> list[GeoSiteStatus]:
        """The status of each site, in the same order."""
        return [self.own_status(), *self._statuses_of_others()]

    def status_of(self, number: int) -> GeoSiteStatus | None:
        """The status of a site by its id, None for one that is not known here."""
        if number == site_id(self._site.name):
            return self.own_status()
        return next((one for one in self._statuses_of_others() if one.geo_node_id == number), None)

    def own_status(self) -> GeoSiteStatus:
        """The status of the site that answers."""
        site, read = self._site, self._read
        report = site_report(
            read,
            site.settings.facts,
            verified=verification_counts_of(site.sync_registry.counters.read()),
            queued=QueuedMessages(dead_letters=site.letters.count(), events_waiting=site.events_waiting()),
            silent=sites.silent_sites(self._expected, self._reports, now_ms=self._now_ms) if site.is_primary else (),
            last_event=site.events.last(now_ms=read.at) if site.is_primary else None,
        )
        return self._status(report, site.name)

    def to_tell(self) -> list[OtherSite]:
        """The sites, as a primary tells the others of them: without the names of what would be lost."""
        urls = {one.name: one.url for one in self._expected}
        left_out = {"links", "would_be_lost", "geo_node_id", "name", "primary"}
        return [
            OtherSite(
                name=one.name, url=urls.get(one.name), primary=one.primary, status=one.model_dump(exclude=left_out)
            )
            for one in self.statuses()
            if one.primary or one.name in urls
        ]

    # ------------------------------------------------------------------------------------------- what this site knows

    @cached_property
    def _read(self) -> Status:
        return status.read(self._site.sync_registry, clock=self._site.clock)

    @cached_property
    def _expected(self) -> list[KnownSite]:
        return self._site.sync_registry.sites.all() if self._site.is_primary else []

    @cached_property
    def _reports(self) -> dict[str, SiteReport]:
        return self._site.sync_registry.sites.reports()

    @cached_property
    def _told(self) -> Told:
        return self._site.sync_registry.told.read()

    def _told_sites(self) -> Iterator[ToldSite]:
        """The sites that a primary told of, as far as nothing better is known; the primary is who sends heartbeats."""
        expected = {self._site.name, *(one.name for one in self._expected)}
        beat = self._read.heartbeat if not self._site.is_primary else None
        told = [one for one in self._told.sites if one.name not in expected]
        if beat is not None and beat.site not in {*expected, *(one.name for one in told)}:
            yield ToldSite(name=beat.site, url=None, primary=True)
        for one in told:
            primary = one.primary if beat is None else one.name == beat.site
            yield ToldSite(name=one.name, url=one.url, primary=primary and not self._site.is_primary, status=one.status)

    def _others(self) -> Iterator[GeoSite]:
        enabled = {
            one.name: one.container_repositories_replication_enabled if one.reported_at else None
            for one in self._statuses_of_others()
        }
        for known in self._expected:
            yield self._shown(
                known.name, url=known.url, primary=False, enabled=enabled[known.name], added_at=known.added_at
            )
        for told in self._told_sites():
            yield self._shown(told.name, url=told.url, primary=told.primary, enabled=enabled[told.name])

    def _statuses_of_others(self) -> Iterator[GeoSiteStatus]:
        for known in self._expected:
            yield self._reported(known.name, self._reports.get(known.name))
        for told in self._told_sites():
            yield self._as_told(told)

    def _reported(self, name: str, report: SiteReport | None) -> GeoSiteStatus:
        """The status by the site's last report. A late or silent site is unhealthy, whatever it said."""
        if report is None:
            text = "This site has not reported yet: are PrimaryAdminUrl and its report token right?"
            return self._status(_judged("Unhealthy", text, self._now_ms), name)
        said: dict[str, Any] = json.loads(report.status)
        said |= {"primary": False, "reported_at": moment(report.arrived_at)}  # who reports here is a secondary
        said["last_successful_status_check_timestamp"] = report.arrived_at // 1000
        why = sites.silence(report, now_ms=self._now_ms)
        return self._readable(said | _unhealthy(f"This site {why}") if why is not None else said, name)

    def _as_told(self, told: ToldSite) -> GeoSiteStatus:
        """The status as the primary told of it; one that was told of long ago is unhealthy, whatever it was."""
        name = told.name
        if self._site.is_primary:
            text = "This site does not report to this one: geosync follow, there"
            return self._status(_judged("Unhealthy", text, self._now_ms), name)
        if not told.status:
            text = "Its status is not known here: ask its own API"
            return self._status({**_judged("Unknown", text, self._now_ms), "primary": told.primary}, name)
        said = {**told.status, "primary": told.primary}
        said["reported_at"] = said.get("reported_at") or moment(self._told.at)
        minutes = (self._now_ms - self._told.at) // 60_000
        if minutes * 60 >= LATE_SECONDS:
            said |= _unhealthy(f"The primary has told nothing of this site for {minutes} minutes")
        return self._readable(said, name)

    def _readable(self, said: dict[str, Any], name: str) -> GeoSiteStatus:
        try:
            return self._status(said, name)
        except HttpRefusal:
            # Kept by another version of this site.
            text = "This version cannot read the site's report"
            return self._status(_judged("Unhealthy", text, self._now_ms), name)

    # ----------------------------------------------------------------------------------------------------- as answered

    def _shown(self, name: str, *, url: str | None, primary: bool, enabled: bool | None, **more: Any) -> GeoSite:
        address = f"{self._base}/{site_id(name)}"
        added_at = more.get("added_at")
        return GeoSite(
            id=site_id(name),
            name=name,
            url=url,
            primary=primary,
            current=bool(more.get("current")),
            enabled=enabled,
            added_at=moment(added_at) if added_at is not None else None,
            _links=SiteLinks(self=address, status=f"{address}/status"),
        )

    def _status(self, said: dict[str, Any], name: str) -> GeoSiteStatus:
        address = f"{self._base}/{site_id(name)}"
        return read_status({**said, "_links": {"self": f"{address}/status", "site": address}}, name)


def read_status(said: dict[str, Any], name: str) -> GeoSiteStatus:
    """Read a status; raises HttpRefusal. Its name is `name`, whatever it says itself."""
    try:
        return GeoSiteStatus.model_validate({"primary": False, **said, "geo_node_id": site_id(name), "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise HttpRefusal(400, f"status: {where}: {first['msg']}") from None


def _unhealthy(problem: str) -> dict[str, Any]:
    return {"healthy": False, "health_status": "Unhealthy", "health": problem, "health_reasons": [problem]}


def _judged(word: str, problem: str, now_ms: int) -> dict[str, Any]:
    """A status of which nothing is known but this."""
    return {
        **_unhealthy(problem),
        "health_status": word,
        "container_repositories_replication_enabled": None,
        "updated_at": moment(now_ms),
    }
