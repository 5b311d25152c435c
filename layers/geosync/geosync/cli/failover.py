"""`geosync promote` and `geosync follow`: the primary is gone, or is to be another site.

Both are one update of a stack with the template that it has: no build, no source, and nothing that calls the lost
region. Before it the site is paused and what it copies right now ends, so that no copy of the old primary's lands on
what is pushed to the new one.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, NoReturn

import click
from boto3.dynamodb.conditions import Attr

from geosync.cli import promotions
from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, console, count, moment, plain, table
from geosync.cli.promotions import Promotion
from geosync.cli.site import Chosen, Site, StackName
from geosync.cli.sites import key_of
from geosync.cli.stack_update import (
    UNDER_WAY,
    completed_at,
    events_of,
    must_take_updates,
    reason,
    update,
    wait,
)
from geosync.cli.status import dead_letters, waiting
from geosync.errors import ConfigurationError, NotDrained, UpdateRefused
from geosync.messages import event_log
from geosync.operating import sites
from geosync.operating import status as site_status
from geosync.operating.status import Status
from geosync.sync_registry.registry import wall_clock
from geosync.sync_registry.site import holds
from geosync.sync_registry.table.changes import ConditionFailed, Delete

DRAIN_SECONDS = 960.0
"""The longest that functions/sync runs, and a minute: then no copy of an earlier invocation is under way any more."""
EVENTS_SECONDS = 60.0
"""How long a promotion waits until the events in the queue are marked."""
POLL_SECONDS = 2.0
LOOKS = 2
"""So many looks in a row that see nobody at work: whoever asked just before the pause begins in the moment after it."""
LISTED = 100
"""References listed for people; --json has all that were read."""
ALIVE_MS = 180_000
"""The primary posts a heartbeat every minute: with one that is no older it was not gone."""
NO_SECRET = "none"  # noqa: S105 - the word for none
OURS = re.compile(r"(promotion|following [a-z0-9-]+) \[[0-9a-f]{8}\]")
"""The reason of a pause that one of these commands made, and did not end if it was interrupted."""


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
    last = promotions.read(site.store)
    site = _to_its_end(site, last)
    must_take_updates(site)
    if site.is_primary:
        if last is not None:
            _promoted(site, last, as_document=as_document)
        _let_go(site)
    site.must_be_secondary("promote")
    if last is not None and last.ended_at is None:
        _say_what_became_of(site, last)
    if not as_document:
        found = site_status.read(site.store)
        losses(site, found, _unmarked(site))
        _still_alive(found)
    if not yes:
        if OURS.fullmatch(_pause_reason(site) or ""):
            click.echo(f"{site.name} is paused by a command that was interrupted; geosync resume ends that, too.")
        _confirm(site, f"{site.name} becomes the primary")
    begun: list[Promotion] = []

    def begin(token: str) -> None:
        begun.append(Promotion(token=token, began_at=wall_clock(), **_unmarked(site)))
        promotions.begin(site.store, begun[0])

    try:
        _quietly(site, "promotion", {"SiteRole": "primary"}, say=not as_document, before=begin)
    except UpdateRefused:
        for one in begun:
            promotions.forget(site.store, one.token)
        raise
    _promoted(site, begun[0], as_document=as_document)


def _to_its_end(site: Site, last: Promotion | None) -> Site:
    """Follow the update of a promotion that is under way, whoever began it; the site as it is then."""
    if last is None or last.ended_at is not None or not site.state.endswith(UNDER_WAY):
        return site
    if events_of(site, last.token) == []:
        return site  # it is another one's
    since = age(last.began_at, wall_clock())
    click.echo(f"{site.stack} is {site.state}, by a promotion begun {since} ago: waiting for its end …", err=True)
    try:
        wait(site)
    except KeyboardInterrupt:
        click.echo("The update goes on: run the same command again.", err=True)
        raise
    return Site.find(site.access, StackName(name=site.stack, region=site.region))


def _say_what_became_of(site: Site, last: Promotion) -> None:
    events = events_of(site, last.token)
    why = "no update of the stack was begun" if events == [] else f"its update was undone: {reason(events)}"
    since = age(last.began_at, wall_clock())
    click.echo(f"A promotion begun {since} ago did not come about, {plain(why)}. This one begins anew.", err=True)


def _promoted(site: Site, done: Promotion, *, as_document: bool) -> NoReturn:
    """Say that the site is the primary, and what was lost; raises SystemExit. Finishes what is left to be done."""
    again = done.ended_at is not None
    if not again:
        _let_go(site)
        site.registry.resume()  # somebody's earlier pause, too: a primary copies nothing
        at = completed_at(events_of(site, done.token)) or wall_clock()
        done = promotions.end(site.store, done, _unmarked(site), at=at)
    found, unmarked = site_status.read(site.store), done.unmarked
    since = done.ended_at or done.began_at
    if as_document:
        as_json({"site": site.name, "role": "primary", "since": since, **_document(found), **unmarked})
    else:
        if again:
            click.echo(f"{site.name} is the primary since {moment(since)}; nothing was changed now.")
        else:
            click.echo(f"{site.name} is the primary. What is pushed to its registry is published from now on.")
        click.echo(f"Point each other site here: geosync --stack … follow {site.stack}@{site.region}")
        if found.would_be_lost or any(unmarked.values()):
            click.echo("What was not here at the end (a list before that may have been longer):")
            losses(site, found, unmarked)
    raise SystemExit(NOTHING_OWED if found.nothing_owed and not any(unmarked.values()) else SOMETHING_WRONG)


@click.command(short_help="Make this site a secondary of another primary.")
@click.argument("primary", metavar="STACK[@REGION]")
@click.option("--registry-url", metavar="URL", help="The primary's registry as this site reaches it (default: as it).")
@click.option(
    "--registry-secret",
    metavar="ARN",
    default="",
    help="The secret in this site's region with credentials for it; none if this site needs none.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def follow(
    choose: Callable[[], Chosen], primary: str, registry_url: str | None, registry_secret: str, yes: bool
) -> None:
    """Make this site a secondary of the primary STACK: after a promotion, or when an old primary comes back.

    Everything is compared anew. What only this site has stays: nothing that was here under another primary is removed.
    """
    chosen = choose()
    site = chosen.site()
    must_take_updates(site)
    leader = Site.find(chosen.access, StackName.parse(primary))
    if leader.name == site.name:
        raise ConfigurationError(f"{site.name} cannot follow itself")
    if not leader.is_primary:
        raise ConfigurationError(f"{leader.name} is no primary: geosync --stack {leader.stack} promote makes it one")
    if leader.state.endswith(UNDER_WAY):
        raise ConfigurationError(f"{leader.stack} is {leader.state}: try again when it has become the primary")
    changes = {
        "SiteRole": "secondary",
        "PrimaryTopicArn": leader.outputs["TopicArn"],
        "PrimaryRegistryUrl": _checked_url(registry_url) or leader.parameters["LocalRegistryUrl"],
        "PrimaryRegistrySecretArn": _secret(site, leader, registry_secret),
        "PrimaryRegistryVendor": leader.parameters.get("LocalRegistryVendor", "auto"),
        "PrimaryAdminUrl": leader.outputs["AdminUrl"],
    }
    if not yes:
        if site.is_primary:
            _compare_last_pushes(site, leader)
        was = " (it is a primary now)" if site.is_primary else ""
        _confirm(site, f"{site.name}{was} follows {leader.name}")
    # What the other one shows of this site; without harm if the update does not come about.
    sites.add(leader.store, name=site.name, url=site.outputs["AdminUrl"], key=key_of(site), now=wall_clock())
    _quietly(site, f"following {leader.name}", changes, say=True)
    promotions.forget(site.store)
    # The minute that comes anyway, now: the subscription is made, then a comparison of everything begins.
    site.client("lambda").invoke(FunctionName=site.outputs["ReconcileFunction"], Payload=b"{}")
    click.echo(f"{site.name} follows {leader.name}; everything is compared.")
    if site.registry.is_paused():
        click.echo(f"{site.name} is paused, as it was before: geosync resume", err=True)
    click.echo(f"See that all is right: geosync … check --primary {leader.stack}@{leader.region}")


def _checked_url(url: str | None) -> str | None:
    if url is not None and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", url):
        raise click.BadParameter("must be http(s)://host or http(s)://host:port", param_hint="--registry-url")
    return url


def _secret(site: Site, leader: Site, given: str) -> str:
    """The ARN that the site needs; raises UsageError when it is missing, and BadParameter for one that cannot be."""
    if not given and leader.parameters.get("LocalRegistrySecretArn"):
        raise click.UsageError(
            f"the registry of {leader.name} asks for credentials: --registry-secret ARN, or "
            f"--registry-secret {NO_SECRET} if {site.name} may read it without"
        )
    if not given or given == NO_SECRET:
        return ""
    if not re.fullmatch(rf"arn:aws[a-z-]*:secretsmanager:{re.escape(site.region)}:[0-9]{{12}}:secret:\S+", given):
        raise click.BadParameter(f"must be the ARN of a secret in {site.region}", param_hint="--registry-secret")
    return given


def _compare_last_pushes(site: Site, leader: Site) -> None:
    """Say who of two primaries took the last push: what this site has under the other's tags is overwritten."""
    now = wall_clock()
    for one in (site, leader):
        last = event_log.last(one.client("dynamodb"), one.outputs["EventsTable"], now=now)
        taken = f"{age(last.received_at, now)} ago" if last is not None else f"more than {event_log.HOURS} h ago"
        click.echo(f"The last push that {one.name} published came {taken}.")
    click.echo(f"A tag that both have becomes what it is at {leader.name}.")


