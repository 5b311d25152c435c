"""`geosync promote`: a secondary becomes the primary."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import click

from geosync.cli.failover.losses import count_unmarked, losses_document, show_losses, warn_if_primary_is_alive
from geosync.cli.failover.pause import end_pause, is_left_behind
from geosync.cli.failover.quiet_update import confirm, quiet_update
from geosync.cli.failover.stack_update import (
    UNDER_WAY,
    completed_at,
    events_of,
    find_again,
    must_take_updates,
    reason,
    wait,
)
from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, moment, plain
from geosync.cli.site import Chosen, StackSite
from geosync.errors import UpdateRefused
from geosync.operating import status as site_status
from geosync.operating.status import Status
from geosync.sync_registry.site.promotions import Promotion


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document of what is lost; needs --yes.")
@click.pass_obj
def promote(choose: Callable[[], Chosen], yes: bool, as_document: bool) -> None:
    """Make this secondary the primary.

    Shows the recovery point and, by name, what was pushed to the old primary and is not here: that is lost unless the
    old primary comes back. Then one update of this site's stack; nothing is called in another region. The other sites
    are pointed here by `geosync follow`. Run again after an interruption, it follows the update to its end and shows
    the list again, or says why the update was undone, and begins anew. Exit code 0: done, nothing is known to be lost.
    1: done, or declined, and something is.
    """
    if as_document and not yes:
        raise click.UsageError("--json asks no questions: say --yes too")
    site = choose().site()
    last = site.sync_registry.promotions.latest()
    site = _follow_to_its_end(site, last)
    must_take_updates(site)
    if site.is_primary:
        _finish_earlier(site, last, as_document=as_document)
    site.must_be_secondary("promote")
    if last is not None and last.ended_at is None:
        _say_what_became_of(site, last)
    if not as_document:
        found = site_status.read(site.sync_registry, clock=site.clock)
        show_losses(site, found, count_unmarked(site))
        warn_if_primary_is_alive(found)
    if not yes:
        if is_left_behind(site):
            click.echo(f"An interrupted command left {site.name} paused; geosync resume ends the pause, too.")
        confirm(site, f"{site.name} becomes the primary")
    _report(site, _begin(site, say=not as_document), as_document=as_document)


def _begin(site: StackSite, *, say: bool) -> Promotion:
    """Make the site the primary; the promotion is recorded before the update of its stack begins."""
    begun: list[Promotion] = []
    promotions = site.sync_registry.promotions

    def record(token: str) -> None:
        begun.append(Promotion(token=token, began_at=site.clock.now_ms(), **count_unmarked(site)))
        promotions.begin(begun[0])

    try:
        quiet_update(site, "promotion", {"SiteRole": "primary"}, say=say, before=record)
    except UpdateRefused:
        for one in begun:
            promotions.forget(one.token)
        raise
    return begun[0]


def _follow_to_its_end(site: StackSite, last: Promotion | None) -> StackSite:
    """Follow the update of a promotion that is under way, whoever began it; the site as it is then."""
    if last is None or last.ended_at is not None or not site.state.endswith(UNDER_WAY):
        return site
    if events_of(site, last.token) == []:
        return site  # the update is another one's
    since = age(last.began_at, site.clock.now_ms())
    click.echo(f"A promotion begun {since} ago has put {site.stack} into {site.state}: waiting for its end …", err=True)
    try:
        wait(site)
    except KeyboardInterrupt:
        click.echo("The update goes on: run the same command again.", err=True)
        raise
    return find_again(site)


def _say_what_became_of(site: StackSite, last: Promotion) -> None:
    events = events_of(site, last.token)
    why = "no update of the stack was begun" if events == [] else f"CloudFormation undid its update: {reason(events)}"
    since = age(last.began_at, site.clock.now_ms())
    click.echo(f"A promotion begun {since} ago failed: {plain(why)}. This one begins anew.", err=True)


def _finish_earlier(site: StackSite, last: Promotion | None, *, as_document: bool) -> None:
    """Finish what an earlier run left to be done at a site that is the primary; raises SystemExit if it promoted it."""
    if last is not None:
        _report(site, last, as_document=as_document)
    end_pause(site)


def _report(site: StackSite, done: Promotion, *, as_document: bool) -> NoReturn:
    """Report that the site is the primary, and the losses; raises SystemExit. Finishes an earlier run's rest first."""
    again = done.ended_at is not None
    if not again:
        done = _end(site, done)
    found = site_status.read(site.sync_registry, clock=site.clock)
    if as_document:
        since = done.ended_at or done.began_at
        head = {"site": site.name, "role": "primary", "since": since}
        as_json({**head, **losses_document(found), **done.unmarked})
    else:
        _tell(site, done, found, again=again)
    is_complete = found.nothing_owed and not any(done.unmarked.values())
    raise SystemExit(NOTHING_OWED if is_complete else SOMETHING_WRONG)


def _end(site: StackSite, done: Promotion) -> Promotion:
    """Let the new primary go on, and record since when it is the primary."""
    end_pause(site)
    site.sync_registry.resume()  # somebody's earlier pause, too: a primary copies nothing
    at = completed_at(events_of(site, done.token)) or site.clock.now_ms()
    return site.sync_registry.promotions.end(done, count_unmarked(site), at=at)


def _tell(site: StackSite, done: Promotion, found: Status, *, again: bool) -> None:
    if again:
        since = moment(done.ended_at or done.began_at)
        click.echo(f"{site.name} is the primary since {since}; nothing was changed now.")
    else:
        click.echo(f"{site.name} is the primary. Pushes to its registry are published from now on.")
    click.echo(f"Point each other site here: geosync --stack … follow {site.stack}@{site.region}")
    if found.would_be_lost or any(done.unmarked.values()):
        click.echo("Not here when the promotion ended (an earlier list may have been longer):")
        show_losses(site, found, done.unmarked)
