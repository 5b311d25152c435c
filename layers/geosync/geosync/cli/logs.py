"""`geosync logs`: what the functions of a site log, together and by time; of one repository, or of one push."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.text import Text

from geosync.cli.arguments import check_repository, duration, repository_names
from geosync.cli.following import POLL_SECONDS, FailedLook, look_once
from geosync.cli.output import NOTHING_OWED, Answer, AnswerStream, Column, Format, Grid, output_option, plain, put
from geosync.cli.site import Chosen, StackSite
from geosync.clock import moment

FUNCTIONS = {
    "notifications": "NotificationsFunction",
    "log-cursor": "LogCursorFunction",
    "sync": "SyncFunction",
    "reconcile": "ReconcileFunction",
    "admin": "AdminFunction",
    "pull": "PullFunction",
}
"""The functions, and the outputs of a stack with their names."""
PAGES = 50
"""Answers of CloudWatch Logs that one look reads at most, of each function."""
OVERLAP_MS = 30_000
"""Lines become visible late: each look of --follow goes back so far behind the last one."""
_KNOWN = ("timestamp", "level", "message", "function", "event_id", "logged_at")
_NOISE = (
    "exception",
    "stack_trace",
    "location",
    "service",
    "cold_start",
    "function_name",
    "function_memory_size",
    "function_arn",
    "xray_trace_id",
)
"""Keys of Powertools' logger that say nothing of what happened, or more than a line holds (-o json has them)."""
_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _WantedLines:
    """The lines that were asked for, of these functions."""

    functions: tuple[str, ...]
    repository: str | None
    correlation_id: str | None
    limit: int

    @property
    def pattern(self) -> str:
        """The words that CloudWatch looks for; which field they stand in is looked at here."""
        return " ".join(f'"{word}"' for word in (self.repository, self.correlation_id) if word is not None)

    def takes(self, line: dict[str, Any]) -> bool:
        """True for a line that is wanted."""
        return self.repository in (None, line.get("repository")) and self.correlation_id in (
            None,
            line.get("correlation_id"),
        )


@click.command(short_help="Show what the site's functions log.")
@click.option("--function", "functions", multiple=True, type=click.Choice(list(FUNCTIONS)), help="Of this one alone.")
@click.option("--repository", metavar="NAME", shell_complete=repository_names, help="Only the lines of this one.")
@click.option("--correlation-id", metavar="ID", help="Only the lines of this push, from its notification to the look.")
@click.option("--since", callback=duration, default="1h", show_default=True, help="How far to go back: 90s, 10m, 2h.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="The newest so many.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@output_option
@click.pass_obj
def logs(  # noqa: PLR0913 - one for each option
    choose: Callable[[], Chosen],
    *,
    functions: tuple[str, ...],
    repository: str | None,
    correlation_id: str | None,
    since: float,
    limit: int,
    follow: bool,
    output: Format,
) -> None:
    """Show what the site's functions log, the oldest line first. What each line means is in docs/signals.md.

    The correlation id of a push is in geosync events -o json, and of what is owed in geosync status -o wide.
    """
    if repository is not None:
        check_repository(repository, "--repository")
    if correlation_id is not None and not re.fullmatch(r"[A-Za-z0-9._:/-]{1,200}", correlation_id):
        raise click.BadParameter("it has letters, digits and . _ : / - alone", param_hint="--correlation-id")
    site = choose().site()
    wanted = _WantedLines(
        functions=functions or tuple(FUNCTIONS), repository=repository, correlation_id=correlation_id, limit=limit
    )
    start_ms = site.clock.now_ms() - round(since * 1000)
    if follow:
        _follow(site, wanted, start_ms, output)
    lines = _read(site, wanted, start_ms)
    shown = (
        [_grid(lines)] if lines else [f"The functions of {site.name} logged no such line in the last {since:.0f} s."]
    )
    put(Answer(document=lines, rows=lines, shown=shown, key="message"), output)


def _follow(site: StackSite, wanted: _WantedLines, start_ms: int, output: Format) -> None:
    """Write the lines, and each that comes; raises SystemExit when somebody leaves."""
    stream, seen, since_ms = AnswerStream(output), set[str](), start_ms
    try:
        while True:
            now_ms = site.clock.now_ms()
            found = look_once(partial(_read, site, wanted, since_ms))
            if isinstance(found, FailedLook):
                click.echo(f"The logs cannot be read, trying again: {plain(found.why)}", err=True)
            else:
                new = [line for line in found if line["event_id"] not in seen]
                seen |= {line["event_id"] for line in new}
                stream.put(Answer(document=new, rows=new, shown=[_grid(new)], key="message"))
                since_ms = max(start_ms, now_ms - OVERLAP_MS)
            site.clock.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        raise SystemExit(NOTHING_OWED) from None


def _read(site: StackSite, wanted: _WantedLines, start_ms: int) -> list[dict[str, Any]]:
    """The newest of the wanted lines since a moment (ms), by time. Raises botocore's errors."""
    client = site.client("logs")
    lines = [line for name in wanted.functions for line in _of_function(client, site, name, wanted, start_ms)]
    lines.sort(key=itemgetter("logged_at"))  # stable: those of one moment stay in their order
    return lines[-wanted.limit :]


def _of_function(
    client: Any, site: StackSite, function: str, wanted: _WantedLines, start_ms: int
) -> Iterator[dict[str, Any]]:
    name = site.outputs.get(FUNCTIONS[function])
    if name is None:  # functions/pull is there with Reads=on alone
        return
    asked = {"filterPattern": wanted.pattern} if wanted.pattern else {}
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{name}", startTime=start_ms, **asked
    )
    try:
        for page in islice(pages, PAGES):
            for event in page["events"]:
                line = _line(event["message"])
                if line is not None and wanted.takes(line):
                    about = {
                        "function": function,
                        "event_id": _identity(event),
                        "logged_at": moment(event["timestamp"]),
                    }
                    yield {**line, **about}
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        click.echo(f"functions/{function} has no log yet", err=True)


def _identity(event: Mapping[str, Any]) -> str:
    """The id by which a line is known again; the local stack's CloudWatch gives none."""
    given = event.get("eventId")
    text = f"{event.get('logStreamName')} {event['timestamp']} {event['message']}"
    return str(given) if given else hashlib.sha256(text.encode()).hexdigest()[:32]


def _line(text: str) -> dict[str, Any] | None:
    """A line of ours; None for one of Lambda's own, or a metric."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("message"), str) else None


def _grid(lines: list[dict[str, Any]]) -> Grid:
    columns = (
        Column("time", lambda line: line["logged_at"]),
        Column("function", lambda line: line["function"]),
        Column("level", _level),
        Column("message", lambda line: line["message"]),
        Column("what", _rest),
    )
    return Grid(columns, lines)


def _level(line: dict[str, Any]) -> Text:
    level = str(line.get("level", ""))
    return plain(level, _STYLES.get(level, ""))


def _rest(line: dict[str, Any]) -> str:
    """The keys that say what happened."""
    said = ((name, value) for name, value in line.items() if name not in (*_KNOWN, *_NOISE) and value is not None)
    return " ".join(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in said)