def losses(site: Site, found: Status, unmarked: Mapping[str, int]) -> None:
    """Show the recovery point, what would be lost, by name, and how many messages may name more."""
    out = console()
    if found.recovery_point is None:
        out.print(plain(f"The recovery point of {site.name} is not known.", "yellow"))
    else:
        passed = age(found.recovery_point, found.at)
        out.print(f"Everything pushed before {moment(found.recovery_point)} ({passed} ago) is at {site.name}.")
    if not found.would_be_lost:
        out.print("Nothing is known that was pushed and is not here. What came after the recovery point is not known.")
        _not_in_the_list(unmarked)
        return
    more = found.more_owed or found.more_parked
    out.print(plain(f"Not here: {count(len(found.would_be_lost), more, 'reference')}", "red"))
    rows = (
        (one.repository, one.reference, age(one.owed_since, found.at), one.failure or "") for one in found.would_be_lost
    )
    out.print(table(("repository", "reference", "owed", "failure"), list(rows)[:LISTED]))
    if len(found.would_be_lost) > LISTED:
        out.print(plain(f"… and {len(found.would_be_lost) - LISTED} more (--json)", "dim"))
    _not_in_the_list(unmarked)


def _not_in_the_list(unmarked: Mapping[str, int]) -> None:
    if any(unmarked.values()):
        events, letters = unmarked["events_waiting"], unmarked["dead_letters"]
        text = f"{count(events, False, 'event')} in the queue, {count(letters, False, 'message')} in the DLQ"
        console().print(plain(f"{text}: what they name may be missing, too", "yellow"))


