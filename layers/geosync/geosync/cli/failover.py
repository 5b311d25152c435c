"""`geosync promote` and `geosync follow`: the primary is gone, or is to be another site.

Both are one update of a stack with the template that it has: no build, no source, and nothing that calls the lost
region. Before it the site is paused and what it copies right now ends, so that no copy of the old primary's lands on
what is pushed to the new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import click
from botocore.exceptions import ClientError, WaiterError

from geosync import sites
from geosync import status as site_status
from geosync.cli.output import (
    NOTHING_OWED,
    SOMETHING_WRONG,
    age,
    as_json,
    console,
    count,
    moment,
    plain,
    table,
)
from geosync.cli.site import Chosen, Site, StackName
from geosync.cli.sites import key_of
from geosync.errors import ConfigurationError, GeosyncError
from geosync.status import Status
from geosync.sync_registry.registry import wall_clock

DRAIN_SECONDS = 960.0
"""The longest that functions/sync runs, and a minute: then no copy of an earlier invocation is under way any more."""
POLL_SECONDS = 2.0
LISTED = 100
"""References listed for people; --json has all that were read."""


class NotDrained(GeosyncError):
    """Somebody still copies at the site, so that its role must not change yet."""

    retryable = True


class UpdateRefused(GeosyncError):
    """CloudFormation did not carry out the update; the stack is as it was."""


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document of what is lost; needs --yes.")
@click.pass_obj
def promote(choose: Callable[[], Chosen], yes: bool, as_document: bool) -> None:
    """Make this secondary the primary.

    Shows the recovery point and, by name, what was pushed to the old primary and is not here: that is lost unless the
    old primary comes back. Then one update of this site's stack; nothing is called in another region. The other sites
    are pointed here by `geosync follow`. Exit code 0: done, nothing is known to be lost. 1: done, or declined, and
    something is.
    """
    if as_document and not yes:
        raise click.UsageError("--json asks no questions: say --yes too")
    site = choose().site()
    site.must_be_secondary("promote")
    if not as_document:
        losses(site, site_status.read(site.store))
    if not yes:
        _confirm(site, f"{site.name} becomes the primary")
    _quietly(site, "promotion", {"SiteRole": "primary"}, say=not as_document)
    site.registry.resume()  # somebody's earlier pause, too: a primary copies nothing
    found = site_status.read(site.store)
    if as_document:
        as_json({"site": site.name, "role": "primary", **_document(found)})
    else:
        click.echo(f"{site.name} is the primary. What is pushed to its registry is published from now on.")
        click.echo(f"Point each other site here: geosync --stack … follow {site.stack}@{site.region}")
        if found.would_be_lost:
            click.echo("What was not here at the end (the list above may have been longer):")
            losses(site, found)
    raise SystemExit(NOTHING_OWED if found.nothing_owed else SOMETHING_WRONG)


@click.command()
@click.argument("primary", metavar="STACK[@REGION]")
@click.option("--registry-url", metavar="URL", help="The primary's registry as this site reaches it (default: as it).")
@click.option(
    "--registry-secret",
    metavar="ARN",
    default="",
    help="The secret in this site's region with credentials for it (default: it asks for none).",
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
    leader = Site.find(chosen.access, StackName.parse(primary))
    if leader.name == site.name:
        raise ConfigurationError(f"{site.name} cannot follow itself")
    if not leader.is_primary:
        raise ConfigurationError(f"{leader.name} is no primary: geosync --stack {leader.stack} promote makes it one")
    if not yes:
        was = " (it is a primary now)" if site.is_primary else ""
        _confirm(site, f"{site.name}{was} follows {leader.name}")
    changes = {
        "SiteRole": "secondary",
        "PrimaryTopicArn": leader.outputs["TopicArn"],
        "PrimaryRegistryUrl": registry_url or leader.parameters["LocalRegistryUrl"],
        "PrimaryRegistrySecretArn": registry_secret,
        "PrimaryAdminUrl": leader.outputs["AdminUrl"],
    }
    # What the other one shows of this site; without harm if the update does not come about.
    sites.add(leader.store, name=site.name, url=site.outputs["AdminUrl"], key=key_of(site), now=wall_clock())
    _quietly(site, f"following {leader.name}", changes, say=True)
    # The minute that comes anyway, now: the subscription is made, then a comparison of everything begins.
    site.client("lambda").invoke(FunctionName=site.outputs["ReconcileFunction"], Payload=b"{}")
    click.echo(f"{site.name} follows {leader.name}; everything is compared.")


def losses(site: Site, found: Status) -> None:
    """Show the recovery point, and what would be lost, by name."""
    out = console()
    if found.recovery_point is None:
        out.print(plain(f"The recovery point of {site.name} is not known.", "yellow"))
    else:
        passed = age(found.recovery_point, found.at)
        out.print(f"Everything pushed before {moment(found.recovery_point)} ({passed} ago) is at {site.name}.")
    if not found.would_be_lost:
        out.print("Nothing is known that was pushed and is not here. What came after the recovery point is not known.")
        return
    more = found.more_owed or found.more_parked
    out.print(plain(f"Not here: {count(len(found.would_be_lost), more, 'reference')}", "red"))
    rows = (
        (one.repository, one.reference, age(one.owed_since, found.at), one.failure or "") for one in found.would_be_lost
    )
    out.print(table(("repository", "reference", "owed", "failure"), list(rows)[:LISTED]))
    if len(found.would_be_lost) > LISTED:
        out.print(plain(f"… and {len(found.would_be_lost) - LISTED} more (--json)", "dim"))


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


def _quietly(site: Site, why: str, changes: Mapping[str, str], *, say: bool) -> None:
    """Pause the site, wait for what is being copied, update its stack, and let it go on.

    When the update is refused the site goes on as what it was. Raises NotDrained, UpdateRefused.
    """
    was_paused = site.registry.is_paused()
    site.registry.pause(why)
    try:
        _drain(site, say=say)
        update(site, changes)
    finally:
        if not was_paused:
            site.registry.resume()


def _drain(site: Site, *, say: bool) -> None:
    """Wait until nobody holds a repository: no tag is written after that."""
    end = time.monotonic() + DRAIN_SECONDS
    while working := site_status.read(site.store).worked_on:
        if time.monotonic() > end:
            raise NotDrained(f"{site.name} still copies in {working} repositories; nothing was changed")
        if say:
            click.echo(f"{site.name} ends what it copies: {count(working, False, 'repository')} …", err=True)
        time.sleep(POLL_SECONDS)


def update(site: Site, changes: Mapping[str, str]) -> None:
    """Change parameters of a site's stack, with the template that it has, and wait. Raises UpdateRefused."""
    cloudformation = site.client("cloudformation")
    parameters = [
        {"ParameterKey": name, "ParameterValue": changes[name]}
        if name in changes
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in site.parameters
    ]
    try:
        cloudformation.update_stack(
            StackName=site.stack,
            UsePreviousTemplate=True,
            Parameters=parameters,
            # The template has roles, and is written in SAM's terms, which CloudFormation expands.
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    except ClientError as error:
        if "No updates are to be performed" in error.response["Error"]["Message"]:
            return
        raise UpdateRefused(f"{site.stack}: {error.response['Error']['Message']}") from error
    try:
        waiter = cloudformation.get_waiter("stack_update_complete")
        waiter.wait(StackName=site.stack, WaiterConfig={"Delay": 3, "MaxAttempts": 400})
    except WaiterError as error:
        raise UpdateRefused(f"{site.stack}: the update did not end well; its events say why") from error
