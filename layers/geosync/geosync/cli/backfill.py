"""`geosync backfill`: the progress of the backfill, or of the comparison after it; `start` begins the next one now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from typing import Any

import click
from rich.progress_bar import ProgressBar

from geosync.cli.audit import audited
from geosync.cli.choosing.options import command_line
from geosync.cli.following import FailedLook, look_again
from geosync.cli.former import with_former
from geosync.cli.output import (
    FOR_PEOPLE,
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    AnswerStream,
    Column,
    Format,
    Grid,
    Part,
    age,
    console,
    is_terminal,
    live,
    moment_text,
    output_option,
    plain,
    put,
    shown,
    tell,
)
from geosync.cli.site import Chosen, StackSite
from geosync.clock import optional_moment
from geosync.comparing import catalogue
from geosync.comparing.progress import Progress, progress_of
from geosync.operating import actions
from geosync.operating.comparison_report import NOT_BEGUN, comparison_report
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.site.pause import Pause

BAR = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillState:
    """A site's progress at the moment `at` (ms since the epoch), and what keeps it from going on."""

    at: int
    walk: Walk | None
    progress: Progress | None
    pause: Pause | None
    holds: tuple[Hold, ...]
    opens_in_ms: int = 0
    """Until the site's BackfillWindow is open; 0 while it is, or where there is none."""

    @property
    def complete(self) -> bool:
        """True when the latest one is complete, and no other one is asked for."""
        return self.progress is not None and self.progress.complete and not self.asked_for

    @property
    def proved(self) -> bool:
        """True when all that the latest one found is equal: nothing of it is parked either."""
        return self.walk is not None and self.walk.is_proved

    @property
    def asked_for(self) -> bool:
        """True when somebody wants the next one now (or this one to go on), and it has not begun."""
        return self.walk is not None and self.walk.asked_for

    @property
    def stands_since(self) -> int | None:
        """The moment since which nothing was done for it (ms), None while it moves or is complete."""
        if self.walk is None or self.walk.complete:
            return None
        moved = max(self.walk.started_at, self.walk.touched_at, self.walk.moved_at or 0)
        return moved if self.at - moved >= catalogue.STALLED_AFTER_MS else None


def look(site: StackSite) -> BackfillState:
    """Read the progress: two batches and a query, whatever there is to do."""
    now_ms, sync_registry = site.clock.now_ms(), site.sync_registry
    items = sync_registry.overview.read(site.primary_topic)
    walk = items.comparison
    return BackfillState(
        at=now_ms,
        walk=walk,
        progress=progress_of(sync_registry, walk, now_ms=now_ms) if walk is not None else None,
        pause=items.pause,
        holds=tuple(sync_registry.holds()),
        opens_in_ms=site.backfill_window.opens_in_ms(now_ms),
    )


@click.group(invoke_without_command=True, short_help="Show the progress of the backfill, or of the comparison.")
@click.option(
    "--follow/--no-follow",
    "follow",
    default=None,
    help="Look again until it is complete, or once. Default: follow on a terminal, as a table.",
)
@output_option
@click.pass_context
def backfill(ctx: click.Context, *, follow: bool | None, output: Format) -> None:
    """Show the progress of the backfill, and of each comparison after it: done, total, rate, time left.

    On a terminal it is followed until it is complete; in a pipe --follow writes a line, with --json a document, each
    time that something changed. Ctrl-C ends the command alone.

    Exit code 0: the last one is complete, and no other asked for. 1: it goes on, something that it found has failed, or
    none has begun.
    """
    if ctx.invoked_subcommand is not None:
        if output != "table" or follow is not None:
            raise click.UsageError(f"-o and --follow belong to geosync backfill without {ctx.invoked_subcommand}")
        return
    site = ctx.obj().secondary("backfill")
    if follow is None:
        follow = is_terminal() and output in FOR_PEOPLE
    if follow:
        found = _follow(ctx, site, output)
    else:
        found = look(site)
        put(_answer(site, found), output)
    raise SystemExit(NOTHING_OWED if found.complete else SOMETHING_WRONG)