def _unmarked(site: Site) -> dict[str, int]:
    """Messages that may name what no list has yet."""
    return {"events_waiting": waiting(site, "EventsQueueUrl"), "dead_letters": dead_letters(site)}


def _still_alive(found: Status) -> None:
    """Say that the primary was there a moment ago: what it takes from now on does not come here."""
    beat = found.heartbeat
    if beat is not None and found.at - beat.sent_at < ALIVE_MS:
        text = f"{beat.site} was alive {age(beat.sent_at, found.at)} ago. What is pushed there from now on is not here"
        console().print(plain(f"{text}: stop pushes first, and wait until nothing is owed.", "yellow"))


def _document(found: Status) -> dict[str, Any]:
    return {
        "recovery_point": found.recovery_point,
        "lost": [asdict(one) for one in found.would_be_lost],
        "more_lost": found.more_owed or found.more_parked,
    }


def _confirm(site: Site, what: str) -> None:
    """Ask for the site's name: a slip of the finger is not an answer. Raises SystemExit when it is another."""
    if click.prompt(f"{what}. Type its name to go on", default="", show_default=False) != site.name:
        click.echo("Nothing was changed.")
        raise SystemExit(SOMETHING_WRONG)


def _quietly(
    site: Site,
    why: str,
    changes: Mapping[str, str],
    *,
    say: bool,
    before: Callable[[str], None] = lambda _: None,
) -> None:
    """Pause the site, wait for what is being copied, update its stack, and let it go on.

    `before` is called with the update's token before there is one.

    It goes on as what it was when the update is refused. While nobody can tell what it is, it stays paused: a copy
    from the old primary must not land on what is pushed to the new one. Raises NotDrained, UpdateRefused,
    UpdateUnderWay.
    """
    token = f"geosync-{uuid.uuid4().hex}"
    mine = f"{why} [{token[-8:]}]"
    _pause(site, mine)
    known = True
    try:
        _drain(site, say=say)
        if changes["SiteRole"] == "primary":
            _take_events(site, say=say)
        before(token)
        known = False
        update(site, changes, token=token)
        known = True
    except UpdateRefused:
        known = True
        raise
    finally:
        if known:
            _let_go(site, mine)
        else:
            click.echo(f"{site.name} stays paused until it is known what it is: run the same command again.", err=True)


