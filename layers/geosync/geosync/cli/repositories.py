"""`geosync repositories` and `show`: the rows of a site, and one row with its tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console

from geosync.cli.arguments import check_repository
from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, console, moment, plain, table
from geosync.cli.repositories_at_sites import show_at_sites
from geosync.cli.site import Chosen, StackSite
from geosync.cli.states import STATE_NAMES, STATES, VERIFICATION_NAMES, VERIFICATION_STATES
from geosync.operating import repositories as found_repositories
from geosync.operating.repositories import RowDetail, RowFilter, TagState
from geosync.sync_registry.items import FAILED, Row

_INTERNAL = frozenset(
    {
        *("revision", "lease_token", "lease_expires", "suspect_until", "working_on", "deaths"),
        *("state_counted", "verification_counted"),
    }
)
"""Fields that the protocol keeps in a row beside the console's."""
_TIMES = frozenset({"retry_at", "last_synced_at", "created_at", "verified_at", "verification_retry_at"})
PAGE = 100
MOST_TAGS = 1000


@click.command(short_help="List the container repositories, and how each is.")
@click.argument("prefix", default="")
@click.option("--state", type=click.Choice(list(STATES)), help="Only those in this state.")
@click.option("--verification-state", type=click.Choice(list(VERIFICATION_STATES)), help="Only those in this one.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Rows shown.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_obj
def repositories(
    choose: Callable[[], Chosen],
    *,
    prefix: str,
    state: str | None,
    verification_state: str | None,
    limit: int,
    as_document: bool,
) -> None:
    """List the container repositories whose names begin with PREFIX. Exit code 1 if one of those shown has failed.

    At the primary: what each of its sites has of them, as the sites reported it.
    """
    wanted = RowFilter(
        prefix=prefix,
        state=STATES[state] if state else None,
        verification_state=VERIFICATION_STATES[verification_state] if verification_state else None,
    )
    site = choose().site()
    if site.is_primary:
        if not wanted.is_anything:
            raise click.UsageError("--state and --verification-state are for a secondary: its rows have one state each")
        show_at_sites(site, prefix=prefix, limit=limit, as_document=as_document)
        return
    rows, more = _read(site, wanted, limit)
    if as_document:
        as_json({"repositories": [_console_fields(row) for row in rows], "more": more})
    else:
        _print_rows(rows, site.clock.now_ms(), more=more)
    raise SystemExit(SOMETHING_WRONG if any(row.state == FAILED for row in rows) else NOTHING_OWED)


def _read(site: StackSite, wanted: RowFilter, limit: int) -> tuple[list[Row], bool]:
    """Read page after page until there are enough rows; True: there are more. Says which rows cannot be read."""
    sync_registry = site.sync_registry
    rows: list[Row] = []
    after: str | None = ""
    while after is not None and len(rows) < limit:
        page = found_repositories.page(sync_registry, wanted, limit=min(PAGE, limit - len(rows)), after=after)
        rows += page.rows
        after = page.cursor
        for corrupt in page.corrupt:
            click.echo(str(corrupt), err=True)
    return rows, after is not None


def _print_rows(rows: list[Row], now_ms: int, *, more: bool) -> None:
    columns = ("id", "repository", "state", "verification", "synced", "failure")
    console().print(table(columns, (_row(row, now_ms) for row in rows)))
    if more:
        console().print(plain("… and more (--limit)", "dim"))


@click.command(short_help="Print one repository's row, its tags, and what is owed.")
@click.argument("repository")
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_obj
def show(choose: Callable[[], Chosen], repository: str, as_document: bool) -> None:
    """Print REPOSITORY's row as GitLab's console does, its tags on both sides, and what is owed.

    Exit code 0 if nothing is owed in it, 1 if something is, or if there is no such row.
    """
    check_repository(repository)
    site = choose().site()
    site.must_be_secondary("show")
    detail = found_repositories.detail(site.sync_registry, repository, clock=site.clock)
    if detail is None:
        click.echo(f"{site.name} has no row for {repository}: no event named it, and no comparison found it", err=True)
        raise SystemExit(SOMETHING_WRONG)
    tags, more = found_repositories.tags(site.sync_registry, repository, limit=MOST_TAGS)
    if as_document:
        as_json(_document(detail, tags, more=more is not None))
    else:
        _print(detail, tags, more=more is not None)
    raise SystemExit(SOMETHING_WRONG if detail.owed else NOTHING_OWED)


def _document(detail: RowDetail, tags: tuple[TagState, ...], *, more: bool) -> dict[str, Any]:
    """The repository for programs."""
    return {
        **_console_fields(detail.row),
        "tags": [
            {"name": tag.name, "primary_digest": tag.primary_digest, "secondary_digest": tag.secondary_digest}
            for tag in tags
        ],
        "more_tags": more,
        "owed": [
            {"reference": str(owed.reference), "attempts": owed.attempts, "failure": owed.failure}
            | {"owed_since": owed.owed_since, "due": owed.due, "parked": owed.parked}
            for owed in detail.owed
        ],
    }


def _console_fields(row: Row) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name not in _INTERNAL}


def _row(row: Row, now_ms: int) -> tuple[object, ...]:
    failure = row.last_sync_failure or row.verification_failure or ""
    return (
        row.id if row.id is not None else "",
        row.repository,
        STATE_NAMES[row.state],
        VERIFICATION_NAMES[row.verification_state],
        f"{age(row.last_synced_at, now_ms)} ago" if row.last_synced_at is not None else "never",
        plain(failure, "red"),
    )


def _print(detail: RowDetail, tags: tuple[TagState, ...], *, more: bool) -> None:
    out = console()
    _print_row(out, detail.row)
    if tags:
        out.print()
        rows = ((tag.name, tag.primary_digest or "?", tag.secondary_digest or "not seen here") for tag in tags)
        out.print(table(("tag", "primary", "this site"), rows))
        if more:
            out.print(plain("… and more tags", "dim"))
    if detail.owed:
        out.print()
        owed = (
            (str(one.reference), age(one.owed_since, detail.at), one.attempts, plain(one.failure or "", "red"))
            for one in detail.owed
        )
        out.print(table(("owed", "for", "attempts", "failure"), owed))


def _print_row(out: Console, row: Row) -> None:
    """Print a row as GitLab's console does."""
    out.print(plain(f"#<Geo::ContainerRepositoryRegistry {row.repository}", "bold"))
    names = [one.name for one in fields(row) if one.name not in _INTERNAL | {"repository"}]
    for name in names:
        out.print(plain(f"  {name}: {_ruby(name, getattr(row, name))}{'' if name == names[-1] else ','}"))
    out.print(plain(f"> {STATE_NAMES[row.state]}, verification {VERIFICATION_NAMES[row.verification_state]}"))


def _ruby(name: str, value: object) -> str:
    """A field as GitLab's console writes it."""
    if value is None:
        return "nil"
    if name in _TIMES and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%a, %d %b %Y %H:%M:%S.%f000 UTC +00:00")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return moment(value) if name.endswith("_at") else str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
