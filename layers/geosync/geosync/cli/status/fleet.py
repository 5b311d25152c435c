"""`geosync sites status`: a primary and every site that it expects, one in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, Answer, Column, Format, Grid, age, plain, put
from geosync.cli.site import StackSite
from geosync.cli.status.lines import HEALTH_STYLES
from geosync.cli.status.look import Fleet, look_at
from geosync.clock import parsed_moment
from geosync.operating.fleet import reported_fields
from geosync.sync_registry.site.sites import site_id

UNKNOWN = "?"
"""What is shown where nothing is known."""


def show_fleet(site: StackSite, output: Format) -> None:
    """Print the sites, and raise SystemExit: 1 unless all are healthy."""
    seen = look_at(site)
    assert seen.fleet is not None, "it is a primary"  # noqa: S101
    now_ms = seen.found.at
    own = {**seen.report(), "name": site.name, "url": site.outputs["AdminUrl"], "reported_at": None}
    rows = [{"id": site_id(site.name), **own}, *_reported(seen.fleet, now_ms)]
    put(Answer(document=rows, rows=rows, shown=[Grid(_columns(now_ms), rows)]), output)
    raise SystemExit(NOTHING_OWED if all(row.get("healthy") is True for row in rows) else SOMETHING_WRONG)


def _reported(fleet: Fleet, now_ms: int) -> list[dict[str, Any]]:
    return [
        {"id": known.id, **reported_fields(report, now_ms=now_ms), "name": known.name, "url": known.url}
        for known, report in fleet.sites
    ]


def _columns(now_ms: int) -> tuple[Column, ...]:
    def point(row: Mapping[str, Any]) -> str:
        at = row.get("recovery_point_at")
        if isinstance(at, str):
            return age(parsed_moment(at), now_ms)
        return "" if row.get("primary") else UNKNOWN

    return (
        Column("site", lambda row: row["name"]),
        Column("role", lambda row: "primary" if row.get("primary") else "secondary"),
        Column("health", _health),
        Column("recovery point", point),
        Column("synced", lambda row: _number(row, "container_repositories_synced_count")),
        Column("failed", lambda row: _number(row, "container_repositories_failed_count", alarming=True)),
        Column("owed", lambda row: _number(row, "owed_references_count")),
        Column("dlq", lambda row: _number(row, "dead_letters_count", alarming=True)),
        Column("lag p50/p99", _lag),
        Column("version", lambda row: row.get("version") or UNKNOWN, wide=True),
        Column("revision", lambda row: row.get("revision") or UNKNOWN, wide=True),
        Column("reported", lambda row: _reported_at(row, now_ms), wide=True),
        Column("dashboard", lambda row: row.get("url") or UNKNOWN, wide=True),
    )


def _health(row: Mapping[str, Any]) -> object:
    word, reasons = str(row.get("health_status", "Unknown")), row.get("health_reasons") or []
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    text = f"{word}: {reasons[0]}{more}" if reasons else word
    return plain(text, HEALTH_STYLES.get(word, ""))


def _number(row: Mapping[str, Any], name: str, *, alarming: bool = False) -> object:
    """A count; empty at a primary, which has none of its own, and a question mark where it is not known."""
    value = row.get(name)
    if isinstance(value, int):
        return plain(value, "red" if alarming and value else "")
    return "" if row.get("primary") else UNKNOWN


def _lag(row: Mapping[str, Any]) -> str:
    half, most = row.get("lag_median_seconds"), row.get("lag_p99_seconds")
    if isinstance(half, int | float) and isinstance(most, int | float):
        return f"{half:.1f}/{most:.1f} s"
    return "" if row.get("primary") else UNKNOWN


def _reported_at(row: Mapping[str, Any], now_ms: int) -> str:
    at = row.get("reported_at")
    if isinstance(at, str):
        return f"{age(parsed_moment(at), now_ms)} ago"
    return "" if row.get("primary") else "never"
