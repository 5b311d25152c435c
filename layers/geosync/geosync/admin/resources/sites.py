"""The sites and their status. A primary also shows the sites that it was told to expect, by their reports."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from geosync.admin.common import AnswerModel, Done, Id, RequestModel, SiteName
from geosync.admin.current import CurrentRequest
from geosync.admin.gate import GateRefusal
from geosync.admin.http import HttpRefusal
from geosync.admin.resources.state import Backfill
from geosync.admin.site import AdminSite
from geosync.errors import MalformedMessage
from geosync.operating import sites, status
from geosync.operating.moments import moment, parsed_moment
from geosync.operating.rows_report import read_page
from geosync.operating.site_report import CountedCatalogue, QueuedMessages, site_report
from geosync.operating.status import Status
from geosync.sync_registry.site.reported_rows import ReportedPage
from geosync.sync_registry.site.sites import MOST_SITES, OWN_ID, KnownSite, SiteReport

SITES = "/api/v4/geo_sites"
PRIMARY_ID = OWN_ID + 1
"""At a secondary: the primary, by its heartbeats."""


class GeoSite(AnswerModel):
    """A site. `current` is the one that answers; `enabled` is false while it is paused (null: not known here)."""

    id: int
    name: str
    url: str | None
    primary: bool
    current: bool
    enabled: bool | None
    added_at: str | None = Field(description="When this site was told of it; null of itself.")


class ReportedComparison(Backfill):
    """Progress of a site's latest comparison."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class GeoSiteStatus(BaseModel):
    """A site's status: as it sees itself, or (`reported_at`) as it reported itself last; all of it of one moment.

    Counts are null where they are not known: at a site that never reported, at a primary what only secondaries have,
    and after an update of a site until its rows were counted.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)  # a site of a newer version may say more

    geo_node_id: int
    name: str
    primary: bool
    healthy: bool
    health: str = Field(description="What is wrong, or Healthy.")
    health_status: Literal["Healthy", "Unhealthy"]
    container_repositories_replication_enabled: bool
    container_repositories_count: int | None = Field(
        default=None,
        description="Repositories of the primary that the site replicates; at a primary all of them, as its sites saw.",
    )
    primary_repositories_count: int | None = Field(
        default=None, description="All names in the primary's catalogue, whoever replicates them."
    )
    primary_repositories_counted_at: str | None = Field(
        default=None, description="When the comparison began that counted them."
    )
    container_repositories_registry_count: int | None = None
    container_repositories_synced_count: int | None = Field(default=None, description="Rows in state synced.")
    container_repositories_failed_count: int | None = Field(default=None, description="Rows in state failed.")
    container_repositories_comparing_count: int | None = Field(
        default=None, description="Repositories that the comparison under way has still to look at."
    )
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
    superseded_images: Literal["replicate", "skip"] | None = Field(
        default=None,
        description="skip: the recovery point speaks of the newest push of each tag alone (SupersededImages); "
        "null: not known.",
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
    oldest_owed_seconds: int | None = Field(
        default=None, description="For how long the oldest reference is owed, of those read; 0: nothing is."
    )
    lag_measured_count: int | None = Field(
        default=None, description="Pushes of the last hour whose lag, from push to synced, was measured."
    )
    lag_median_seconds: float | None = Field(default=None, description="Half of them took at most this.")
    lag_p99_seconds: float | None = Field(default=None, description="99 of 100 of them took at most this.")
    comparison: ReportedComparison | None = Field(default=None, description="The latest comparison; null: none yet.")
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


class SiteRoutes:
    """Shows the sites, has a primary expect them, and takes their reports."""

    def __init__(self, site: AdminSite, current: CurrentRequest) -> None:
        self._site = site
        self._current = current

    def list_sites(self) -> list[GeoSite]:
        """The sites that this one knows, itself first."""
        own = self._read_status()
        return [_own(self._site, own), *_others(self._site, own)]

    def list_statuses(self) -> list[GeoSiteStatus]:
        """The status of each site, of this one first."""
        return [_own_status(self._site, self._read_status()), *_reported(self._site)]

    def show_site(self, number: Id) -> GeoSite:
        """One site by its id."""
        return self._one(number)

    def show_status(self, number: Id) -> GeoSiteStatus:
        """The status of one site by its id."""
        if number == OWN_ID:
            return _own_status(self._site, self._read_status())
        if not self._site.is_primary:
            shown = self._one(number)
            text = f"{self._site.name} does not know the status of {shown.name}: ask its own API"
            raise HttpRefusal(404, text)
        found = next((one for one in _reported(self._site) if one.geo_node_id == number), None)
        if found is None:
            raise _unknown(self._site, number)
        return found

    def add_site(self, asked: SiteToAdd) -> GeoSite:
        """Expect a site, or change the address and the key of one that is expected."""
        site = self._site
        site.must_be_primary("to expect sites")
        if asked.name == site.name:
            raise HttpRefusal(409, f"{site.name} is this site itself, which need not be added")
        expected = site.sync_registry.sites.all()
        if len(expected) >= MOST_SITES and asked.name not in {one.name for one in expected}:
            raise HttpRefusal(409, f"{MOST_SITES} sites are expected already: remove one first")
        known = site.sync_registry.sites.add(
            name=asked.name, url=asked.url, key=asked.report_key, now_ms=site.clock.now_ms()
        )
        return _shown(known, None)

    def remove_site(self, number: Id) -> Done:
        """Stop expecting a site."""
        site = self._site
        site.must_be_primary("to expect sites")
        if number == OWN_ID:
            raise HttpRefusal(409, f"{site.name} is this site itself, which cannot be removed")
        known = next((one for one in site.sync_registry.sites.all() if one.id == number), None)
        if known is None:
            raise _unknown(site, number)
        site.sync_registry.sites.remove(known.name)
        site.sync_registry.reported_rows.forget(known.name)
        return Done(message=f"{known.name} is no longer expected")

    def take_report(self, asked: StatusReport) -> Done:
        """Keep the report of a site that is expected, unless a newer one is here."""
        site = self._site
        known = site.sync_registry.sites.find(asked.site)
        if not sites.may_report(known, self._current.bearer or ""):
            message = f"this is not the report token of a site {asked.site} that is expected here"
            raise GateRefusal(401, message, "wrong_report_token")
        site.must_be_primary("a report")
        page = _rows_page(asked)
        kept = site.sync_registry.sites.record(_checked(asked, now_ms=site.clock.now_ms()))
        if kept and page is not None:
            site.sync_registry.reported_rows.put(asked.site, page)
        return Done(message="taken" if kept else "a newer one is here already")

    def _read_status(self) -> Status:
        return status.read(self._site.sync_registry, clock=self._site.clock)

    def _one(self, number: int) -> GeoSite:
        found = next((one for one in self.list_sites() if one.id == number), None)
        if found is None:
            raise _unknown(self._site, number)
        return found


def _own(site: AdminSite, own: Status) -> GeoSite:
    return GeoSite(
        id=OWN_ID,
        name=site.name,
        url=None,
        primary=site.is_primary,
        current=True,
        enabled=own.pause is None,
        added_at=None,
    )


def _own_status(site: AdminSite, own: Status) -> GeoSiteStatus:
    report = site_report(
        own,
        name=site.name,
        role=site.settings.site_role,
        queued=QueuedMessages(dead_letters=site.letters.count(), events_waiting=site.events_waiting()),
        catalogue=_counted_catalogue(site) if site.is_primary else None,
        last_event=site.events.last(now_ms=own.at) if site.is_primary else None,
    )
    return _status({**report, "superseded_images": site.settings.superseded_images}, OWN_ID, site.name)


def _counted_catalogue(site: AdminSite) -> CountedCatalogue | None:
    """The primary's repositories as the latest comparison of one of its sites saw them; None: no site told of one."""
    told = [json.loads(report.status) for report in site.sync_registry.sites.reports().values()]
    counted = [
        CountedCatalogue(repositories=number, at=parsed_moment(at))
        for said in told
        if isinstance(number := said.get("primary_repositories_count"), int)
        and isinstance(at := said.get("primary_repositories_counted_at"), str)
    ]
    return max(counted, key=lambda one: one.at, default=None)


