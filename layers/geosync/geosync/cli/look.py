"""`geosync repositories`, `show` and `events`: the rows, one row with its tags, the primary's event log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, get_args

import click

from geosync.cli.arguments import check_repository
from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, console, moment, plain, table
from geosync.cli.site import Chosen
from geosync.messages.event_log import AUDIT, HOUR_MS, HOURS, Before, EventLog
from geosync.messages.event_log import Filter as EventFilter
from geosync.messages.geo_event import EventName
from geosync.operating import repositories as found_repositories
from geosync.operating.repositories import Detail, Filter, Tag
from geosync.sync_registry.items import FAILED, Row
from geosync.sync_registry.registry import wall_clock

STATES = {"pending": "0", "started": "1", "synced": "2", "failed": "3"}
VERIFICATION_STATES = {"pending": "0", "started": "1", "succeeded": "2", "failed": "3", "disabled": "4"}
_STATE_NAMES = {number: name for name, number in STATES.items()}
_VERIFICATION_NAMES = {number: name for name, number in VERIFICATION_STATES.items()}
_INTERNAL = frozenset({"revision", "lease_token", "lease_expires", "suspect_until", "verification_counted"})
"""What the protocol keeps in a row beside the console's fields."""
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
    """List the container repositories whose names begin with PREFIX. Exit code 1 if one of those shown has failed."""
    wanted = Filter(
        prefix=prefix,
        state=STATES[state] if state else None,
        verification_state=VERIFICATION_STATES[verification_state] if verification_state else None,
    )
    site = choose().site()
    site.must_be_secondary("repositories")
    rows: list[Row] = []
    after: str | None = ""
    while after is not None and len(rows) < limit:
        page = found_repositories.page(site.store, wanted, limit=min(PAGE, limit - len(rows)), after=after)
        rows += page.rows
        after = page.cursor
        for corrupt in page.corrupt:
            click.echo(str(corrupt), err=True)
    if as_document:
        as_json({"repositories": [_console_fields(row) for row in rows], "more": after is not None})
    else:
        now = wall_clock()
        columns = ("id", "repository", "state", "verification", "synced", "failure")
        console().print(table(columns, (_row(row, now) for row in rows)))
        if after is not None:
            console().print(plain("… and more (--limit)", "dim"))
    raise SystemExit(SOMETHING_WRONG if any(row.state == FAILED for row in rows) else NOTHING_OWED)


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
    detail = found_repositories.detail(site.store, repository)
    if detail is None:
        click.echo(f"{site.name} has no row for {repository}: no event named it, and no comparison found it", err=True)
        raise SystemExit(SOMETHING_WRONG)
    tags, more = found_repositories.tags(site.store, repository, limit=MOST_TAGS)
    if as_document:
        as_json(
            {
                **_console_fields(detail.row),
                "tags": [
                    {"name": tag.name, "primary_digest": tag.primary_digest, "secondary_digest": tag.secondary_digest}
                    for tag in tags
                ],
                "more_tags": more is not None,
                "owed": [
                    {"reference": str(owed.reference), "attempts": owed.attempts, "failure": owed.failure}
                    | {"owed_since": owed.owed_since, "due": owed.due, "parked": owed.parked}
                    for owed in detail.owed
                ],
            }
        )
    else:
        _print(detail, tags, more=more is not None)
    raise SystemExit(SOMETHING_WRONG if detail.owed else NOTHING_OWED)


@click.command(short_help="Show the newest entries of the site's event log.")
@click.option("--repository", metavar="NAME", help="Only the events of this container repository.")
@click.option("--event-name", type=click.Choice(get_args(EventName)), help="Only these events.")
@click.option(
    "--hours",
    type=click.IntRange(1),
    help=f"Hours to go back: all that are kept, with --repository or --event-name {HOURS}.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Entries shown.")
@click.option("--audit", is_flag=True, help="What operators did at the admin API, instead.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_obj
def events(
    choose: Callable[[], Chosen],
    *,
    repository: str | None,
    event_name: str | None,
    hours: int | None,
    limit: int,
    audit: bool,
    as_document: bool,
) -> None:
    """Show the newest entries of the site's event log: what its registry announced, and what became of it."""
    if repository is not None:
        check_repository(repository, "--repository")
    wanted = EventFilter(repository=repository or "", event_name=event_name or "")
    if audit and not wanted.is_anything:
        raise click.UsageError("--repository and --event-name are of events, not of --audit")
    site = choose().site()
    log = EventLog(
        site.client("dynamodb"),
        site.outputs["EventsTable"],
        retention_days=int(site.parameters.get("EventRetentionDays", "30")),
    )
    now = wall_clock()
    if hours is None and not wanted.is_anything:
        hours = HOURS  # who filters reads everything: on a busy site a month of it takes minutes
    oldest = now - hours * HOUR_MS if hours is not None else 0
    entries: list[dict[str, Any]] = []
    before: Before | None = Before(received_at=now)
    while before is not None and before.received_at >= oldest and len(entries) < limit:
        page = log.page(now=now, limit=limit - len(entries), before=before, kind=AUDIT if audit else "", wanted=wanted)
        entries += (dict(entry) for entry in page.entries if entry["received_at"] >= oldest)
        before = page.following
    if before is not None and len(entries) < limit:
        click.echo(f"Went back {hours} h; there may be older ones (--hours).", err=True)
    if as_document:
        as_json(entries)
    elif entries:
        shown = ("action", "who", "outcome", "detail") if audit else ("event_name", "repository", "tag", "outcome")
        rows = (
            (age(int(entry["received_at"]), now), *(entry.get(name) or "" for name in shown), entry["id"])
            for entry in entries
        )
        console().print(table(("ago", *shown, "id"), rows))
    else:
        whose = f" of {plain(repository)}" if repository else ""
        what = "nothing" if wanted.is_anything else f"no {event_name + ' ' if event_name else ''}event{whose}"
        back = f" in the last {hours} h" if before is not None else ""
        click.echo(f"The event log of {site.name} has {what}{back}.")
        if not audit and not site.is_primary:
            click.echo(f"{site.name} is a secondary: the log of its primary has the events.", err=True)


def _console_fields(row: Row) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name not in _INTERNAL}


def _row(row: Row, now: int) -> tuple[object, ...]:
    failure = row.last_sync_failure or row.verification_failure or ""
    return (
        row.id if row.id is not None else "",
        row.repository,
        _STATE_NAMES[row.state],
        _VERIFICATION_NAMES[row.verification_state],
        f"{age(row.last_synced_at, now)} ago" if row.last_synced_at is not None else "never",
        plain(failure, "red"),
    )


def _print(detail: Detail, tags: tuple[Tag, ...], *, more: bool) -> None:
    out = console()
    row = detail.row
    out.print(plain(f"#<Geo::ContainerRepositoryRegistry {row.repository}", "bold"))
    names = [one.name for one in fields(row) if one.name not in _INTERNAL | {"repository"}]
    for name in names:
        out.print(plain(f"  {name}: {_ruby(name, getattr(row, name))}{'' if name == names[-1] else ','}"))
    out.print(plain(f"> {_STATE_NAMES[row.state]}, verification {_VERIFICATION_NAMES[row.verification_state]}"))
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
