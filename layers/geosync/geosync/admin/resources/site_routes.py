"""The routes of the sites: shows them and their status, has a primary expect them, and takes their reports."""

from __future__ import annotations

import json

from geosync.admin.common import Done, Id
from geosync.admin.current import CurrentRequest
from geosync.admin.gate import GateRefusal
from geosync.admin.http import HttpRefusal
from geosync.admin.resources.site_views import SiteViews, read_status
from geosync.admin.resources.sites import (
    SITES,
    GeoSite,
    GeoSiteStatus,
    OtherSite,
    ReportTaken,
    SiteToAdd,
    StatusReport,
)
from geosync.admin.site import AdminSite
from geosync.errors import MalformedMessage, SiteRefused
from geosync.operating import sites
from geosync.operating.rows_report import read_page
from geosync.sync_registry.site.reported_rows import ReportedPage
from geosync.sync_registry.site.sites import KnownSite, SiteReport, site_id

TOLD_FOR_MS = 50_000
"""Time for which an execution environment tells the same: each site reports once a minute."""


class SiteRoutes:
    """Shows the sites, has a primary expect them, and takes their reports."""

    def __init__(self, site: AdminSite, current: CurrentRequest) -> None:
        self._site = site
        self._current = current
        self._told: list[OtherSite] = []
        self._told_at = 0

    def list_sites(self) -> list[GeoSite]:
        """The sites that this one knows, itself first."""
        return self._views().sites()

    def list_statuses(self) -> list[GeoSiteStatus]:
        """The status of each site, of this one first."""
        return self._views().statuses()

    def show_site(self, number: Id) -> GeoSite:
        """One site by its id."""
        found = next((one for one in self._views().sites() if one.id == number), None)
        if found is None:
            raise _unknown(self._site, number)
        return found

    def show_status(self, number: Id) -> GeoSiteStatus:
        """The status of one site by its id."""
        found = self._views().status_of(number)
        if found is None:
            raise _unknown(self._site, number)
        return found

    def add_site(self, asked: SiteToAdd) -> GeoSite:
        """Expect a site, or change the address of one that is expected."""
        site = self._site
        site.must_be_primary("to expect sites")
        if site.settings.admin_api == "private":
            raise HttpRefusal(409, str(sites.private(site.name)))
        wanted = KnownSite(name=asked.name, url=asked.url, added_at=site.clock.now_ms(), report_key=asked.report_key)
        try:
            sites.expect(site.sync_registry.sites, site.name, wanted)
        except SiteRefused as refused:
            raise HttpRefusal(409, str(refused)) from None
        return self.show_site(wanted.id)

    def remove_site(self, number: Id) -> Done:
        """Stop expecting a site."""
        site = self._site
        site.must_be_primary("to expect sites")
        if number == site_id(site.name):
            raise HttpRefusal(409, f"{site.name} is this site itself, which cannot be removed")
        known = next((one for one in self._views().sites() if one.id == number), None)
        if known is None:
            raise _unknown(site, number)
        site.sync_registry.sites.remove(known.name)
        site.sync_registry.reported_rows.forget(known.name)
        site.sync_registry.told.forget(known.name)
        return Done(message=f"{known.name} is no longer expected")

    def take_report(self, asked: StatusReport) -> ReportTaken:
        """Keep the report of a site that is expected, unless a newer one is here, and tell it of the other sites."""
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
        message = "taken" if kept else "a newer one is here already"
        return ReportTaken(message=message, sites=[one for one in self._to_tell() if one.name != asked.site])

    def _to_tell(self) -> list[OtherSite]:
        """The sites as others are told of them, computed once for the reports of a minute."""
        now_ms = self._site.clock.now_ms()
        if not 0 <= now_ms - self._told_at < TOLD_FOR_MS:
            self._told, self._told_at = self._views().to_tell(), now_ms
        return self._told

    def _views(self) -> SiteViews:
        return SiteViews(self._site, self._current.base)


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
    read_status(asked.status, asked.site)
    try:
        text = json.dumps(asked.status, separators=(",", ":"), allow_nan=False)
    except ValueError:  # 1e999 is JSON, and Python reads it as infinity
        raise HttpRefusal(400, "status: a number is too large") from None
    if len(text) > sites.MOST_REPORT_BYTES:
        raise HttpRefusal(413, f"a status has at most {sites.MOST_REPORT_BYTES} bytes")
    return SiteReport(site=asked.site, sent_at=asked.sent_at, arrived_at=now_ms, status=text)


def _unknown(site: AdminSite, number: int) -> HttpRefusal:
    where = f"GET {SITES} lists those that it knows, by ids that are the same at every site"
    return HttpRefusal(404, f"{site.name} knows no site with the id {number}: {where}")