@backfill.command(short_help="Compare everything on the primary with this site now.")
@output_option
@click.pass_obj
def start(choose: Callable[[], Chosen], *, output: Format) -> None:
    """Compare everything on the primary with this site now; one that is under way goes on."""
    site = choose().secondary("backfill")
    with audited(site, "backfill start"):
        under_way = compare_everything(site)
    said = f"{site.name} goes through the primary's catalogue now. geosync backfill shows the progress."
    tell(under_way or said, output, name=site.name)


def compare_everything(site: StackSite) -> str | None:
    """Ask for a comparison of everything; returns the sentence that one is under way, None: a new one begins."""
    queue, now_ms = site.outputs["WorkQueueUrl"], site.clock.now_ms()
    walk = actions.resync_all(site.sync_registry, site.client("sqs"), queue, now_ms=now_ms)
    if walk is None:
        return None
    return f"A comparison is under way at {site.name} and goes on: it began {age(walk.started_at, now_ms)} ago."


def _answer(site: StackSite, found: BackfillState) -> Answer:
    """The progress in every output."""
    made = {"site": site.name, **document(found)}
    return Answer(document=made, rows=[made], shown=_parts(found), key="site")


def _follow(ctx: click.Context, site: StackSite, output: Format) -> BackfillState:
    """Show the progress until it is complete; raises SystemExit on Ctrl-C."""
    try:
        if is_terminal() and not console().is_dumb_terminal and output in FOR_PEOPLE:
            return _live(site)
        return _line_by_line(site, output)
    except KeyboardInterrupt:
        click.echo(
            f"The backfill goes on at {site.name}. To see its progress: {command_line(ctx, 'backfill')}", err=True
        )
        raise SystemExit(SOMETHING_WRONG) from None


def _live(site: StackSite) -> BackfillState:
    found: BackfillState | None = None
    with live() as screen:

        def show(seen: BackfillState | FailedLook) -> None:
            nonlocal found
            if isinstance(seen, BackfillState):
                found = seen
                screen.update(shown(_parts(seen)), refresh=True)
            else:
                last = _parts(found) if found is not None else []
                screen.update(shown([*last, plain(_failed(seen), "yellow")]), refresh=True)

        return look_again(lambda: look(site), until=lambda one: one.complete, show=show, clock=site.clock)


def _line_by_line(site: StackSite, output: Format) -> BackfillState:
    """A line for each look that saw something new."""
    before: object = None
    stream = AnswerStream(output)

    def show(seen: BackfillState | FailedLook) -> None:
        nonlocal before
        news = _news(seen) if isinstance(seen, BackfillState) else seen
        if news == before:
            return
        before = news
        if isinstance(seen, FailedLook):
            click.echo(_failed(seen), err=True)
        else:
            stream.put(replace(_answer(site, seen), shown=[line(seen)]))

    return look_again(lambda: look(site), until=lambda one: one.complete, show=show, clock=site.clock)


def _failed(failed: FailedLook) -> str:
    return f"The progress cannot be read, trying again: {plain(failed.why)}"


def _news(found: BackfillState) -> object:
    """The part that is worth another line when it changes: that time has passed is not."""
    far = found.progress
    counted = (far.started_at, far.listed, far.repositories, far.compared, far.found, far.settled) if far else None
    failure = found.walk.failure if found.walk is not None else None
    waits = found.opens_in_ms > 0
    return counted, found.complete, found.asked_for, found.pause, found.holds, failure, found.stands_since, waits


def document(found: BackfillState) -> dict[str, Any]:
    """The progress for programs, as the admin API answers with it, and what keeps it from going on."""
    made = {
        **(comparison_report(found.walk, found.progress) or NOT_BEGUN),
        "asked_for": found.asked_for,
        "paused_since": optional_moment(found.pause.since) if found.pause is not None else None,
        "pause_reason": found.pause.reason if found.pause is not None else None,
        "registries_on_hold": [f"{hold.registry}: {hold.reason}" for hold in found.holds],
        "stands_since": optional_moment(found.stands_since),
        "window_opens_at": optional_moment(found.at + found.opens_in_ms if found.opens_in_ms else None),
    }
    former = {
        "progress": progress_document(found.progress) if found.progress is not None else None,
        "paused": asdict(found.pause) if found.pause is not None else None,
        "holds": [asdict(hold) for hold in found.holds],
        "stands_since": found.stands_since,
        "window_opens_at": found.at + found.opens_in_ms if found.opens_in_ms else None,
    }
    return with_former(made, former)


