"""`geosync promote`: a secondary becomes the primary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NoReturn

import click
from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.audit import audited
from geosync.cli.failover.losses import count_unmarked, losses, losses_document, read_losses, warning_of_a_primary_alive
from geosync.cli.failover.next_steps import next_steps
from geosync.cli.failover.quiet_update import confirm, must_not_ask, quiet_update, take_events
from geosync.cli.failover.stack_update import (
    PROMOTION,
    UNDER_WAY,
    completed_at,
    events_of,
    find_again,
    must_take_updates,
    reason,
    wait,
)
from geosync.cli.output import (
    CANNOT_TELL,
    FOR_PEOPLE,
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Format,
    Part,
    age,
    moment_text,
    output_option,
    plain,
    put,
    show,
)
from geosync.cli.site import Chosen, StackSite
from geosync.clock import moment
from geosync.errors import GeosyncError, UpdateRefused
from geosync.operating.status import Status
from geosync.sync_registry.site.promotions import Promotion

LAST_EVENTS_SECONDS = 10.0
"""The longest wait for what came to the queue during the update of the stack."""


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@click.pass_obj
def promote(choose: Callable[[], Chosen], *, yes: bool, output: Format) -> None:
    """Make this secondary the primary.

    Shows the recovery point and, by name, what was pushed to the old primary and is not here: that is lost unless the
    old primary comes back. Then one update of this site's stack; nothing is called in another region. The other sites
    are pointed here by `geosync follow`. Run again after an interruption, it follows the update to its end and shows
    the list again, or says why the update was undone, and begins anew.

    Exit code 0: this site is the primary, and nothing is known to be lost. 1: it is the primary, and something is lost,
    or may be. 2: it is not, or nobody can tell yet. 3: declined, nothing was changed. With -o json `promoted` is true,
    false or (nobody can tell) null. An output for programs asks no questions and needs --yes.
    """
    must_not_ask(output, yes=yes)
    promoting = _Promoting(choose().site(), output)
    try:
        promoting.run(yes=yes)
    except (GeosyncError, BotoCoreError, ClientError) as error:
        promoting.end_badly(str(error))
    except (KeyboardInterrupt, click.Abort):
        promoting.end_badly("interrupted: run the same command again")


def make_primary(site: StackSite, *, say: bool, note: Callable[[bool | None], object] = lambda _: None) -> Promotion:
    """Make a secondary the primary, and let it go on; the promotion is recorded before the update of its stack begins.

    `note` is told whether that made the site the primary; None while nobody can tell. Raises NotDrained, UpdateRefused,
    UpdateUnderWay, NotAudited.
    """
    begun: list[Promotion] = []
    promotions = site.sync_registry.promotions

    def record(token: str) -> None:
        begun.append(Promotion(token=token, began_at=site.clock.now_ms(), **count_unmarked(site)))
        promotions.begin(begun[0])
        note(None)

    with audited(site, "promote"):
        try:
            quiet_update(site, "promotion", PROMOTION, say=say, before=record)
        except UpdateRefused:
            note(False)
            for one in begun:
                promotions.forget(one.token)
            raise
        note(True)
        return _end(site, begun[0])


class _Promoting:
    """One run of the command. `_promoted`: it has made the site the primary; None: nobody can tell."""

    def __init__(self, site: StackSite, output: Format) -> None:
        self._site = site
        self._output = output
        self._is_for_people = output in FOR_PEOPLE
        self._promoted: bool | None = False

    def run(self, *, yes: bool) -> NoReturn:
        """Promote the site, or finish what an earlier run began; raises SystemExit, and what stops it."""
        last = self._site.sync_registry.promotions.latest()
        self._follow_to_its_end(last)
        site = self._site
        must_take_updates(site)
        if site.is_primary:
            self._finish_earlier(last)
        site.must_be_secondary("promote")
        if last is not None and last.ended_at is None:
            _say_what_became_of(site, last)
        if self._is_for_people:
            found = read_losses(site)
            show(*losses(site, found.status, found.unmarked), *warning_of_a_primary_alive(found.status))
        if not yes:
            pause = site.sync_registry.pauses.read()
            if pause is not None and pause.role_change is not None:
                click.echo(f"An interrupted command left {site.name} paused; {pause.abandoning} ends that, too.")
            confirm(site, f"{site.name} becomes the primary")
        done = make_primary(site, say=self._is_for_people, note=self._note)
        self._report(done, again=False)

    def end_badly(self, why: str) -> NoReturn:
        """Say what stopped the command, and whether the site is the primary all the same; raises SystemExit."""
        name = self._site.name
        text = f"{name} is the primary, but what it lacks could not be shown: {why}" if self._promoted else why
        click.echo(f"Error: {text}", err=True)
        if not self._is_for_people:
            document = {"site": name, "promoted": self._promoted, "reason": text}
            put(Answer(document=document, rows=[], shown=[]), self._output)
        raise SystemExit(SOMETHING_WRONG if self._promoted else CANNOT_TELL)

    def _note(self, promoted: bool | None) -> None:
        self._promoted = promoted

    def _follow_to_its_end(self, last: Promotion | None) -> None:
        """Follow the update of a promotion that is under way, whoever began it; the site is read again then."""
        site = self._site
        if last is None or last.ended_at is not None or not site.state.endswith(UNDER_WAY):
            return
        if events_of(site, last.token) == []:
            return  # the update is another one's
        since = age(last.began_at, site.clock.now_ms())
        click.echo(
            f"A promotion begun {since} ago has put {site.stack} into {site.state}: waiting for its end …", err=True
        )
        self._promoted = None
        try:
            wait(site)
        except KeyboardInterrupt:
            click.echo("The update goes on: run the same command again.", err=True)
            raise
        self._site = find_again(site)
        self._promoted = False

    def _finish_earlier(self, last: Promotion | None) -> None:
        """Finish what an earlier run left to be done at a primary; raises SystemExit if that run promoted it."""
        site = self._site
        if last is not None:
            self._promoted = True
            again = last.ended_at is not None
            if not again:
                with audited(site, "promote", "finished"):
                    last = _end(site, last)
            self._report(last, again=again)
        pause = site.sync_registry.pauses.read()
        if pause is not None and pause.role_change is not None:
            with audited(site, "promote", "its pause ended"):
                site.sync_registry.pauses.give_back()

    def _report(self, done: Promotion, *, again: bool) -> NoReturn:
        """Report that the site is the primary, and the losses; raises SystemExit. `again`: it was before this run."""
        site = self._site
        found = site.read_status()
        since = done.ended_at or done.began_at
        head = {"site": site.name, "promoted": True, "role": "primary", "since": moment(since), "since_ms": since}
        document = {**head, **losses_document(found), **done.unmarked}
        shown = list(_shown(site, done, found, again=again)) if self._is_for_people else []
        put(Answer(document=document, rows=document["lost"], shown=shown), self._output)
        is_known = found.recovery_point is not None  # otherwise nobody knows what was pushed and is not here
        is_complete = is_known and found.nothing_owed and not any(done.unmarked.values())
        raise SystemExit(NOTHING_OWED if is_complete else SOMETHING_WRONG)


def _say_what_became_of(site: StackSite, last: Promotion) -> None:
    events = events_of(site, last.token)
    why = "no update of the stack was begun" if events == [] else f"CloudFormation undid its update: {reason(events)}"
    since = age(last.began_at, site.clock.now_ms())
    click.echo(f"A promotion begun {since} ago failed: {plain(why)}. This one begins anew.", err=True)


def _end(site: StackSite, done: Promotion) -> Promotion:
    """Let the new primary go on, and record since when it is the primary."""
    site.sync_registry.pauses.clear()  # somebody's earlier one, too: a primary copies nothing
    at = completed_at(events_of(site, done.token)) or site.clock.now_ms()
    take_events(site, say=False, seconds=LAST_EVENTS_SECONDS)  # a heartbeat on its way is no push that is missing
    return site.sync_registry.promotions.end(done, count_unmarked(site), at=at)


def _shown(site: StackSite, done: Promotion, found: Status, *, again: bool) -> Iterator[Part]:
    if again:
        since = moment_text(done.ended_at or done.began_at)
        yield f"{site.name} is the primary since {since}; nothing was changed now."
    else:
        yield f"{site.name} is the primary. Pushes to its registry are published from now on."
    yield from next_steps(site)
    if found.would_be_lost or found.recovery_point is None or any(done.unmarked.values()):
        yield "Not here when the promotion ended (an earlier list may have been longer):"
        yield from losses(site, found, done.unmarked)
