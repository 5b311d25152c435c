"""`geosync repositories`: the rows of a site; at a primary what each of its sites has of each repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from geosync.cli.arguments import repository_names
from geosync.cli.former import with_former
from geosync.cli.output import (
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Column,
    Format,
    Grid,
    Part,
    age,
    output_option,
    plain,
    put,
    size_text,
)
from geosync.cli.repositories_at_sites import show_at_sites
from geosync.cli.site import Chosen, StackSite
from geosync.operating import repositories as found_repositories
from geosync.operating.documents import STATES, VERIFICATION_STATES, repository_fields
from geosync.operating.repositories import RowFilter
from geosync.sync_registry.items import FAILED, Row

_INTERNAL = frozenset(
    {
        *("revision", "lease_token", "lease_expires", "suspect_until", "working_on", "deaths"),
        *("state_counted", "verification_counted", "measured"),
    }
)
"""Fields that the protocol keeps in a row beside the console's."""
PAGE = 100


@click.command(short_help="List the container repositories and their states.")
@click.argument("prefix", default="", shell_complete=repository_names)
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--verification-state", type=click.Choice(VERIFICATION_STATES), help="Only those in this one.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Rows shown.")
@output_option
@click.pass_obj
def repositories(
    choose: Callable[[], Chosen],
    *,
    prefix: str,
    state: str | None,
    verification_state: str | None,
    limit: int,
    output: Format,
) -> None:
    """List the container repositories whose names begin with PREFIX. Exit code 1 if one of those shown has failed.

    At the primary: what each of its sites has of them, as the sites reported it.
    """
    wanted = RowFilter(
        prefix=prefix,
        state=str(STATES.index(state)) if state else None,
        verification_state=str(VERIFICATION_STATES.index(verification_state)) if verification_state else None,
    )
    site = choose().site()
    if site.is_primary:
        if not wanted.is_anything:
            raise click.UsageError("--state and --verification-state are for a secondary: its rows have one state each")
        show_at_sites(site, prefix=prefix, limit=limit, output=output)
        return
    rows, more = _read(site, wanted, limit)
    documents = [row_document(row) for row in rows]
    shown: list[Part] = [
        Grid(_columns(site.clock.now_ms()), rows),
        *([plain("… and more (--limit)", "dim")] if more else []),
    ]
    put(Answer(document={"repositories": documents, "more": more}, rows=documents, shown=shown), output)
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


def console_fields(row: Row) -> dict[str, Any]:
    """The fields of a row that GitLab's console has, as they are stored."""
    return {name: value for name, value in asdict(row).items() if name not in _INTERNAL}


def row_document(row: Row) -> dict[str, Any]:
    """A row for programs."""
    return with_former(repository_fields(row), console_fields(row))


def _columns(now_ms: int) -> tuple[Column, ...]:
    def failure(row: Row) -> object:
        return plain(row.last_sync_failure or row.verification_failure or "", "red")

    return (
        Column("id", lambda row: row.id if row.id is not None else ""),
        Column("repository", lambda row: row.repository),
        Column("state", lambda row: STATES[int(row.state)]),
        Column("verification", lambda row: VERIFICATION_STATES[int(row.verification_state)]),
        Column("synced", lambda row: ago(row.last_synced_at, now_ms)),
        Column("verified", lambda row: ago(row.verified_at, now_ms), wide=True),
        Column("attempts", lambda row: row.retry_count, wide=True),
        Column("tags", lambda row: row.measured.tags if row.measured is not None else "not known", wide=True),
        Column("size", lambda row: size_text(row.measured.size_bytes if row.measured is not None else None), wide=True),
        Column("checksum", lambda row: row.verification_checksum or "", wide=True),
        Column("failure", failure),
    )


def ago(since: int | None, now_ms: int) -> str:
    """Write how long ago something was (ms), or that it never was."""
    return f"{age(since, now_ms)} ago" if since is not None else "never"
