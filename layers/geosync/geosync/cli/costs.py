"""`geosync costs`: what a month of the site costs at AWS, with the site's own counts of the last 30 days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from operator import itemgetter
from typing import Any

import click

from geosync.cli.output import CANNOT_TELL, NOTHING_OWED, Answer, Column, Format, Grid, Part, output_option, put
from geosync.cli.site import Chosen, StackSite
from geosync.clock import DAY_MS
from geosync.operating import prices
from geosync.operating.costs import DAYS, GB, MINUTES, Cost, Settings, SiteMonth, lines, total_usd
from geosync.sync_registry.site.history import Record, bins_of

MONTH_MS = DAYS * DAY_MS
LOCAL, GLOBAL = "LocalSecondaryIndexes", "GlobalSecondaryIndexes"


@click.command(short_help="Estimate what a month of the site costs at AWS.")
@click.option(
    "--tags",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Tags of a repository, on average: the site does not count them. For a secondary.",
)
@output_option
@click.pass_obj
def costs(choose: Callable[[], Chosen], *, tags: int, output: Format) -> None:
    """Estimate what a month of the site costs at AWS.

    A secondary's pushes and bytes are those that its history has of the last 30 days, and its repositories those of
    now. A primary's pushes are those of 30 days at the pace of the events in its log. DynamoDB updates the number of
    these events, and the size of both tables, every six hours. Architecture, SyncMemory, ComparisonSeconds and
    VerificationSeconds are the stack's. The rest is list prices and the assumptions of docs/costs.md. No bill is read,
    and the registries are not in it.

    Exit code 0: all of it could be reckoned. 2: a part is not known.
    """
    site = choose().site()
    month, minutes = _counted(site, tags)
    parts = lines(month)
    total = total_usd(parts)
    rows = [{"name": part.what, **asdict(part)} for part in parts]
    said: dict[str, Any] = {"site": site.name, **asdict(month), "minutes_recorded": minutes}
    document = said | {"parts": [asdict(part) for part in parts], "usd": total, "prices_of": prices.LISTED}
    put(Answer(document=document, rows=rows, shown=_shown(month, minutes, parts, total)), output)
    raise SystemExit(NOTHING_OWED if total is not None else CANNOT_TELL)


def _counted(site: StackSite, tags: int) -> tuple[SiteMonth, int | None]:
    """The month of the site, and the minutes that its history has of it (None: a primary keeps none)."""
    described = site.client("dynamodb").describe_table
    sync_registry, events = (
        described(TableName=site.outputs[name])["Table"] for name in ("SyncRegistryTable", "EventsTable")
    )
    kept = SiteMonth(
        role=site.role,
        settings=_settings(site),
        table_bytes=_bytes([sync_registry, events], LOCAL, GLOBAL),
        recovery_bytes=_bytes([sync_registry, events], LOCAL),
    )
    if site.is_primary:
        return replace(kept, pushes=_pushes(site, events)), None
    now_ms = site.clock.now_ms()
    recorded = Record.merged(
        site.sync_registry.history.hours(now_ms - MONTH_MS, now_ms + 1), at=now_ms - MONTH_MS, seconds=MONTH_MS // 1000
    )
    minutes = recorded.counts.get("minutes", 0)
    rows = site.sync_registry.counters.read()
    month = replace(
        kept,
        pushes=sum(bins_of(recorded.counts).values()) if minutes else None,
        copied_bytes=recorded.counts.get("bytes", 0) if minutes else None,
        repositories=rows.rows if rows is not None else None,
        tags=rows.rows * tags if rows is not None else None,
    )
    return month, minutes


def _settings(site: StackSite) -> Settings:
    """The parameters of the stack; the template's default where one is missing."""
    given, default = site.parameters, Settings()
    return Settings(
        architecture=given.get("Architecture", default.architecture),
        sync_gb=round(int(given["SyncMemory"]) / 1024, 2) if "SyncMemory" in given else default.sync_gb,
        comparison_s=int(given.get("ComparisonSeconds", default.comparison_s)),
        verification_s=int(given.get("VerificationSeconds", default.verification_s)),
    )


def _pushes(site: StackSite, events: dict[str, Any]) -> int | None:
    """The pushes of 30 days at the pace of those in a primary's event log; `events` is its table.

    None where the log is younger than a day, or reaches back beyond a promotion of the site.
    """
    kept_ms = site.event_retention_days * DAY_MS
    now_ms, created = site.clock.now_ms(), events["CreationDateTime"].timestamp()
    since_ms = max(round(1000 * float(created)), now_ms - kept_ms)
    promotion = site.sync_registry.promotions.latest()
    was_promoted = promotion is not None and (promotion.ended_at or promotion.began_at) > since_ms
    if "ItemCount" not in events or was_promoted or now_ms - since_ms < DAY_MS:
        return None
    return round(int(events["ItemCount"]) * MONTH_MS / (now_ms - since_ms))


def _bytes(tables: list[dict[str, Any]], *indexes: str) -> int | None:
    """The size of tables with their indexes of these kinds, as DynamoDB says; None where it does not say."""
    sizes = [one.get("TableSizeBytes") for one in tables]
    sizes += [index.get("IndexSizeBytes") for one in tables for kind in indexes for index in one.get(kind, [])]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _shown(month: SiteMonth, minutes: int | None, parts: list[Cost], total: float | None) -> list[Part]:
    rows = [*((part.what, _usd(part.usd)) for part in parts), ("in all", _usd(total))]
    counted = f"pushes {_number(month.pushes)}"
    if minutes is None:
        found = f"At the pace of the event log, in {DAYS} days"
    else:
        found = f"Counted in {DAYS} days"
        copied = month.copied_bytes / GB if month.copied_bytes is not None else None
        counted += f", GB copied {_number(copied)}, repositories {_number(month.repositories)}"
        counted += f"; {minutes:,} of {MINUTES:,} minutes were recorded, and nothing is known of the others"
    columns = (Column("a month", itemgetter(0)), Column("USD", itemgetter(1)))
    return [Grid(columns, rows), f"{found}: {counted}. List prices of {prices.LISTED}."]


def _usd(usd: float | None) -> str:
    return "not known" if usd is None else f"{usd:,.2f}"


def _number(number: float | None) -> str:
    if number is None:
        return "not known"
    return f"{number:,.1f}" if isinstance(number, float) else f"{number:,}"
