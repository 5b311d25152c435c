"""The sites and their status; at the primary those it was told to expect, by what they reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import ValidationError

from geosync.admin.gate import REPORT, Refused
from geosync.admin.http import Refusal
from geosync.admin.models.common import Done
from geosync.admin.models.sites import GeoSite, GeoSiteStatus, SiteToAdd, StatusReport
from geosync.admin.routes.common import ACTS, ACTS_ON_ONE, LOOKS_AT_ONE, Id, answers, taken_on
from geosync.admin.site import Site
from geosync.operating import sites, status
from geosync.operating.moments import moment
from geosync.operating.site_report import site_report
from geosync.operating.sites import OWN_ID, KnownSite, Report
from geosync.operating.status import Status
from geosync.verifying.counts import verification_counts

ALL = "/api/v4/geo_sites"
PRIMARY_ID = OWN_ID + 1
"""At a secondary: the primary, by its heartbeats."""
TAGS = ["sites"]


def add(app: APIGatewayRestResolver, site: Site, bearer: Callable[[], str | None]) -> None:
    """Add the routes; `bearer` is the token of the request that is answered."""

    @app.get(ALL, summary="The sites that this one knows", tags=TAGS, responses=answers())
    def list_sites() -> list[GeoSite]:
        own = status.read(site.store, clock=site.clock)
        return [_own(site, own), *_others(site, own)]

    @app.get(f"{ALL}/status", summary="The status of each site", tags=TAGS, responses=answers())
    def list_statuses() -> list[GeoSiteStatus]:
        own = status.read(site.store, clock=site.clock)
        return [_own_status(site, own), *_reported(site)]

    @app.get(f"{ALL}/<number>", summary="One site", tags=TAGS, responses=answers(*LOOKS_AT_ONE))
    def show_site(number: Id) -> GeoSite:
        return _one(site, number, list_sites())

    @app.get(f"{ALL}/<number>/status", summary="The status of one site", tags=TAGS, responses=answers(*LOOKS_AT_ONE))
    def show_status(number: Id) -> GeoSiteStatus:
        if number == OWN_ID:
            return _own_status(site, status.read(site.store, clock=site.clock))
        if not site.is_primary:
            shown = _one(site, number, list_sites())
            raise Refusal(404, f"{site.name} does not know the status of {shown.name}: ask its own API")
        found = next((one for one in _reported(site) if one.geo_node_id == number), None)
        if found is None:
            raise _unknown(site, number)
        return found

    @app.post(ALL, summary="Expect a site, or change one that is expected", tags=TAGS, responses=answers(*ACTS))
    def add_site(asked: SiteToAdd) -> GeoSite:
        site.must_be_primary("to expect sites")
        if asked.name == site.name:
            raise Refusal(409, f"{site.name} is this site itself, which need not be added")
        expected = sites.known(site.store)
        if len(expected) >= sites.MOST_SITES and asked.name not in {one.name for one in expected}:
            raise Refusal(409, f"{sites.MOST_SITES} sites are expected already: remove one first")
        return _shown(
            sites.add(site.store, name=asked.name, url=asked.url, key=asked.report_key, now=site.clock()), None
        )

    @app.delete(f"{ALL}/<number>", summary="Expect a site no more", tags=TAGS, responses=answers(*ACTS_ON_ONE))
    def remove_site(number: Id) -> Done:
        site.must_be_primary("to expect sites")
        if number == OWN_ID:
            raise Refusal(409, f"{site.name} is this site itself, which cannot be removed")
        known = next((one for one in sites.known(site.store) if one.id == number), None)
        if known is None:
            raise _unknown(site, number)
        sites.remove(site.store, known.name)
        return Done(message=f"{known.name} is expected no more")

    @app.post(
        REPORT,
        summary="A secondary's status, by itself, with its own report token",
        tags=TAGS,
        **taken_on(400, 409, 413, 415),
    )
    def take_report(asked: StatusReport) -> Done:
        known = sites.find(site.store, asked.site)
        if not sites.may_report(known, bearer() or ""):
            message = f"this is not the report token of a site {asked.site} that is expected here"
            raise Refused(401, message, "wrong_report_token")
        site.must_be_primary("a report")
        now = site.clock()
        if asked.sent_at > now + sites.AHEAD_SECONDS * 1000:
            raise Refusal(
                400, f"sent_at is {(asked.sent_at - now) // 1000} s in the future: is the site's clock right?"
            )
        _status(asked.status, OWN_ID, asked.site)  # a report that cannot be shown is not kept
        text = json.dumps(asked.status, separators=(",", ":"))
        if len(text) > sites.MOST_REPORT_BYTES:
            raise Refusal(413, f"a status has at most {sites.MOST_REPORT_BYTES} bytes")
        kept = sites.record(site.store, Report(site=asked.site, sent_at=asked.sent_at, arrived_at=now, status=text))
        return Done(message="taken" if kept else "a newer one is here already")


def _own(site: Site, own: Status) -> GeoSite:
    return GeoSite(
        id=OWN_ID,
        name=site.name,
        url=None,
        primary=site.is_primary,
        current=True,
        enabled=own.pause is None,
        added_at=None,
    )


def _own_status(site: Site, own: Status) -> GeoSiteStatus:
    report = site_report(
        own,
        name=site.name,
        role=site.settings.site_role,
        verified=verification_counts(site.registry),
        dead_letters=site.letters.count(),
        events_waiting=site.events_waiting(),
        last_event=site.events.last(now=own.at) if site.is_primary else None,
    )
    return _status(report, OWN_ID, site.name)


def _others(site: Site, own: Status) -> list[GeoSite]:
    """At the primary the sites that are expected; at a secondary its primary, once a heartbeat told of it."""
    if site.is_primary:
        told = {one.geo_node_id: one for one in _reported(site)}
        return [_shown(one, told.get(one.id)) for one in sites.known(site.store)]
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


def _reported(site: Site) -> list[GeoSiteStatus]:
    """What each expected site said last; one that is late or silent is unhealthy, whatever it said. None elsewhere."""
    if not site.is_primary:
        return []
    found, now = sites.reports(site.store), site.clock()
    return [_told(known, found.get(known.name), now) for known in sites.known(site.store)]


def _told(known: KnownSite, report: Report | None, now: int) -> GeoSiteStatus:
    if report is None:
        problem = "It has not reported yet: are PrimaryAdminUrl and its report token right?"
        return _status(_silent(problem, now), known.id, known.name)
    said: dict[str, Any] = json.loads(report.status)
    said["reported_at"] = moment(report.arrived_at)
    said["last_successful_status_check_timestamp"] = report.arrived_at // 1000
    if report.is_late(now):
        minutes = (now - report.arrived_at) // 60_000
        said |= {"healthy": False, "health_status": "Unhealthy", "health": f"It has not reported for {minutes} minutes"}
    try:
        return _status(said, known.id, known.name)
    except Refusal:
        # Kept by another version of this site.
        return _status(_silent("Its report cannot be read by this version", now), known.id, known.name)


def _silent(problem: str, now: int) -> dict[str, Any]:
    return {
        "healthy": False,
        "health": problem,
        "health_status": "Unhealthy",
        "container_repositories_replication_enabled": False,
        "updated_at": moment(now),
    }


def _status(said: dict[str, Any], number: int, name: str) -> GeoSiteStatus:
    """Read a status; raises Refusal. A site that reports is a secondary: it says neither its name nor its role here."""
    try:
        return GeoSiteStatus.model_validate({"primary": False, **said, "geo_node_id": number, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Refusal(400, f"status: {where}: {first['msg']}") from None


def _one(site: Site, number: int, known: list[GeoSite]) -> GeoSite:
    found = next((one for one in known if one.id == number), None)
    if found is None:
        raise _unknown(site, number)
    return found


def _unknown(site: Site, number: int) -> Refusal:
    return Refusal(404, f"{site.name} knows no site with the id {number}: GET {ALL} lists them")
