"""The routes of a site's history and service level: `geo_sites/:id/history`, `geo_sites/:id/service_level`."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from geosync.admin.common import Id
from geosync.admin.http import HttpRefusal
from geosync.admin.resources.service_level import History, HistoryRow, ReportedServiceLevel
from geosync.admin.resources.sites import SITES
from geosync.admin.site import AdminSite
from geosync.clock import DAY_MS, moment, parsed_moment
from geosync.operating.history import history, why_not
from geosync.operating.service_level import service_level
from geosync.sync_registry.site.history import Record
from geosync.sync_registry.site.sites import site_id

Moment = Annotated[str | None, Query(max_length=40, description="RFC 3339, in UTC.")]
Step = Annotated[int, Query(ge=60, le=31 * 86_400, description="Seconds: whole minutes, or whole hours.")]
MonthName = Annotated[str | None, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="As 2026-11, in UTC.")]


class HistoryRoutes:
    """Answers with what this site recorded of itself."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def show_history(self, number: Id, since: Moment = None, until: Moment = None, step: Step = 300) -> History:
        """Show what was recorded from `since` (a day before `until`) to `until` (now), in steps of `step` seconds."""
        self._must_be_this(number)
        until_ms = _moment("until", until) or self._site.clock.now_ms()
        since_ms = _moment("since", since) or max(until_ms - DAY_MS, 0)
        if (why := why_not(since_ms, until_ms, step)) is not None:
            raise HttpRefusal(400, why)
        rows = history(self._site.sync_registry, since_ms, until_ms, step)
        return History(
            since=moment(since_ms), until=moment(until_ms), step_seconds=step, rows=[_row(record) for record in rows]
        )

    def show_service_level(self, number: Id, month: MonthName = None) -> ReportedServiceLevel:
        """The service level of a month (the current one)."""
        self._must_be_this(number)
        site, settings = self._site, self._site.settings
        level = service_level(
            site.sync_registry,
            settings.facts.objective,
            month=month,
            primary=settings.primary_topic_arn,
            clock=site.clock,
        )
        return ReportedServiceLevel.model_validate(level.fields())

    def _must_be_this(self, number: int) -> None:
        site = self._site
        if number != site_id(site.name):
            text = f"{site.name} keeps only its own history, as {SITES}/{site_id(site.name)}: ask that site's API"
            raise HttpRefusal(404, text)
        if site.is_primary:
            raise HttpRefusal(409, f"{site.name} is the primary: a history is kept of what arrives at a secondary")


def _moment(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    found = parsed_moment(text)
    if found <= 0:
        raise HttpRefusal(400, f"{name}: must be a moment, as 2026-11-29T12:00:00Z")
    return found


def _row(record: Record) -> HistoryRow:
    counts, most, lags = record.counts, record.most, record.lags
    return HistoryRow(
        at=moment(record.at),
        minutes=counts.get("minutes", 0),
        pushes_count=lags.measured,
        late_count=counts.get("late", 0),
        lost_count=counts.get("lost", 0),
        lag_median_seconds=lags.median_ms / 1000 if lags.median_ms is not None else None,
        lag_p99_seconds=lags.p99_ms / 1000 if lags.p99_ms is not None else None,
        synced_count=counts.get("synced", 0),
        bytes=counts.get("bytes", 0),
        requests=counts.get("requests", 0),
        recovery_point_age_seconds=most.get("recovery_point_age_s"),
        recovery_point_unknown_minutes=counts.get("unknown_minutes", 0),
        owed_references_count=most.get("owed"),
        failed_references_count=most.get("failed"),
        parked_references_count=most.get("parked"),
        overdue_count=most.get("overdue"),
        is_at_least=counts.get("at_least_minutes", 0) > 0,
        container_repositories_failed_count=most.get("failed_repositories"),
        container_repositories_verification_failed_count=most.get("verification_failed"),
    )
