"""`geosync events`: the newest entries of a site's event log, or of its audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import click

from geosync.cli.arguments import check_repository
from geosync.cli.output import age, as_json, console, plain, table
from geosync.cli.site import Chosen, StackSite
from geosync.messages.event_log import AUDIT, HOUR_MS, HOURS, Before, EventLog, Filter
from geosync.messages.geo_event import EventName


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The entries that were asked for. `hours` is None for all that are kept."""

    filter: Filter
    is_audit: bool
    hours: int | None
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entries:
    """Entries as they are stored, newest first; `has_older`: the search ended `hours` back, and there may be more."""

    found: list[dict[str, Any]]
    has_older: bool
    at: int


@click.command(short_help="Show the newest entries of the site's event log.")
@click.option("--repository", metavar="NAME", help="Only the events of this container repository.")
@click.option("--event-name", type=click.Choice(get_args(EventName)), help="Only these events.")
@click.option(
    "--hours",
    type=click.IntRange(1),
    help=f"Hours to go back: all that are kept, with --repository or --event-name {HOURS}.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Entries shown.")
@click.option("--audit", is_flag=True, help="What operators did, by the command and at the admin API, instead.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_obj
def events(  # noqa: PLR0913 - click gives each option of the command as a parameter
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
    chosen = Filter(repository=repository or "", event_name=event_name or "")
    if audit and not chosen.is_anything:
        raise click.UsageError("--repository and --event-name are of events, not of --audit")
    if hours is None and not chosen.is_anything:
        hours = HOURS  # who filters reads everything: on a busy site a month of it takes minutes
    site = choose().site()
    wanted = _Wanted(filter=chosen, is_audit=audit, hours=hours, limit=limit)
    entries = _read(site, wanted)
    if entries.has_older and len(entries.found) < limit:
        click.echo(f"Went back {hours} h; there may be older ones (--hours).", err=True)
    if as_document:
        as_json(entries.found)
    elif entries.found:
        _show(entries, wanted)
    else:
        _say_nothing(site, entries, wanted)


def _read(site: StackSite, wanted: _Wanted) -> _Entries:
    """Read page after page until there are enough entries, or the hours that were asked for are read."""
    log = EventLog(
        site.client("dynamodb"),
        site.outputs["EventsTable"],
        retention_days=int(site.parameters.get("EventRetentionDays", "30")),
        shards=site.event_log_shards,
    )
    now_ms, kind = site.clock.now_ms(), AUDIT if wanted.is_audit else ""
    oldest = now_ms - wanted.hours * HOUR_MS if wanted.hours is not None else 0
    found: list[dict[str, Any]] = []
    before: Before | None = Before(received_at=now_ms)
    while before is not None and before.received_at >= oldest and len(found) < wanted.limit:
        page = log.page(now_ms=now_ms, limit=wanted.limit - len(found), before=before, kind=kind, wanted=wanted.filter)
        found += (dict(entry) for entry in page.entries if entry["received_at"] >= oldest)
        before = page.following
    return _Entries(found=found, has_older=before is not None, at=now_ms)


def _show(entries: _Entries, wanted: _Wanted) -> None:
    names = (
        ("action", "who", "outcome", "detail") if wanted.is_audit else ("event_name", "repository", "tag", "outcome")
    )
    shown = entries.found if wanted.is_audit else map(_with_claims, entries.found)
    rows = (
        (age(int(entry["received_at"]), entries.at), *(plain(entry.get(name) or "") for name in names), entry["id"])
        for entry in shown
    )
    console().print(table(("ago", *names, "id"), rows))


def _with_claims(entry: dict[str, Any]) -> dict[str, Any]:
    """An event as it is shown; of one that could not be used what its sender said of it, and the reason."""
    claims = entry.get("claims")
    if entry.get("outcome") != "unusable" or not isinstance(claims, dict):
        return entry
    said = {"event_name": claims.get("action"), "repository": claims.get("repository"), "tag": claims.get("tag")}
    about = f": {claims['digest']}" if entry.get("reason") == "bad_digest" and "digest" in claims else ""
    return {**entry, **said, "outcome": f"unusable, {entry.get('reason')}{about}"}


def _say_nothing(site: StackSite, entries: _Entries, wanted: _Wanted) -> None:
    back = f" in the last {wanted.hours} h" if entries.has_older else ""
    click.echo(f"The event log of {site.name} has {_what(wanted.filter)}{back}.")
    if not wanted.is_audit and not site.is_primary:
        click.echo(f"{site.name} is a secondary: the log of its primary has the events.", err=True)


def _what(wanted: Filter) -> str:
    """The entries that are not there, in words."""
    if wanted.is_anything:
        return "nothing"
    event = f"{wanted.event_name} event" if wanted.event_name else "event"
    return f"no {event} of {plain(wanted.repository)}" if wanted.repository else f"no {event}"