def _others(site: AdminSite, own: Status) -> list[GeoSite]:
    """At the primary the sites that are expected; at a secondary its primary, once a heartbeat told of it."""
    if site.is_primary:
        told = {one.geo_node_id: one for one in _reported(site)}
        return [_shown(one, told.get(one.id)) for one in site.sync_registry.sites.all()]
    if own.heartbeat is None:
        return []
    name = own.heartbeat.site
    return [GeoSite(id=PRIMARY_ID, name=name, url=None, primary=True, current=False, enabled=None, added_at=None)]


def _shown(known: KnownSite, told: GeoSiteStatus | None) -> GeoSite:
    return GeoSite(
        id=known.id,
        name=known.name,
        url=known.url,
        primary=False,
        current=False,
        enabled=told.container_repositories_replication_enabled if told is not None and told.reported_at else None,
        added_at=moment(known.added_at),
    )


def _reported(site: AdminSite) -> list[GeoSiteStatus]:
    """At a primary: the last report of each expected site. A late or silent site is unhealthy, whatever it said."""
    if not site.is_primary:
        return []
    found, now_ms = site.sync_registry.sites.reports(), site.clock.now_ms()
    return [_told(known, found.get(known.name), now_ms) for known in site.sync_registry.sites.all()]


def _told(known: KnownSite, report: SiteReport | None, now_ms: int) -> GeoSiteStatus:
    if report is None:
        problem = "This site has not reported yet: are PrimaryAdminUrl and its report token right?"
        return _status(_silent(problem, now_ms), known.id, known.name)
    said: dict[str, Any] = json.loads(report.status)
    said["reported_at"] = moment(report.arrived_at)
    if "lag_seconds" in said:  # the former name, which sites of the previous version send
        said.setdefault("oldest_owed_seconds", said["lag_seconds"])
    said["last_successful_status_check_timestamp"] = report.arrived_at // 1000
    if report.is_late(now_ms):
        minutes = (now_ms - report.arrived_at) // 60_000
        health = f"This site has not reported for {minutes} minutes"
        said |= {"healthy": False, "health_status": "Unhealthy", "health": health}
    try:
        return _status(said, known.id, known.name)
    except HttpRefusal:
        # Kept by another version of this site.
        return _status(_silent("This version cannot read the site's report", now_ms), known.id, known.name)


