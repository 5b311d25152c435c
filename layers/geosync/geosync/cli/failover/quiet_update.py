"""One change of a site's role, while nothing is copied there."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping

import click

from geosync.cli.failover.stack_update import update
from geosync.cli.output import DECLINED, FOR_PEOPLE, Format, count
from geosync.cli.site import StackSite
from geosync.cli.status.look import waiting
from geosync.errors import NotDrained, UpdateRefused
from geosync.sync_registry.owed_index import TagWriters
from geosync.sync_registry.site.pause import role_change
from geosync.sync_registry.timing import ms

DRAIN_SECONDS = 960.0
"""The longest that functions/sync runs, and a minute: then no copy of an earlier invocation is under way any more."""
SUSPECT_SECONDS = 60
"""In place of the parameter SuspectSeconds where a stack lacks it."""
EVENTS_SECONDS = 60.0
"""The longest that a promotion waits until the events in the queue are marked."""
POLL_SECONDS = 2.0
LOOKS = 2
"""Looks in a row that must see nobody at work: an acquire from just before the pause lands in the moment after it."""


def must_not_ask(output: Format, *, yes: bool) -> None:
    """Refuse to ask on the standard output that a program reads; raises UsageError."""
    if output not in FOR_PEOPLE and not yes:
        raise click.UsageError(f"-o {output} asks no questions: say --yes too")


def confirm(site: StackSite, what: str) -> None:
    """Ask for the site's name: a slip of the finger is not an answer. Raises SystemExit (3) when it is another."""
    try:
        answer = click.prompt(f"{what}. Type its name to go on", default="", show_default=False)
    except click.Abort:  # Ctrl-C, or nobody is there to answer
        answer = ""
        click.echo()
    if answer != site.name:
        click.echo("Nothing was changed.")
        raise SystemExit(DECLINED)


def quiet_update(
    site: StackSite,
    why: str,
    changes: Mapping[str, str],
    *,
    say: bool,
    before: Callable[[str], None] = lambda _: None,
) -> None:
    """Pause the site, wait for its copies under way, update its stack, and end the pause.

    `before` is called with the update's token before there is an update. The pause ends when the update is complete or
    was refused. While nobody can tell what the site is, it stays paused: a copy from the old primary must not land on
    what is pushed to the new one. Raises NotDrained, UpdateRefused, UpdateUnderWay.
    """
    token = f"geosync-{uuid.uuid4().hex}"
    reason = role_change(why, token)
    site.sync_registry.pauses.take(reason)
    role_is_known = True
    try:
        _drain(site, say=say)
        if changes["SiteRole"] == "primary":
            take_events(site, say=say)
        before(token)
        role_is_known = False
        update(site, changes, token=token)
        role_is_known = True
    except UpdateRefused:
        role_is_known = True
        raise
    finally:
        if role_is_known:
            site.sync_registry.pauses.give_back(reason)
        else:
            click.echo(f"{site.name} stays paused until its role is known: run the same command again.", err=True)


def _drain(site: StackSite, *, say: bool) -> None:
    """Wait until nobody holds a repository, and no tag write of an earlier holder can land any more."""
    clock = site.clock
    end = clock.monotonic_s() + DRAIN_SECONDS
    quiet, said = 0, ""
    while True:
        now_ms = clock.now_ms()
        found = tag_writers(site, now_ms)
        quiet = 0 if found.held or found.left else quiet + 1
        if quiet == LOOKS:
            return
        what = work_left(found)
        if say and what not in ("", said):
            click.echo(f"{site.name} {what}: this takes at most {_longest(found, now_ms)} …", err=True)
            said = what
        if what and clock.monotonic_s() > end:
            raise NotDrained(f"{site.name} {what} after {DRAIN_SECONDS / 60:.0f} min; nothing was changed")
        clock.sleep(POLL_SECONDS)


def tag_writers(site: StackSite, now_ms: int) -> TagWriters:
    """The repositories for which a change of role would wait at `now_ms` (ms)."""
    suspect_ms = ms(float(site.parameters.get("SuspectSeconds") or SUSPECT_SECONDS))
    return site.sync_registry.owed_index.tag_writers(now_ms=now_ms, suspect_ms=suspect_ms)


def work_left(found: TagWriters) -> str:
    """The work that a change of role waits for; empty where there is none."""
    if found.held:
        return f"still copies in {count(len(found.held), 'repository', 'repositories')}"
    if found.left:
        number = count(len(found.left), "repository", "repositories")
        return f"may still take a tag write that was not answered, in {number}"
    return ""


def _longest(found: TagWriters, now_ms: int) -> str:
    if found.held:
        return f"{DRAIN_SECONDS / 60:.0f} min"
    return f"{math.ceil((max(found.left.values()) - now_ms) / 1000)} s"


def take_events(site: StackSite, *, say: bool, seconds: float = EVENTS_SECONDS) -> None:
    """Wait a while until the events in the queue are taken: a secondary marks what they name, a primary drops it."""
    end = site.clock.monotonic_s() + seconds
    while (events := waiting(site, "EventsQueueUrl")) and site.clock.monotonic_s() < end:
        if say:
            click.echo(f"{site.name} still takes {count(events, 'event')} …", err=True)
        site.clock.sleep(POLL_SECONDS)
