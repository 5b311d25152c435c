"""`geosync events`: the newest entries of a site's event log, of its audit log, or its drills."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, get_args

import click

from geosync.cli.arguments import check_repository, repository_names
from geosync.cli.drill.entries import drill_entries
from geosync.cli.following import POLL_SECONDS, FailedLook, look_once, until_left
from geosync.cli.output import (
    Answer,
    AnswerStream,
    Column,
    Format,
    Grid,
    age,
    moment_text,
    output_option,
    plain,
    put,
)
from geosync.cli.site import Chosen, StackSite
from geosync.messages.event_log import AUDIT, HOUR_MS, HOURS, Before, Filter
from geosync.messages.geo_event import EventName
from geosync.operating.audit_words import summary
from geosync.operating.documents import audit_fields, event_fields

MOST_NEW = 1000
"""Entries that one look of --follow reads at most."""
OVERLAP_MS = 30_000
"""An entry is in the index a moment after it came: each look of --follow goes back so far behind the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The entries that were asked for. `hours` is None for all that are kept."""

    filter: Filter
    is_audit: bool
    hours: int | None
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entries:
    """Entries as they are stored, newest first, read at the moment `at` (ms); `has_older`: there may be older ones."""

    found: list[dict[str, Any]]
    has_older: bool
    at: int


@click.command(short_help="Show the newest entries of the site's event log.")
@click.option(
    "--repository",
    metavar="NAME",
    shell_complete=repository_names,
    help="Only the events of this container repository.",
)
@click.option("--event-name", type=click.Choice(get_args(EventName)), help="Only these events.")
@click.option(
    "--hours",
    type=click.IntRange(1),
    help=f"Hours to go back: all that are kept, with --repository or --event-name {HOURS}.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Entries shown.")
@click.option("--audit", is_flag=True, help="What operators did, by the command and at the admin API, instead.")
@click.option("--drills", is_flag=True, help="Its drills instead, up to a report that is missing.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@output_option
@click.pass_obj
def events(  # noqa: PLR0913 - click gives each option of the command as a parameter
    choose: Callable[[], Chosen],
    *,
    repository: str | None,
    event_name: str | None,
    hours: int | None,
    limit: int,
    audit: bool,
    drills: bool,
    follow: bool,
    output: Format,
) -> None:
    """Show the newest entries of the site's event log: what its registry announced, and what became of it.

    The newest come first; with --follow last, and later ones below them, with -o json as one document a line.
    """
    if repository is not None:
        check_repository(repository, "--repository")
    chosen = Filter(repository=repository or "", event_name=event_name or "")
    _check(chosen, audit=audit, drills=drills, follow=follow)
    if hours is None and not chosen.is_anything:
        hours = HOURS  # who filters reads everything: on a busy site a month of it takes minutes
    wanted = _Wanted(filter=chosen, is_audit=audit, hours=hours, limit=limit)
    with until_left(follow=follow):
        site = choose().site()
        if drills:
            put(_drills(site, wanted), output)
        else:
            _show(site, wanted, output, follow=follow)


def _check(chosen: Filter, *, audit: bool, drills: bool, follow: bool) -> None:
    if audit and not chosen.is_anything:
        raise click.UsageError("--repository and --event-name are of events, not of --audit")
    if drills and (audit or follow or not chosen.is_anything):
        raise click.UsageError("--drills goes with --hours and --limit alone")


def _drills(site: StackSite, wanted: _Wanted) -> Answer:
    oldest_ms = site.clock.now_ms() - wanted.hours * HOUR_MS if wanted.hours is not None else 0
    return drill_entries(site, limit=wanted.limit, oldest_ms=oldest_ms)


def _show(site: StackSite, wanted: _Wanted, output: Format, *, follow: bool) -> None:
    entries = _read(site, wanted)
    if entries.has_older and len(entries.found) < wanted.limit:
        click.echo(f"Went back {wanted.hours} h; there may be older ones (--hours).", err=True)
    if follow:
        _follow(site, wanted, entries, output)
    put(_answer(site, entries, wanted), output)
    if not entries.found and not wanted.is_audit and not site.is_primary:
        click.echo(f"{site.name} is a secondary: the log of its primary has the events.", err=True)


def _follow(site: StackSite, wanted: _Wanted, first: _Entries, output: Format) -> NoReturn:
    """Write the entries, the oldest first, and each that comes or ends, until somebody leaves."""
    stream, seen, entries = AnswerStream(output), set[tuple[object, ...]](), first
    # What is older than the first look's entries was not asked for, nor the others of the oldest one's moment.
    start_ms = first.found[-1]["received_at"] if len(first.found) == wanted.limit else 0
    asked = {entry["id"] for entry in first.found}

    def is_new(entry: Mapping[str, Any]) -> bool:
        return (entry["received_at"] > start_ms or entry["id"] in asked) and _identity(entry) not in seen

    while True:
        new = [*filter(is_new, reversed(entries.found))]
        seen.update(map(_identity, new))
        stream.put(_answer(site, replace(entries, found=new), wanted, when=_MOMENT))
        site.clock.sleep(POLL_SECONDS)
        since_ms = max(start_ms, min(entries.at - OVERLAP_MS, _oldest_open_ms(entries)))
        found = look_once(partial(_read, site, _since(wanted, since_ms)))
        if isinstance(found, FailedLook):
            click.echo(f"The log cannot be read, trying again: {plain(found.why)}", err=True)
            continue
        if found.has_older:
            click.echo(f"More than {MOST_NEW} entries came: the oldest of these are left out.", err=True)
        entries = found


def _since(wanted: _Wanted, since_ms: int) -> _Wanted:
    """A later look: all that came since a moment (ms)."""
    return replace(wanted, filter=replace(wanted.filter, since_ms=since_ms), hours=None, limit=MOST_NEW)


def _identity(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """The fields that tell an entry from its earlier form: an event that came again, an action that has ended."""
    return tuple(entry.get(name) for name in ("id", "received_at", "outcome", "status"))


def _oldest_open_ms(entries: _Entries) -> int:
    """The start (ms) of the oldest action of the last hour that has not ended; without one, the moment of the look."""
    began = (entry["received_at"] for entry in entries.found if entry.get("outcome") == "begun")
    return min((at for at in began if entries.at - at < HOUR_MS), default=entries.at)


def _read(site: StackSite, wanted: _Wanted) -> _Entries:
    """Read page after page until there are enough entries, or the hours that were asked for are read."""
    log, now_ms, kind = site.event_log, site.clock.now_ms(), AUDIT if wanted.is_audit else ""
    oldest = now_ms - wanted.hours * HOUR_MS if wanted.hours is not None else 0
    found: list[dict[str, Any]] = []
    before: Before | None = Before(received_at=now_ms)
    while before is not None and before.received_at >= oldest and len(found) < wanted.limit:
        page = log.page(now_ms=now_ms, limit=wanted.limit - len(found), before=before, kind=kind, wanted=wanted.filter)
        found += (dict(entry) for entry in page.entries if entry["received_at"] >= oldest)
        before = page.following
    return _Entries(found=found, has_older=before is not None, at=now_ms)


_MOMENT = Column("time", lambda entry: moment_text(int(entry["received_at"])))
"""When an entry came, of one that is followed: its line stays there, and an age would soon be another."""


def _answer(site: StackSite, entries: _Entries, wanted: _Wanted, *, when: Column | None = None) -> Answer:
    """The entries in every output; `when` is the first column for people, by default the age."""
    documents = [_document(entry, is_audit=wanted.is_audit) for entry in entries.found]
    age_now = Column("ago", lambda entry: age(int(entry["received_at"]), entries.at))
    columns = (when or age_now, *_columns(wanted.is_audit))
    told = [*map(_in_words if wanted.is_audit else _with_claims, entries.found)]
    shown = [Grid(columns, told)] if told else []
    nothing = [] if entries.found else [_nothing(site, entries, wanted)]
    return Answer(document=documents, rows=documents, shown=[*shown, *nothing], key="id")


def _document(entry: dict[str, Any], *, is_audit: bool) -> dict[str, Any]:
    """An entry for programs; its own id, a text, is `sender_id` of an event."""
    return {**entry, **(audit_fields(entry) if is_audit else event_fields(entry))}


def _columns(is_audit: bool) -> tuple[Column, ...]:
    names = ("summary", "who", "outcome") if is_audit else ("event_name", "repository", "tag", "outcome")
    more = ("action", "detail", "source", "count") if is_audit else ("digest", "correlation_id", "source")

    def text(name: str) -> Callable[[dict[str, Any]], object]:
        return lambda entry: entry.get(name) or ""

    return (
        *(Column(name, text(name)) for name in names),
        *(Column(name, text(name), wide=True) for name in more),
        Column("id", lambda entry: entry["id"]),
    )


def _in_words(entry: dict[str, Any]) -> dict[str, Any]:
    """An operator's action as it is shown: in words, and with the reason where it was refused."""
    refused = f"refused, {entry.get('detail')}" if entry.get("outcome") == "refused" else entry.get("outcome")
    return {**entry, "summary": summary(entry), "outcome": refused}


def _with_claims(entry: dict[str, Any]) -> dict[str, Any]:
    """An event as it is shown; of one that could not be used what its sender said of it, and the reason."""
    claims = entry.get("claims")
    if entry.get("outcome") != "unusable" or not isinstance(claims, dict):
        return entry
    said = {"event_name": claims.get("action"), "repository": claims.get("repository"), "tag": claims.get("tag")}
    about = f": {claims['digest']}" if entry.get("reason") == "bad_digest" and "digest" in claims else ""
    return {**entry, **said, "outcome": f"unusable, {entry.get('reason')}{about}"}


def _nothing(site: StackSite, entries: _Entries, wanted: _Wanted) -> str:
    back = f" in the last {wanted.hours} h" if entries.has_older else ""
    return f"The event log of {site.name} has {_what(wanted.filter)}{back}."


def _what(wanted: Filter) -> str:
    """The entries that are not there, in words."""
    if wanted.is_anything:
        return "nothing"
    event = f"{wanted.event_name} event" if wanted.event_name else "event"
    return f"no {event} of {plain(wanted.repository)}" if wanted.repository else f"no {event}"
