"""The sites and their status, made of what this site knows.

A primary knows the sites that it was told to expect, by their reports. A secondary knows what the primary told of them
in its answer to the last report, and the primary by its heartbeats.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import ValidationError

from geosync import __version__
from geosync.admin.http import HttpRefusal
from geosync.admin.resources.sites import SITES, GeoSite, GeoSiteStatus, OtherSite, SiteLinks
from geosync.admin.site import AdminSite
from geosync.clock import moment
from geosync.operating import fleet, sites, status
from geosync.operating.health import PrimarySigns, health_of
from geosync.operating.queued_messages import with_queues
from geosync.operating.revision import revision
from geosync.operating.site_report import site_report
from geosync.operating.status import Status
from geosync.sync_registry.site.heartbeat import LastHeartbeat
from geosync.sync_registry.site.sites import LATE_SECONDS, KnownSite, SiteReport, site_id
from geosync.sync_registry.site.told import Told, ToldSite


class SiteViews:
    """The sites that one site knows, for one request to the API at the address `base`; read when they are asked for."""

    def __init__(self, site: AdminSite, base: str) -> None:
        self._site = site
        self._base = f"{base}{SITES}"
        self._now_ms = site.clock.now_ms()
        # Each is read once, when it is asked for. A cached_property of Python 3.11 would lock all requests meanwhile.
        self._read: Callable[[], Status] = cache(
            lambda: status.read(site.sync_registry, primary=site.settings.primary_topic_arn, clock=site.clock)
        )
        self._expected: Callable[[], list[KnownSite]] = cache(
            lambda: site.sync_registry.sites.all() if site.is_primary else []
        )
        self._reports: Callable[[], dict[str, SiteReport]] = cache(site.sync_registry.sites.reports)
        self._told: Callable[[], Told] = cache(site.sync_registry.told.read)

    def sites(self) -> list[GeoSite]:
        """The sites, the one that answers first."""
        enabled = self._read().pause is None
        own = self._geo_site(self._site.name, url=None, primary=self._site.is_primary, current=True, enabled=enabled)
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
        site = self._site
        read, queued = with_queues(
            self._read,
            dead_letters=site.letters.count,
            events_waiting=site.events_waiting,
            threads=site.sync_registry.threads,
        )
        report = site_report(
            read,
            site.settings.facts,
            queued=queued,
            catalogue=fleet.counted_catalogue(self._reports().values()) if site.is_primary else None,
            silent=sites.silent_sites(self._expected(), self._reports(), now_ms=self._now_ms)
            if site.is_primary
            else (),
            last_event=site.events.last(now_ms=read.at) if site.is_primary else None,
        )
        return self._status({**report, "superseded_images": site.settings.superseded_images}, site.name)

    def to_tell(self) -> list[OtherSite]:
        """The sites, as a primary tells the others of them: without the names of what would be lost.

        Of itself it tells its health and its version only: the site that reports waits for the answer, and the rest
        takes many reads.
        """
        urls = {one.name: one.url for one in self._expected()}
        statuses = [self._own_briefly(), *(self._reported(name, self._reports().get(name)) for name in urls)]
        whole = dict.fromkeys(("links", "would_be_lost", "geo_node_id", "name", "primary"), True)
        left_out: dict[str, Any] = {**whole, "last_drill": {"why"}}
        return [
            OtherSite(
                name=one.name, url=urls.get(one.name), primary=one.primary, status=one.model_dump(exclude=left_out)
            )
            for one in statuses
        ]

    def _own_briefly(self) -> GeoSiteStatus:
        site, items = self._site, self._site.sync_registry.overview.read()
        signs = PrimarySigns(
            at=self._now_ms,
            last_minute=items.last_minute,
            posted=items.posted_heartbeat,
            dead_letters=site.letters.count(),
            silent=sites.silent_sites(self._expected(), self._reports(), now_ms=self._now_ms),
        )
        known = {
            **health_of(signs).fields(),
            "primary": True,
            "container_repositories_replication_enabled": True,
            "version": __version__,
            "revision": revision(),
            "updated_at": moment(self._now_ms),
        }
        return self._status(known, site.name)

    # ------------------------------------------------------------------------------------------- what this site knows

    def _told_sites(self) -> Iterator[ToldSite]:
        """The sites that a primary told of, and that this site does not expect. The primary is who sends heartbeats.

        Until a primary told of any, they are those that this site was once told to expect.
        """
        expected = {self._site.name, *(one.name for one in self._expected())}
        beat = self._heartbeat()
        told = [one for one in self._told().sites or self._expected_here() if one.name not in expected]
        if beat is not None and beat.site not in {*expected, *(one.name for one in told)}:
            yield ToldSite(name=beat.site, url=None, primary=True)
        for one in told:
            yield replace(one, primary=not self._site.is_primary and _is_primary(one, beat))

    def _heartbeat(self) -> LastHeartbeat | None:
        """The last heartbeat of this site's primary; None at a primary, which follows none."""
        return self._read().heartbeat if not self._site.is_primary else None

    def _expected_here(self) -> list[ToldSite]:
        """The secondaries that this site was told to expect, as a primary before or now."""
        expected = self._site.sync_registry.sites.all()
        return [ToldSite(name=one.name, url=one.url, primary=False) for one in expected]

    def _others(self) -> Iterator[GeoSite]:
        enabled = {
            one.name: one.container_repositories_replication_enabled if one.reported_at else None
            for one in self._statuses_of_others()
        }
        for known in self._expected():
            yield self._geo_site(
                known.name, url=known.url, primary=False, enabled=enabled[known.name], added_at=known.added_at
            )
        for told in self._told_sites():
            yield self._geo_site(told.name, url=told.url, primary=told.primary, enabled=enabled[told.name])

    def _statuses_of_others(self) -> Iterator[GeoSiteStatus]:
        for known in self._expected():
            yield self._reported(known.name, self._reports().get(known.name))
        for told in self._told_sites():
            yield self._as_told(told)

    def _reported(self, name: str, report: SiteReport | None) -> GeoSiteStatus:
        """The status by the site's last report."""
        return self._status_or_unhealthy(fleet.reported_fields(report, now_ms=self._now_ms), name)

    def _as_told(self, told: ToldSite) -> GeoSiteStatus:
        """The status as the primary told of it. If that was long ago, the site is unhealthy, whatever it was then."""
        name = told.name
        if self._site.is_primary:
            text = f"{name} does not report to this site: run geosync follow at {name}"
            return self._status(fleet.judged("Unhealthy", text, now_ms=self._now_ms), name)
        if not told.status:
            text = "Its status is not known here: ask its own API"
            return self._status({**fleet.judged("Unknown", text, now_ms=self._now_ms), "primary": told.primary}, name)
        fields = {**told.status, "primary": told.primary}
        fields["reported_at"] = fields.get("reported_at") or moment(self._told().at)
        minutes = (self._now_ms - self._told().at) // 60_000
        if minutes * 60 >= LATE_SECONDS:
            fields |= fleet.unhealthy(f"The primary has told nothing of this site for {minutes} minutes")
        return self._status_or_unhealthy(fields, name)

    def _status_or_unhealthy(self, fields: dict[str, Any], name: str) -> GeoSiteStatus:
        try:
            return self._status(fields, name)
        except HttpRefusal:
            # Another version of this site kept the report, or told of it.
            text = "This version cannot read the site's report"
            return self._status(fleet.judged("Unhealthy", text, now_ms=self._now_ms), name)

    # ----------------------------------------------------------------------------------------------------- as answered

    def _geo_site(
        self,
        name: str,
        *,
        url: str | None,
        primary: bool,
        enabled: bool | None,
        current: bool = False,
        added_at: int | None = None,
    ) -> GeoSite:
        address = f"{self._base}/{site_id(name)}"
        return GeoSite(
            id=site_id(name),
            name=name,
            url=url,
            primary=primary,
            current=current,
            enabled=enabled,
            added_at=moment(added_at) if added_at is not None else None,
            _links=SiteLinks(self=address, status=f"{address}/status"),
        )

    def _status(self, fields: dict[str, Any], name: str) -> GeoSiteStatus:
        address = f"{self._base}/{site_id(name)}"
        return read_status({**fields, "_links": {"self": f"{address}/status", "site": address}}, name)


def read_status(fields: dict[str, Any], name: str) -> GeoSiteStatus:
    """Read the status of the site `name`, whatever name it has itself. Raises HttpRefusal (400)."""
    try:
        json.dumps(fields, ensure_ascii=False, default=str).encode()  # JSON may name half of a character
    except ValueError:
        raise HttpRefusal(400, "status: a text is not Unicode") from None
    try:
        return GeoSiteStatus.model_validate({"primary": False, **fields, "geo_node_id": site_id(name), "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise HttpRefusal(400, f"status: {where}: {first['msg']}") from None


def _is_primary(told: ToldSite, beat: LastHeartbeat | None) -> bool:
    return told.primary if beat is None else told.name == beat.site