def progress_document(far: Progress) -> dict[str, Any]:
    """The progress of a comparison for programs."""
    rates = {"rate": far.rate, "tag_rate": far.tag_rate, "seconds_left": far.seconds_left, "state": far.state}
    return {name: value for name, value in asdict(far).items() if name != "paces"} | rates


def line(found: BackfillState) -> str:
    """The progress in one line."""
    far = found.progress
    if far is None:
        return "; ".join(("no comparison has begun yet", *_in_the_way(found)))
    said = [f"repositories {_compared(far)}", f"tags copied {far.settled} of {far.found}"]
    said.append("complete" if found.complete else f"time left {_time_left(far)}")
    return "; ".join((", ".join(said), *_in_the_way(found)))


def _parts(found: BackfillState) -> list[Part]:
    """The progress for people."""
    troubles = [plain(text, "yellow") for text in _in_the_way(found)]
    far = found.progress
    if far is None:
        return [plain("No comparison has begun yet: the next minute asks for it.", "yellow"), *troubles]
    rows = [
        ("begun", f"{age(far.started_at, found.at)} ago" + (", complete" if far.complete else ""), ""),
        ("repositories", f"{_compared(far)}, {far.rate:.1f} a second", _bar(far.compared, far.repositories)),
        ("tags", f"{far.tags} compared, {far.found} of them different", ""),
        ("copied", f"{far.settled} of {far.found}, {far.tag_rate:.1f} a second", _bar(far.settled, far.found)),
        ("time left", _time_left(far), ""),
    ]
    columns = tuple(Column("", itemgetter(place)) for place in range(3))
    return [Grid(columns, rows, has_titles=False), *troubles]


def _not_begun(found: BackfillState) -> Iterator[str]:
    is_asked = found.walk is not None and found.walk.asked
    if found.asked_for:
        yield "another comparison was requested and begins within a minute"
    elif found.opens_in_ms and not found.complete and not is_asked:
        yield f"its window (BackfillWindow) is closed until {moment_text(found.at + found.opens_in_ms)}"


def _paused(found: BackfillState) -> Iterator[str]:
    if found.pause is not None:
        why = f": {found.pause.reason}" if found.pause.reason else ""
        yield f"the site is paused for {age(found.pause.since, found.at)}{why} ({found.pause.way_out})"


def _in_the_way(found: BackfillState) -> list[str]:
    """The reasons that keep it from going on, each with the way out."""
    said = [*_not_begun(found), *_paused(found)]
    said += (
        f"no requests go to {hold.registry} until {moment_text(hold.until)}: {hold.reason}" for hold in found.holds
    )
    if found.walk is not None and found.walk.failure is not None:
        said.append(f"the primary's catalogue cannot be read: {found.walk.failure}")
    if found.stands_since is not None and not found.opens_in_ms:
        said.append(f"the comparison has not moved for {age(found.stands_since, found.at)}: see geosync status")
    return [str(plain(text)) for text in said]


def _compared(far: Progress) -> str:
    return f"{far.compared} of {far.repositories}" + ("" if far.listed else " so far")


def _bar(done: int, total: int) -> ProgressBar:
    """The share that is done."""
    return ProgressBar(total=total or 1, completed=done if total else 1, width=BAR)


def _time_left(far: Progress) -> str:
    left = far.seconds_left
    if left is None:
        return "not known yet"
    if far.complete:
        return "none"
    # It is complete once two minutes in a row have seen nothing left: see note_progress.
    return age(0, round(left * 1000)) if left else "a minute, for a second look that nothing is left"