def _silent(problem: str, now_ms: int) -> dict[str, Any]:
    return {
        "healthy": False,
        "health": problem,
        "health_status": "Unhealthy",
        "container_repositories_replication_enabled": False,
        "updated_at": moment(now_ms),
    }


def _rows_page(asked: StatusReport) -> ReportedPage | None:
    """Take the page of rows out of a report; None: the site is of a version that sends none."""
    fields = asked.status.pop("rows_page", None)
    if fields is None:
        return None
    try:
        return read_page(fields, at_ms=asked.sent_at)
    except MalformedMessage as error:
        raise HttpRefusal(400, f"status: {error}") from None


def _checked(asked: StatusReport, *, now_ms: int) -> SiteReport:
    """The report to keep: one whose time can be right, that can be shown, and that is not too large."""
    if asked.sent_at > now_ms + sites.AHEAD_SECONDS * 1000:
        ahead_s = (asked.sent_at - now_ms) // 1000
        raise HttpRefusal(400, f"sent_at is {ahead_s} s in the future: is the site's clock right?")
    _status(asked.status, OWN_ID, asked.site)
    text = json.dumps(asked.status, separators=(",", ":"))
    if len(text) > sites.MOST_REPORT_BYTES:
        raise HttpRefusal(413, f"a status has at most {sites.MOST_REPORT_BYTES} bytes")
    return SiteReport(site=asked.site, sent_at=asked.sent_at, arrived_at=now_ms, status=text)


def _status(said: dict[str, Any], number: int, name: str) -> GeoSiteStatus:
    """Read a status; raises HttpRefusal. A site that reports is a secondary: it says neither its name nor its role."""
    try:
        return GeoSiteStatus.model_validate({"primary": False, **said, "geo_node_id": number, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise HttpRefusal(400, f"status: {where}: {first['msg']}") from None


def _unknown(site: AdminSite, number: int) -> HttpRefusal:
    return HttpRefusal(404, f"{site.name} knows no site with the id {number}: GET {SITES} lists them")
