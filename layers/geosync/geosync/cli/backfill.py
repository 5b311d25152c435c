"""`geosync backfill`: how far the backfill, or the comparison after it, got; `start` begins the next one now."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from geosync.cli.arguments import command_line
from geosync.cli.following import Failed, look_again
from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, console, moment, plain, table
from geosync.cli.site import Chosen, Site
from geosync.comparing import catalogue
from geosync.comparing.progress import Progress, progress_of
from geosync.operating import actions
from geosync.operating import status as site_status
from geosync.operating.status import Pause
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site import holds as hold_items
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.table.changes import Store

BAR = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How far a site was at the moment `at` (ms since the epoch), and what keeps it from going on."""

    at: int
    walk: Walk | None
    progress: Progress | None
    pause: Pause | None
    holds: tuple[Hold, ...]

    @property
    def complete(self) -> bool:
        """Whether the latest is complete, and no other one is asked for."""
        return self.progress is not None and self.progress.complete and not self.asked_for

    @property
    def asked_for(self) -> bool:
        """Whether somebody wants the next one now (or this one to go on), and it has not begun."""
        return self.walk is not None and self.walk.asked_for

    @property
    def stands_since(self) -> int | None:
        """Since when nothing was done for it (ms), None while it moves or is complete."""
        if self.walk is None or self.walk.complete:
            return None
        moved = max(self.walk.started_at, self.walk.touched_at, self.walk.moved_at or 0)
        return moved if self.at - moved >= catalogue.STALLED_AFTER_MS else None


def look(store: Store, *, clock: Callable[[], int] = wall_clock) -> Look:
    """Read how far it is: two batches and a query, whatever there is to do."""
    now = clock()
    items = store.batch_get((catalogue_item.KEY, hold_items.PAUSE))
    walk = catalogue_item.walk_of(items.get(catalogue_item.KEY))
    return Look(
        at=now,
        walk=walk,
        progress=progress_of(SyncRegistry(store), walk, now_ms=now) if walk is not None else None,
        pause=site_status.pause_of(items.get(hold_items.PAUSE)),
        holds=site_status.holds_in_force(store, now),
    )


@click.group(invoke_without_command=True, short_help="Show how far the backfill, or the comparison, got.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.option(
    "--follow/--no-follow",
    "follow",
    default=None,
    help="Look again until it is complete, or once. Default: follow on a terminal, without --json.",
)
@click.pass_context
def backfill(ctx: click.Context, *, as_document: bool, follow: bool | None) -> None:
    """Show how far the backfill, and each comparison after it, got: done, total, rate, time left.

    On a terminal it is followed until it is complete; in a pipe --follow writes a line, with --json a document, each
    time that something changed. Ctrl-C ends the command alone.

    Exit code 0: the last one is complete, and no other asked for. 1: it goes on, something that it found has failed, or
    none has begun.
    """
    if ctx.invoked_subcommand is not None:
        if as_document or follow is not None:
            raise click.UsageError(f"--json and --follow are of geosync backfill without {ctx.invoked_subcommand}")
        return
    site = ctx.obj().site()
    site.must_be_secondary("backfill")
    if follow is None:
        follow = sys.stdout.isatty() and not as_document
    if follow:
        found = _follow(ctx, site, as_document=as_document)
    else:
        found = look(site.store)
        if as_document:
            as_json(document(found))
        else:
            console().print(shown(found))
    raise SystemExit(NOTHING_OWED if found.complete else SOMETHING_WRONG)


@backfill.command(short_help="Compare everything on the primary with this site now.")
@click.pass_obj
def start(choose: Callable[[], Chosen]) -> None:
    """Compare everything on the primary with this site now; one that is under way goes on."""
    site = choose().site()
    site.must_be_secondary("backfill")
    now = wall_clock()
    walk = actions.resync_all(site.store, site.client("sqs"), site.outputs["WorkQueueUrl"], now=now)
    if walk is not None:
        click.echo(f"One is under way at {site.name}, begun {age(walk.started_at, now)} ago: it goes on.")
        return
    click.echo(f"{site.name} goes through the primary's catalogue now. geosync backfill shows how far it is.")


def _follow(ctx: click.Context, site: Site, *, as_document: bool) -> Look:
    """Show it until it is complete; raises SystemExit when somebody leaves before."""
    try:
        if sys.stdout.isatty() and not console().is_dumb_terminal and not as_document:
            return _live(site.store)
        return _line_by_line(site.store, as_document=as_document)
    except KeyboardInterrupt:
        click.echo(f"It goes on at {site.name}. To see how far it is: {command_line(ctx, 'backfill')}", err=True)
        raise SystemExit(SOMETHING_WRONG) from None


