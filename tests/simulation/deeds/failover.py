"""A promotion, and the other sites that follow: the commands themselves, run by an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from tests.simulation.calls import Caller
from tests.simulation.site import Site
from tests.simulation.stacks import Session
from tests.simulation.story import Deed, Story

from geosync.cli.failover.follow import follow
from geosync.cli.failover.promote import promote
from geosync.cli.site import AwsAccess, Chosen, StackName
from geosync.errors import GeosyncError


def run_command(story: Story, site: Site, command: click.Command, *arguments: str) -> bool:
    """Run a command for a site, in the task of an operator; what it says goes into the story.

    False: it did not get to its end, so that an operator runs it again.
    """
    stack = story.world.stacks[site.name]
    session = cast(boto3.Session, Session(story.world.stacks))
    chosen = Chosen(access=AwsAccess(session=session), stack=StackName(name=stack.name, region=site.region))
    what = f"{site.name}: geosync {command.name} {' '.join(arguments)}"
    story.tell(what)
    try:
        command.main(list(arguments), standalone_mode=False, obj=lambda: chosen)
    except SystemExit as end:
        story.tell(f"{what}: exit code {end.code}")
        return end.code in (0, 1)
    except (BotoCoreError, ClientError, GeosyncError, click.ClickException) as error:
        story.tell(f"{what}: {type(error).__name__}: {error}")
        return False
    return True


def fail_over(story: Story) -> None:
    """The primary is lost, or is only to be another site: a secondary is promoted, and the others follow it."""
    world, random = story.world, story.random
    if world.is_failing_over or any(site.parameters["SITE_ROLE"] == "primary" for site in story.secondaries):
        return
    site, old = story.secondary(), story.primary
    world.is_failing_over = True
    if random.random() < 0.5:
        story.tell(f"{old.name}: the primary is gone")
        old.server.is_down = True
        story.later(random.random() * 300, lambda: _back(old))
    _begin(story, lambda: _promote_and_follow(story, site))


def _back(site: Site) -> None:
    site.server.is_down = False


def _begin(story: Story, run: Callable[[], Any]) -> None:
    story.world.scheduler.spawn(run, "operator", Caller("operator"))


def _promote_and_follow(story: Story, site: Site) -> None:
    world, random = story.world, story.random
    while not run_command(story, site, promote, "--yes", "--json") or world.primary is not site:
        world.scheduler.sleep(10.0)
    for other in world.sites.values():
        is_done = other is site
        while not is_done:
            world.scheduler.sleep(random.random() * 60)
            primary = f"{world.stacks[site.name].name}@{site.region}"
            is_done = run_command(story, other, follow, primary, "--yes") and world.follows(other, site)
    world.is_failing_over = False
    story.tell("everybody follows")


DEEDS: list[tuple[float, Deed]] = [(0.15, fail_over)]
