"""`geosync logs`: what the functions of a site log, together and by time; of one repository, or of one push."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Any, NoReturn

import click
from botocore.exceptions import ClientError
from rich.text import Text

from geosync.cli.arguments import check_repository, duration, repository_names
from geosync.cli.checks.function_log import json_object
from geosync.cli.following import POLL_SECONDS, FailedLook, look_once, until_left
from geosync.cli.output import Answer, AnswerStream, Column, Format, Grid, output_option, plain, put
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
    "wake_trace_id",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where to read on in a function's log: from a moment (ms), and there from CloudWatch's token, if it gave one."""

    since_ms: int
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogLook:
    """The lines of one look, and the places where the next one goes on.

    `cut`: functions with more lines than one look reads, and the moment (ms) that was reached (None: none was found).
    """

    lines: list[dict[str, Any]]
    places: dict[str, _Place]
    cut: dict[str, int | None]


class _SeenLines:
    """Remembers the lines that were shown, as long as a later look may find them again."""

    def __init__(self) -> None:
        self._logged_at: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._logged_at)

    def take(self, lines: Iterable[dict[str, Any]], *, again_from_ms: int) -> list[dict[str, Any]]:
        """Return the lines that were not shown. No later look finds a line older than `again_from_ms` again."""
        found = {line["event_id"]: line for line in lines}
        new = [line for name, line in found.items() if name not in self._logged_at]
        oldest = moment(again_from_ms)
        known = self._logged_at | {name: line["logged_at"] for name, line in found.items()}
        self._logged_at = {name: logged_at for name, logged_at in known.items() if logged_at >= oldest}
        return new


@click.command(short_help="Show what the site's functions log.")
@click.option("--function", "functions", multiple=True, type=click.Choice(list(FUNCTIONS)), help="Only this function.")
@click.option("--repository", metavar="NAME", shell_complete=repository_names, help="Only this repository's lines.")
@click.option("--correlation-id", metavar="ID", help="Only the lines of this push, from its notification to the look.")
@click.option("--since", callback=duration, default="1h", show_default=True, help="How far to go back: 90s, 10m, 2h.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    help="The most lines; the newest are shown.",
)
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
    wanted = _WantedLines(
        functions=functions or tuple(FUNCTIONS), repository=repository, correlation_id=correlation_id, limit=limit
    )
    with until_left(follow=follow):
        site = choose().site()
        if follow:
            _follow(site, wanted, _start(site, since), output)
        _show(site, wanted, since, output)


def _start(site: StackSite, since_s: float) -> _Place:
    return _Place(since_ms=site.clock.now_ms() - round(since_s * 1000))


def _show(site: StackSite, wanted: _WantedLines, since_s: float, output: Format) -> None:
    """Write the newest lines, the oldest of them first."""
    found = _look(site, wanted, dict.fromkeys(wanted.functions, _start(site, since_s)))
    for name, reached_ms in found.cut.items():
        until = f" up to {moment(reached_ms)}" if reached_ms is not None else ""
        said = f"functions/{name} logged more than one look reads: this is a part{until} (--since, --follow)"
        click.echo(said, err=True)
    lines = found.lines[-wanted.limit :]
    nothing = f"The functions of {site.name} logged no such line in the last {since_s:.0f} s."
    if found.cut:
        nothing = "There is no such line in what was read."
    put(Answer(document=lines, rows=lines, shown=[_grid(lines) if lines else nothing], key="message"), output)


def _follow(site: StackSite, wanted: _WantedLines, start: _Place, output: Format) -> NoReturn:
    """Write the newest lines, and each that comes, until somebody leaves.

    What one look does not reach is read by the next.
    """
    stream, places = AnswerStream(output), dict.fromkeys(wanted.functions, start)
    seen, limit = _SeenLines(), -wanted.limit
    while True:
        begun_ms = site.clock.now_ms()
        found = look_once(partial(_look, site, wanted, places))
        if isinstance(found, FailedLook):
            click.echo(f"The logs cannot be read, trying again: {plain(found.why)}", err=True)
        else:
            new = seen.take(found.lines, again_from_ms=begun_ms - OVERLAP_MS)[limit:]
            limit = 0  # all of what comes
            stream.put(Answer(document=new, rows=new, shown=[_grid(new)], key="message"))
            places = found.places
        site.clock.sleep(POLL_SECONDS)


def _look(site: StackSite, wanted: _WantedLines, places: Mapping[str, _Place]) -> _LogLook:
    """The wanted lines of each function from its place on, by time. Raises botocore's errors."""
    client = site.client("logs")
    lines, after, cut = list[dict[str, Any]](), dict[str, _Place](), dict[str, int | None]()
    for function, place in places.items():
        after[function] = replace(place, since_ms=max(place.since_ms, site.clock.now_ms() - OVERLAP_MS), token=None)
        reached_ms, page = None, dict[str, Any]()
        for page in _pages(client, site, function, place, wanted.pattern):
            lines += _lines(page["events"], function, wanted)
            reached_ms = page["events"][-1]["timestamp"] if page["events"] else reached_ms
        if "nextToken" in page:
            after[function], cut[function] = replace(place, token=page["nextToken"]), reached_ms
    lines.sort(key=itemgetter("logged_at"))  # stable: those of one moment stay in their order
    return _LogLook(lines=lines, places=after, cut=cut)


def _pages(client: Any, site: StackSite, function: str, place: _Place, pattern: str) -> Iterator[dict[str, Any]]:
    """At most PAGES answers of CloudWatch Logs, the oldest lines first; the last has a `nextToken` if more follow."""
    name = site.outputs.get(FUNCTIONS[function])
    if name is None:  # functions/pull is there with Reads=on alone
        return
    asked = {"logGroupName": f"/aws/lambda/{name}", "startTime": place.since_ms}
    asked |= {"filterPattern": pattern} if pattern else {}
    token = place.token
    try:
        for _ in range(PAGES):
            page = client.filter_log_events(**asked, **({"nextToken": token} if token is not None else {}))
            yield page
            token = page.get("nextToken")
            if token is None:
                return
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        click.echo(f"functions/{function} has no log yet", err=True)


def _lines(events: Iterable[Mapping[str, Any]], function: str, wanted: _WantedLines) -> Iterator[dict[str, Any]]:
    """The wanted ones of a function's lines."""
    for event in events:
        line = _line(event["message"])
        if line is not None and wanted.takes(line):
            about = {"function": function, "event_id": _identity(event), "logged_at": moment(event["timestamp"])}
            yield {**line, **about}


def _identity(event: Mapping[str, Any]) -> str:
    """The id by which a line is known again; the local stack's CloudWatch gives none."""
    given = event.get("eventId")
    text = f"{event.get('logStreamName')} {event['timestamp']} {event['message']}"
    return str(given) if given else hashlib.sha256(text.encode()).hexdigest()[:32]


def _line(text: str) -> dict[str, Any] | None:
    """A line of ours; None for one of Lambda's own, or a metric."""
    line = json_object(text)
    return line if line is not None and isinstance(line.get("message"), str) else None


def _grid(lines: list[dict[str, Any]]) -> Grid:
    columns = (
        Column("time", lambda line: f"{line['logged_at'][:19]}Z"),
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