def _live(store: Store) -> Look:
    found: Look | None = None
    with Live(console=console(), auto_refresh=False) as live:

        def show(seen: Look | Failed) -> None:
            nonlocal found
            if isinstance(seen, Look):
                found = seen
                live.update(shown(seen), refresh=True)
            else:
                last = (shown(found),) if found is not None else ()
                live.update(Group(*last, plain(_failed(seen), "yellow")), refresh=True)

        return look_again(lambda: look(store), until=lambda one: one.complete, show=show)


def _line_by_line(store: Store, *, as_document: bool) -> Look:
    """A line for each look that saw something new."""
    before: object = None

    def show(seen: Look | Failed) -> None:
        nonlocal before
        news = _news(seen) if isinstance(seen, Look) else seen
        if news == before:
            return
        before = news
        if isinstance(seen, Failed):
            click.echo(_failed(seen), err=True)
        else:
            click.echo(json.dumps(document(seen), ensure_ascii=False) if as_document else line(seen))

    return look_again(lambda: look(store), until=lambda one: one.complete, show=show)


def _failed(failed: Failed) -> str:
    return f"How far it is cannot be read, trying again: {plain(failed.why)}"


def _news(found: Look) -> object:
    """What of it is worth another line: not that time has passed."""
    far = found.progress
    counted = (far.started_at, far.listed, far.repositories, far.compared, far.found, far.settled) if far else None
    failure = found.walk.failure if found.walk is not None else None
    return counted, found.complete, found.asked_for, found.pause, found.holds, failure, found.stands_since


def document(found: Look) -> dict[str, Any]:
    """The progress for programs, null where nothing can be said, and what keeps it from going on."""
    far = found.progress
    rates = {"rate": far.rate, "tag_rate": far.tag_rate, "seconds_left": far.seconds_left} if far is not None else {}
    return {
        "progress": asdict(far) | rates if far is not None else None,
        "asked_for": found.asked_for,
        "paused": asdict(found.pause) if found.pause is not None else None,
        "holds": [asdict(hold) for hold in found.holds],
        "failure": found.walk.failure if found.walk is not None else None,
        "stands_since": found.stands_since,
    }


def line(found: Look) -> str:
    """The progress in one line."""
    far = found.progress
    if far is None:
        return "; ".join(("none has begun yet", *_in_the_way(found)))
    said = [f"repositories {_compared(far)}", f"tags copied {far.settled} of {far.found}"]
    said.append("complete" if found.complete else f"time left {_time_left(far)}")
    return "; ".join((", ".join(said), *_in_the_way(found)))


def shown(found: Look) -> Table | Group:
    """The progress for people."""
    troubles = [plain(text, "yellow") for text in _in_the_way(found)]
    far = found.progress
    if far is None:
        return Group(plain("None has begun yet: the next minute asks for it.", "yellow"), *troubles)
    rows = [
        ("begun", f"{age(far.started_at, found.at)} ago" + (", complete" if far.complete else ""), ""),
        ("repositories", f"{_compared(far)}, {far.rate:.1f} a second", _bar(far.compared, far.repositories)),
        ("tags", f"{far.tags} compared, {far.found} of them different", ""),
        ("copied", f"{far.settled} of {far.found}, {far.tag_rate:.1f} a second", _bar(far.settled, far.found)),
        ("time left", _time_left(far), ""),
    ]
    head = table(("", "", ""), rows)
    head.show_header = False
    return Group(head, *troubles)


def _in_the_way(found: Look) -> list[str]:
    """What keeps it from going on, each with the way out."""
    said: list[str] = []
    if found.asked_for:
        said.append("another one is asked for: it begins within a minute")
    if found.pause is not None:
        why = f": {found.pause.reason}" if found.pause.reason else ""
        said.append(f"the site is paused for {age(found.pause.since, found.at)}{why} (geosync resume)")
    said += (f"{hold.registry} is left alone until {moment(hold.until)}: {hold.reason}" for hold in found.holds)
    if found.walk is not None and found.walk.failure is not None:
        said.append(f"the primary's catalogue cannot be read: {found.walk.failure}")
    if found.stands_since is not None:
        said.append(f"nothing was done for it for {age(found.stands_since, found.at)}: see geosync status")
    return [str(plain(text)) for text in said]


def _compared(far: Progress) -> str:
    return f"{far.compared} of {far.repositories}" + ("" if far.listed else " so far")


def _bar(done: int, total: int) -> ProgressBar | str:
    """How much of it is done: a bar where somebody sees it, a share in a pipe."""
    done, total = (done, total) if total else (1, 1)
    if sys.stdout.isatty():
        return ProgressBar(total=total, completed=done, width=BAR)
    return f"{100 * done // total} %"


def _time_left(far: Progress) -> str:
    left = far.seconds_left
    if left is None:
        return "not known yet"
    if far.complete:
        return "none"
    # Complete is what was seen to be so for a while, by a minute and the next: see note_progress.
    return age(0, round(left * 1000)) if left else "a minute: that nothing is left is looked at once more"
