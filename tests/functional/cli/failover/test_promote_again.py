"""A second run of promote: it follows, finishes, explains or restarts the first one's update."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from click.testing import Result
from tests.functional.cli.conftest import PlayedClock, Site
from tests.functional.cli.stacks import (
    ENDED,
    CloudFormation,
    becomes,
    follow,
    interrupted,
    pause,
    refused,
)

from geosync.cli.failover import follow as following
from geosync.cli.site import AwsAccess
from geosync.cli.site import StackSite as DeployedSite
from geosync.sync_registry.items import Reference

# ── promote, run again ──


def lost(answer: Result) -> set[str]:
    return {f"{one['repository']}:{one['reference']}" for one in json.loads(answer.stdout)["lost"]}


def as_it_was(document: dict[str, Any]) -> dict[str, Any]:
    """A document of promote without the fields that change with time."""
    lost = [{**one, "lag_seconds": None} for one in document["lost"]]
    return {**document, "recovery_point": None, "recovery_point_at": None, "lost": lost}


def ends_during_the_wait(cloudformation: CloudFormation, clock: PlayedClock, **how: str) -> list[float]:
    """The update under way ends at the second look; the pauses between the looks."""
    clock.slept.clear()

    def end() -> None:
        if len(clock.slept) == 2:
            becomes(cloudformation, **how)

    clock.meanwhile = end
    return clock.slept


def test_an_update_under_way_is_followed_to_its_end_and_the_list_is_shown(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, clock: PlayedClock
) -> None:
    secondary.sync_registry.mark("group/app", Reference.tag("v2"))
    secondary.sqs.send_message(QueueUrl=secondary.outputs["DeadLetterQueueUrl"], MessageBody="{}")
    interrupted(secondary, cloudformation, monkeypatch)
    assert (pause(secondary) or "").startswith("promotion [")
    pauses = ends_during_the_wait(cloudformation, clock, state="UPDATE_COMPLETE")
    answer = secondary.run("promote", "--yes", "--json")
    said = r"A promotion begun \d+ s ago has put geosync-test into UPDATE_IN_PROGRESS: waiting for its end"
    assert re.search(said, answer.stderr)
    assert (answer.exit_code, lost(answer), len(pauses)) == (1, {"group/app:v2"}, 2)
    document = json.loads(answer.stdout)
    assert (document["since"], document["since_ms"]) == ("2026-03-01T12:03:11.000Z", round(ENDED.timestamp() * 1000))
    assert (pause(secondary), len(cloudformation.updates)) == (None, 1)
    # Once more, whoever lost the list gets the same: the message, too, that has left the DLQ since.
    secondary.sqs.purge_queue(QueueUrl=secondary.outputs["DeadLetterQueueUrl"])
    again = secondary.run("promote", "--yes", "--json")
    assert (again.exit_code, json.loads(again.stdout)["dead_letters"], again.stderr) == (1, 1, "")
    assert as_it_was(json.loads(again.stdout)) == as_it_was(document)
    told = secondary.run("promote")
    assert "frankfurt is the primary since 2026-03-01T12:03:11Z; nothing was changed now." in told.output
    assert "v2" in told.output
    assert len(cloudformation.updates) == 1


def test_an_update_that_ended_while_nobody_looked_is_finished_with_nothing_lost(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(secondary, cloudformation, monkeypatch)
    becomes(cloudformation, "UPDATE_COMPLETE")
    answer = secondary.run("promote")  # asks nothing: there is nothing to decide
    assert (answer.exit_code, "frankfurt is the primary. Pushes to its registry" in answer.output) == (0, True)
    assert (pause(secondary), len(cloudformation.updates)) == (None, 1)


def test_an_update_that_was_undone_while_nobody_looked_is_explained_and_made_anew(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, clock: PlayedClock
) -> None:
    interrupted(secondary, cloudformation, monkeypatch)
    cloudformation.ends_in = "UPDATE_ROLLBACK_COMPLETE"
    ends_during_the_wait(cloudformation, clock, state="UPDATE_ROLLBACK_COMPLETE", SiteRole="secondary")
    declined = secondary.run("promote")
    assert "failed: CloudFormation undid its update: SyncFunction: Resource handler" in declined.stderr
    assert re.search(r"paused; geosync resume --abandoned [0-9a-f]{8} ends that, too", declined.stdout)
    assert (declined.exit_code, len(cloudformation.updates)) == (3, 1)
    cloudformation.ends_in = "UPDATE_COMPLETE"
    answer = secondary.run("promote", "--yes")
    assert (answer.exit_code, "failed: CloudFormation undid its update" in answer.stderr) == (0, True)
    assert (pause(secondary), len(cloudformation.updates)) == (None, 2)
    assert cloudformation.stacks[secondary.stack].role == "primary"
    assert len(set(cloudformation.tokens)) == 2


def test_a_promotion_that_never_got_to_its_update_is_told_from_one_that_was_undone(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    cloudformation.error = EndpointConnectionError(endpoint_url="https://cloudformation.example.com")
    assert secondary.run("promote", "--yes").exit_code == 2
    # A deployment of somebody else's is not taken for it.
    becomes(cloudformation, "UPDATE_IN_PROGRESS")
    refusal = secondary.run("promote", "--yes")
    assert (refusal.exit_code, "somebody changes it right now" in refusal.output) == (2, True)
    becomes(cloudformation, "UPDATE_COMPLETE")
    cloudformation.error = None
    answer = secondary.run("promote", "--yes")
    assert (answer.exit_code, "no update of the stack was begun. This one begins anew." in answer.stderr) == (0, True)


def test_leaving_while_an_update_is_followed_says_that_it_goes_on(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, clock: PlayedClock
) -> None:
    interrupted(secondary, cloudformation, monkeypatch)

    def leave() -> None:
        raise KeyboardInterrupt

    clock.meanwhile = leave
    answer = secondary.run("promote", "--yes")
    assert (answer.exit_code, "The update goes on: run the same command again." in answer.stderr) == (2, True)
    assert pause(secondary) is not None


def test_a_state_that_cannot_be_read_for_a_moment_does_not_end_the_wait(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, left = DeployedSite.find, [EndpointConnectionError(endpoint_url="https://cloudformation.example.com")]

    def throttled(access: AwsAccess, name: Any) -> DeployedSite:
        if cloudformation.updates and left:
            raise left.pop()
        return find(access, name)

    monkeypatch.setattr(DeployedSite, "find", throttled)
    assert secondary.run("promote", "--yes").exit_code == 0
    assert left == []


def test_a_refused_promotion_and_one_before_another_primary_was_followed_are_forgotten(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudformation.error = refused("not authorized")
    assert secondary.run("promote", "--yes").exit_code == 2
    cloudformation.error = None
    assert secondary.run("promote", "--yes").stderr == ""  # nothing to tell of the one before
    assert secondary.run("promote", "--yes").exit_code == 0
    monkeypatch.setattr(following, "key_of", lambda site: "0" * 64)
    with suppress(ClientError):
        follow(secondary, "--yes")  # its last step needs functions
    becomes(cloudformation, "UPDATE_COMPLETE", SiteRole="primary")  # by a deployment
    answer = secondary.run("promote", "--yes")
    assert (answer.exit_code, answer.stdout, "is the primary: promote is for" in answer.stderr) == (2, "", True)
