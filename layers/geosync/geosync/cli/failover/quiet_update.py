"""One change of a site's role, while nothing is copied there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

import click

from geosync.cli.failover.pause import end_pause, pause_site
from geosync.cli.failover.stack_update import update
from geosync.cli.output import DECLINED, count
from geosync.cli.site import StackSite
from geosync.cli.status import waiting
from geosync.errors import NotDrained, UpdateRefused

DRAIN_SECONDS = 960.0
"""The longest that functions/sync runs, and a minute: then no copy of an earlier invocation is under way any more."""
EVENTS_SECONDS = 60.0
"""The longest that a promotion waits until the events in the queue are marked."""
POLL_SECONDS = 2.0
LOOKS = 2
"""Looks in a row that must see nobody at work: an acquire from just before the pause lands in the moment after it."""


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
    reason = f"{why} [{token[-8:]}]"
    pause_site(site, reason)
    role_is_known = True
    try:
        _drain(site, say=say)
        if changes["SiteRole"] == "primary":
            _take_events(site, say=say)
        before(token)
        role_is_known = False
        update(site, changes, token=token)
        role_is_known = True
    except UpdateRefused:
        role_is_known = True
        raise
    finally:
        if role_is_known:
            end_pause(site, reason)
        else:
            click.echo(f"{site.name} stays paused until its role is known: run the same command again.", err=True)


def _drain(site: StackSite, *, say: bool) -> None:
    """Wait until nobody holds a repository: no tag is written after that."""
    clock = site.clock
    end = clock.monotonic_s() + DRAIN_SECONDS
    quiet, said = 0, 0
    while True:
        working = len(site.sync_registry.owed_index.leased(now_ms=clock.now_ms()))
        quiet = 0 if working else quiet + 1
        if quiet == LOOKS:
            return
        if say and working not in (0, said):
            _say_drain(site, working)
            said = working
        if working and clock.monotonic_s() > end:
            raise NotDrained(f"{site.name} still copies in {_repositories(working)}; nothing was changed")
        clock.sleep(POLL_SECONDS)


def _say_drain(site: StackSite, working: int) -> None:
    minutes = f"{DRAIN_SECONDS / 60:.0f} min"
    text = f"{site.name} finishes its copies in {_repositories(working)}: this takes at most {minutes} …"
    click.echo(text, err=True)


def _repositories(number: int) -> str:
    return f"{number} {'repository' if number == 1 else 'repositories'}"


def _take_events(site: StackSite, *, say: bool) -> None:
    """Wait a while until the events in the queue are marked: a primary drops what comes there."""
    end = site.clock.monotonic_s() + EVENTS_SECONDS
    while (events := waiting(site, "EventsQueueUrl")) and site.clock.monotonic_s() < end:
        if say:
            click.echo(f"{site.name} still takes {count(events, False, 'event')} …", err=True)
        site.clock.sleep(POLL_SECONDS)
