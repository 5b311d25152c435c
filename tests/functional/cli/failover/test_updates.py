"""A stack's update that cannot begin, is refused, fails or is interrupted; two operators at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from tests.functional.cli.conftest import REGION, Site
from tests.functional.cli.stacks import OTHER, CloudFormation, follow, pause, refused

from geosync.cli.failover import stack_update
from geosync.cli.site import AwsAccess
from geosync.cli.site import StackSite as DeployedSite
from geosync.errors import UpdateRefused

# ── a stack that takes no update ──


@pytest.mark.parametrize(
    ("state", "way_out"),
    [
        ("UPDATE_IN_PROGRESS", "somebody changes it right now"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "somebody changes it right now"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "somebody changes it right now"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name geosync-test --region eu-central-1"),
        ("ROLLBACK_COMPLETE", "deploy it again"),
    ],
)
def test_a_state_that_takes_no_update_has_its_way_out(state: str, way_out: str) -> None:
    site = DeployedSite(
        access=AwsAccess.of(region=REGION), stack="geosync-test", region=REGION, state=state, parameters={}, outputs={}
    )
    with pytest.raises(UpdateRefused, match=f"{state}, nothing was changed: .*{way_out}"):
        stack_update.must_take_updates(site)


def test_nothing_is_begun_while_the_stack_takes_no_update(secondary: Site, cloudformation: CloudFormation) -> None:
    stacks = cloudformation.stacks
    stacks[secondary.stack] = replace(stacks[secondary.stack], state="UPDATE_IN_PROGRESS")
    for answer in (secondary.run("promote", "--yes"), follow(secondary, "--yes")):
        assert (answer.exit_code, "nothing was changed" in answer.output) == (2, True)
    assert (pause(secondary), cloudformation.updates) == (None, [])


def test_a_leader_that_is_still_becoming_the_primary_is_not_followed(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    cloudformation.stacks[OTHER] = replace(cloudformation.stacks[OTHER], state="UPDATE_IN_PROGRESS")
    answer = follow(secondary, "--yes")
    assert (answer.exit_code, "when it has become the primary" in answer.output) == (2, True)
    assert cloudformation.updates == []


# ── an update that is refused, fails, or goes on ──


def test_without_the_permission_the_site_goes_on_as_it_was(secondary: Site, cloudformation: CloudFormation) -> None:
    cloudformation.error = refused("User: arn:… is not authorized to perform: cloudformation:UpdateStack")
    answer = secondary.run("promote", "--yes")
    assert answer.exit_code == 2
    assert "not authorized to perform: cloudformation:UpdateStack; nothing was changed" in answer.output
    assert pause(secondary) is None


def test_an_update_that_is_rolled_back_names_what_failed_and_the_site_goes_on(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    cloudformation.ends_in = "UPDATE_ROLLBACK_COMPLETE"
    answer = secondary.run("promote", "--yes")
    assert answer.exit_code == 2
    assert "SyncFunction: Resource handler returned message: not authorized to perform lambda" in answer.output
    assert "it is what it was before" in answer.output
    assert pause(secondary) is None


@pytest.mark.parametrize(
    "fault",
    [
        {"ends_in": "UPDATE_ROLLBACK_FAILED"},
        {"error": EndpointConnectionError(endpoint_url="https://cloudformation.example.com")},
        {"error": KeyboardInterrupt()},
    ],
    ids=["half an update", "no answer", "interrupted"],
)
def test_while_nobody_can_tell_what_the_site_is_it_stays_paused_and_the_same_command_goes_on(
    secondary: Site, cloudformation: CloudFormation, fault: dict[str, Any]
) -> None:
    for name, value in fault.items():
        setattr(cloudformation, name, value)
    answer = secondary.run("promote", "--yes")
    assert answer.exit_code != 0
    assert "stays paused until its role is known: run the same command again" in answer.output
    assert (pause(secondary) or "").startswith("promotion [")
    # Once it can be updated again, the next one takes over and ends the pause.
    stacks = cloudformation.stacks
    stacks[secondary.stack] = replace(stacks[secondary.stack], state="UPDATE_ROLLBACK_COMPLETE")
    cloudformation.error, cloudformation.ends_in = None, "UPDATE_COMPLETE"
    assert secondary.run("promote", "--yes").exit_code == 0
    assert (pause(secondary), stacks[secondary.stack].role) == (None, "primary")


def test_a_promotion_that_came_about_though_its_command_was_interrupted_is_only_finished(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    secondary.sync_registry.pause("promotion [0123abcd]")
    stacks = cloudformation.stacks
    site = stacks[secondary.stack]
    stacks[secondary.stack] = replace(site, parameters={**site.parameters, "SiteRole": "primary"})
    answer = secondary.run("promote", "--yes")
    assert (answer.exit_code, "is the primary" in answer.output) == (2, True)
    assert (pause(secondary), cloudformation.updates) == (None, [])


# ── two operators ──


def test_the_second_of_two_operators_is_told_and_does_not_let_the_site_go_on_under_the_first(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    stacks = cloudformation.stacks

    def first() -> None:
        stacks[secondary.stack] = replace(stacks[secondary.stack], state="UPDATE_IN_PROGRESS")

    cloudformation.meanwhile = first
    cloudformation.error = refused("Stack:geosync-test is in UPDATE_IN_PROGRESS state and can not be updated.")
    answer = secondary.run("promote", "--yes")
    assert answer.exit_code == 2
    assert "somebody else updates it" in answer.output
    assert pause(secondary) is not None


def test_the_first_of_two_operators_leaves_the_pause_that_the_second_took_over(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    cloudformation.meanwhile = lambda: secondary.sync_registry.pauses.take("promotion [99999999]")
    cloudformation.error = refused("not authorized")
    assert secondary.run("promote", "--yes").exit_code == 2
    assert pause(secondary) == "promotion [99999999]"
