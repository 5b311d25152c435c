"""`geosync costs`: what a month of the site costs at AWS, with the site's own counts of the last 30 days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from operator import itemgetter
from typing import Any

import click

from geosync.cli.output import CANNOT_TELL, NOTHING_OWED, Answer, Column, Format, Grid, Part, output_option, put
from geosync.cli.site import Chosen, StackSite
from geosync.clock import DAY_MS
from geosync.operating import costs as reckoning
from geosync.operating import prices
from geosync.operating.costs import DAYS, MINUTES, Cost, SiteMonth, lines, total_usd
from geosync.sync_registry.site.history import Record, bins_of

MONTH_MS = DAYS * DAY_MS


@click.command(short_help="Reckon what a month of the site costs at AWS.")
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
    """Reckon what a month of the site costs at AWS.

    A secondary's pushes and bytes are those that its history has of the last 30 days, and its repositories those of
    now. A primary's pushes are the events in its log, at most those of 30 days. Both tables are as large as DynamoDB
    says, every six hours. The rest is list prices and the assumptions of docs/costs.md. No bill is read, and the
    registries are not in it.

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
    tables = {name: site.client("dynamodb").describe_table(TableName=site.outputs[name])["Table"] for name in TABLES}
    kept = [_bytes(one) for one in tables.values()]
    table_bytes = sum(one for one in kept if one is not None) if None not in kept else None
    if site.is_primary:
        days = int(site.parameters.get("EventRetentionDays", DAYS))
        events = tables["EventsTable"].get("ItemCount")
        pushes = round(events * min(DAYS / days, 1)) if events is not None else None
        return SiteMonth(role=site.role, pushes=pushes, table_bytes=table_bytes), None
    now_ms = site.clock.now_ms()
    recorded = Record.merged(
        site.sync_registry.history.hours(now_ms - MONTH_MS, now_ms + 1), at=now_ms - MONTH_MS, seconds=MONTH_MS // 1000
    )
    minutes = recorded.counts.get("minutes", 0)
    rows = site.sync_registry.counters.read()
    month = SiteMonth(
        role=site.role,
        pushes=sum(bins_of(recorded.counts).values()) if minutes else None,
        copied_bytes=recorded.counts.get("bytes", 0) if minutes else None,
        repositories=rows.rows if rows is not None else None,
        tags=rows.rows * tags if rows is not None else None,
        table_bytes=table_bytes,
    )
    return month, minutes


TABLES = ("SyncRegistryTable", "EventsTable")


def _bytes(described: dict[str, Any]) -> int | None:
    """The size of a table with its indexes, as DynamoDB says; None where it does not say."""
    indexes = [*described.get("GlobalSecondaryIndexes", []), *described.get("LocalSecondaryIndexes", [])]
    sizes = [described.get("TableSizeBytes"), *(one.get("IndexSizeBytes") for one in indexes)]
    return sum(size for size in sizes if size is not None) if None not in sizes else None


def _shown(month: SiteMonth, minutes: int | None, parts: list[Cost], total: float | None) -> list[Part]:
    rows = [*((part.what, _usd(part.usd)) for part in parts), ("in all", _usd(total))]
    counted = f"pushes {_number(month.pushes)}"
    if minutes is not None:
        copied = month.copied_bytes / reckoning.GB if month.copied_bytes is not None else None
        counted += f", GB copied {_number(copied)}, repositories {_number(month.repositories)}"
        counted += f"; {minutes:,} of {MINUTES:,} minutes were recorded, and nothing is known of the others"
    columns = (Column("a month", itemgetter(0)), Column("USD", itemgetter(1)))
    return [Grid(columns, rows), f"Counted in {DAYS} days: {counted}. List prices of {prices.LISTED}."]


def _usd(usd: float | None) -> str:
    return "not known" if usd is None else f"{usd:,.2f}"


def _number(number: float | None) -> str:
    if number is None:
        return "not known"
    return f"{number:,.1f}" if isinstance(number, float) else f"{number:,}"