def _pause(site: Site, mine: str) -> None:
    """Pause the site, taking over from a command that was interrupted; a pause of an operator's stays theirs."""
    if OURS.fullmatch(_pause_reason(site) or mine):
        site.registry.pause(mine)


def _pause_reason(site: Site) -> str | None:
    item = site.store.get(holds.PAUSE)
    return str(item.get("reason", "")) or "an operator" if item is not None else None


def _let_go(site: Site, mine: str | None = None) -> None:
    """End the pause that is ours (None: of any command here), and no other: somebody may have taken it over."""
    reason = mine or _pause_reason(site)
    if reason is None or not OURS.fullmatch(reason):
        return
    with suppress(ConditionFailed):
        site.store.write(Delete(key=holds.PAUSE, when=Attr("reason").eq(reason)))


def _drain(site: Site, *, say: bool) -> None:
    """Wait until nobody holds a repository: no tag is written after that."""
    end = time.monotonic() + DRAIN_SECONDS
    quiet, said = 0, 0
    while True:
        working = len(site_status.leased(site.store))
        quiet = 0 if working else quiet + 1
        if quiet == LOOKS:
            return
        text = f"{working} {'repository' if working == 1 else 'repositories'}"
        if say and working and working != said:
            click.echo(f"{site.name} ends what it copies, in {text}: {DRAIN_SECONDS / 60:.0f} min at most …", err=True)
            said = working
        if working and time.monotonic() > end:
            raise NotDrained(f"{site.name} still copies in {text}; nothing was changed")
        time.sleep(POLL_SECONDS)


def _take_events(site: Site, *, say: bool) -> None:
    """Wait a while until what is in the events queue is marked: a primary drops what comes there."""
    end = time.monotonic() + EVENTS_SECONDS
    while (events := waiting(site, "EventsQueueUrl")) and time.monotonic() < end:
        if say:
            click.echo(f"{site.name} still takes {count(events, False, 'event')} …", err=True)
        time.sleep(POLL_SECONDS)
