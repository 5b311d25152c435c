"""The drills of a site as entries of its event log, for `geosync events --drills`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Any

from geosync.cli.output import Answer, Column, Grid, age, plain
from geosync.cli.site import StackSite
from geosync.clock import moment
from geosync.drilling.kept import DrillReports
from geosync.drilling.report import Document
from geosync.operating.drill_schedule import last_drill_fields
from geosync.sync_registry.site.drills import LastDrill


def reports_of(site: StackSite) -> DrillReports:
    """The reports of a site's drills."""
    return DrillReports(site.client("dynamodb"), site.outputs["EventsTable"])


def drill_entries(site: StackSite, *, limit: int, oldest_ms: int) -> Answer:
    """Answer with a site's drills, the newest first; none that ended before `oldest_ms` (ms), and at most `limit`.

    Raises botocore's errors.
    """
    found = takewhile(lambda one: one["ended_at_ms"] >= oldest_ms, _entries(site))
    entries = list(islice(found, limit))
    now_ms = site.clock.now_ms()
    if entries:
        return Answer(document=entries, rows=entries, shown=[Grid(_columns(now_ms), entries)], key="id")
    back = f" since {moment(oldest_ms)}" if oldest_ms else ""
    return Answer(document=[], rows=[], shown=[f"{plain(site.name)} has had no drill{back} (geosync drill)."], key="id")


def _entries(site: StackSite) -> Iterator[dict[str, Any]]:
    last = site.sync_registry.drills.last()
    if last is None:
        return
    reports = reports_of(site)
    following = reports.back_from(last.id)
    newest = next(following, None)
    # Its report may not be kept: the verdict is.
    yield _of_report(newest) if newest is not None else _of_last(last)
    if last.report_id is not None and last.report_id != last.id:
        following = reports.back_from(last.report_id)
    yield from map(_of_report, following)


def _of_last(last: LastDrill) -> dict[str, Any]:
    return {**(last_drill_fields(last) or {}), "ended_at_ms": last.at, "who": None, "report": None}


def _of_report(report: Document) -> dict[str, Any]:
    """A drill by its report, in the words of the status, and the report itself."""
    return {
        "id": report["id"],
        "verdict": report["verdict"],
        "ended_at": moment(report["ended_at"]),
        "ended_at_ms": report["ended_at"],
        "why": "; ".join((*report["failed"], *report["not_known"])),
        "recovery_point_age_seconds": report["listed"]["recovery_point_age_s"],
        "recovery_time_seconds": report["recovery_time"]["estimated_s"],
        "who": report["who"],
        "report": report,
    }


def _columns(now_ms: int) -> tuple[Column, ...]:
    return (
        Column("ago", lambda one: age(one["ended_at_ms"], now_ms)),
        Column("verdict", lambda one: one["verdict"]),
        Column("recovery point", lambda one: _duration(one["recovery_point_age_seconds"])),
        Column("recovery time", lambda one: _duration(one["recovery_time_seconds"])),
        Column("why", lambda one: one["why"]),
        Column("who", lambda one: one["who"] or "", wide=True),
        Column("id", lambda one: one["id"]),
    )


def _duration(seconds: float | None) -> str:
    return age(0, round(seconds * 1000)) if seconds is not None else "not known"
