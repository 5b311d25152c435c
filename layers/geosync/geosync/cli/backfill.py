"""`geosync backfill`: how far the backfill, or the comparison after it, got; `start` begins the next one now."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click
from rich.progress_bar import ProgressBar

from geosync import actions
from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, console, plain, table
from geosync.cli.site import Chosen
from geosync.replication.progress import Progress, progress
from geosync.sync_registry.registry import wall_clock

BAR = 30


@click.group(invoke_without_command=True)
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_context
def backfill(ctx: click.Context, *, as_document: bool) -> None:
    """Show how far the backfill, and each comparison after it, got: done, total, rate, time left.

    Exit code 0: the last one is complete. 1: it goes on, something that it found has failed, or none has begun.
    """
    if ctx.invoked_subcommand is not None:
        return
    site = ctx.obj().site()
    site.must_be_secondary("backfill")
    found = progress(site.store)
    if as_document:
        as_json(document(found))
    else:
        show(found)
    raise SystemExit(NOTHING_OWED if found is not None and found.complete else SOMETHING_WRONG)


@backfill.command()
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


def document(found: Progress | None) -> dict[str, Any]:
    """The progress for programs; null where nothing can be said."""
    if found is None:
        return {"progress": None}
    counted = asdict(found) | {"rate": found.rate, "tag_rate": found.tag_rate, "seconds_left": found.seconds_left}
    return {"progress": counted}


def show(found: Progress | None) -> None:
    """The progress for people."""
    out, now = console(), wall_clock()
    if found is None:
        out.print(plain("None has begun yet: the next minute asks for it.", "yellow"))
        return
    total = f"{found.repositories}" if found.listed else f"{found.repositories} so far"
    rows = [
        ("begun", f"{age(found.started_at, now)} ago" + (", complete" if found.complete else "")),
        (
            "repositories",
            f"{found.compared} of {total}, {found.rate:.1f} a second",
            _bar(found.compared, found.repositories),
        ),
        ("tags", f"{found.tags} compared, {found.found} of them different"),
        (
            "copied",
            f"{found.settled} of {found.found}, {found.tag_rate:.1f} a second",
            _bar(found.settled, found.found),
        ),
        ("time left", _time_left(found)),
    ]
    head = table(("", "", ""), [row if len(row) == 3 else (*row, "") for row in rows])
    head.show_header = False
    out.print(head)


def _bar(done: int, total: int) -> ProgressBar | str:
    """How much of it is done: a bar where somebody sees it, a share in a pipe."""
    done, total = (done, total) if total else (1, 1)
    if sys.stdout.isatty():
        return ProgressBar(total=total, completed=done, width=BAR)
    return f"{100 * done // total} %"


def _time_left(found: Progress) -> str:
    left = found.seconds_left
    if left is None:
        return "not known yet"
    return "none" if found.complete else age(0, round(left * 1000))
