"""The sites of a primary as their last reports have them, for the admin API and the command."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from geosync.clock import LAST_MOMENT_MS, moment, parsed_moment
from geosync.operating import sites
from geosync.operating.site_report import CountedCatalogue
from geosync.sync_registry.site.sites import SiteReport


def reported_fields(report: SiteReport | None, *, now_ms: int) -> dict[str, Any]:
    """A site's status by its last report, at `now_ms` (ms). A late or silent site is unhealthy, whatever it said.

    The fields are those of admin.resources.sites.GeoSiteStatus, as far as the site's version knows them.
    """
    if report is None:
        text = "This site has not reported yet: are PrimaryAdminUrl and its report token right?"
        return judged("Unhealthy", text, now_ms=now_ms)
    said: dict[str, Any] = json.loads(report.status)
    said |= {"primary": False, "reported_at": moment(report.arrived_at)}  # who reports here is a secondary
    said["last_successful_status_check_timestamp"] = report.arrived_at // 1000
    if "lag_seconds" in said:  # the former name, which sites of the previous version send
        said.setdefault("oldest_owed_seconds", said["lag_seconds"])
    why = sites.silence(report, now_ms=now_ms)
    return said | unhealthy(f"This site {why}") if why is not None else read_degraded(said)


def read_degraded(said: dict[str, Any]) -> dict[str, Any]:
    """Read the third word of a status, which a report has apart (minute/report.py)."""
    if said.get("degraded") is True and said.get("health_status") == "Unhealthy":
        return {**said, "health_status": "Degraded"}
    return said


def unhealthy(problem: str) -> dict[str, Any]:
    """The fields that say that a site is unhealthy, and why."""
    return {"healthy": False, "health_status": "Unhealthy", "health": problem, "health_reasons": [problem]}


def judged(word: str, problem: str, *, now_ms: int) -> dict[str, Any]:
    """A status of which nothing is known but this."""
    return {
        **unhealthy(problem),
        "health_status": word,
        "container_repositories_replication_enabled": None,
        "updated_at": moment(now_ms),
    }


def counted_catalogue(reports: Iterable[SiteReport]) -> CountedCatalogue | None:
    """The primary's repositories as the latest comparison of a site saw them; None: no site told of one."""
    told = [json.loads(report.status) for report in reports]
    counted = [
        CountedCatalogue(repositories=number, at=parsed_moment(at))
        for said in told
        if isinstance(number := said.get("primary_repositories_count"), int)
        and isinstance(at := said.get("primary_repositories_counted_at"), str)
        and 0 <= number < 2**53
        and 0 <= parsed_moment(at) <= LAST_MOMENT_MS
    ]
    return max(counted, key=lambda one: one.at, default=None)
