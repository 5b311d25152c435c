"""`geosync promote` and `follow` where CloudFormation, the site or the operator get in the way: no half-done action.

CloudFormation is played, by its states and its errors; a failover that goes well is in tests/e2e/test_failover.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from click.testing import CliRunner, Result
from tests.functional.cli.conftest import REGION, PlayedClock, Site

from geosync.cli.failover import follow as following
from geosync.cli.failover import quiet_update, stack_update
from geosync.cli.main import main
from geosync.cli.site import AwsAccess
from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import SYSTEM_CLOCK
from geosync.errors import UpdateRefused
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site import pause as site_pause

SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:dublin-abc123"
OTHER = "geosync-dublin"
FAILED = "UPDATE_FAILED"
ENDED = datetime(2026, 3, 1, 12, 3, 11, tzinfo=UTC)


@dataclass
class CloudFormation:
    """Takes updates of stacks, as far as it is told to."""

    stacks: dict[str, DeployedSite]
    error: Exception | None = None
    """What update_stack ends with."""
    ends_in: str = "UPDATE_COMPLETE"
    meanwhile: Callable[[], None] = lambda: None
    updates: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """Of the updates that were begun."""

    def update_stack(self, **asked: Any) -> None:
        wanted = {"StackName", "UsePreviousTemplate", "Parameters", "Capabilities", "ClientRequestToken"}
        assert set(asked) == wanted
        # The API reference of UpdateStack: at most 128 characters, of which every retry sends the same.
        assert re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9]{0,127}", asked["ClientRequestToken"])
        assert asked["UsePreviousTemplate"]
        assert "CAPABILITY_IAM" in asked["Capabilities"]
        stack, parameters = asked["StackName"], asked["Parameters"]
        given = {one["ParameterKey"]: one["ParameterValue"] for one in parameters if "ParameterValue" in one}
        site = self.stacks[stack]
        assert {one["ParameterKey"] for one in parameters} == set(site.parameters)  # what is left out is reset
        self.meanwhile()
        if self.error is not None:
            raise self.error
        self.updates.append(given)
        self.tokens.append(asked["ClientRequestToken"])
        after = {**site.parameters, **given} if self.ends_in == "UPDATE_COMPLETE" else site.parameters
        self.stacks[stack] = replace(site, state=self.ends_in, parameters=after)

    def get_paginator(self, operation: str) -> CloudFormation:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, *, StackName: str, PaginationConfig: dict[str, int]) -> list[dict[str, Any]]:  # noqa: N803
        """Two pages: the events of the last update, and those of one long ago."""
        assert PaginationConfig == {"MaxItems": stack_update.EVENTS}
        stack = {"StackId": "id", "LogicalResourceId": StackName, "PhysicalResourceId": "id"}
        why = "Resource handler returned message: not authorized to perform lambda:UpdateFunctionConfiguration"
        failed = {**stack, "LogicalResourceId": "SyncFunction", "PhysicalResourceId": "f", "ResourceStatus": FAILED}
        last = [
            {**stack, "ResourceStatus": self.ends_in},
            {**failed, "LogicalResourceId": "AdminFunction", "ResourceStatusReason": "Resource update cancelled"},
            {**failed, "ResourceStatusReason": why},
            {**stack, "ResourceStatus": "UPDATE_IN_PROGRESS"},
        ]
        tokens = self.tokens[-1:]
        return [
            {
                "StackEvents": [
                    {**one, "ClientRequestToken": token, "Timestamp": ENDED} for token in tokens for one in last
                ]
            },
            {"StackEvents": [{**failed, "ResourceStatusReason": "of an update long ago", "Timestamp": ENDED}]},
        ]


def refused(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "UpdateStack")


@pytest.fixture
def cloudformation(secondary: Site, stacks: dict[str, DeployedSite], monkeypatch: pytest.MonkeyPatch) -> CloudFormation:
    """Two sites: frankfurt, a secondary, and dublin, a primary."""
    made, clients = CloudFormation(stacks), AwsAccess.client
    monkeypatch.setattr(
        AwsAccess,
        "client",
        lambda self, service, region=None: made if service == "cloudformation" else clients(self, service, region),
    )
    secondary.well()
    secret = boto3.client("secretsmanager", region_name=REGION).create_secret(Name="report", SecretString="t" * 48)
    outputs = {**secondary.outputs, "ReportTokenSecretArn": secret["ARN"], "TopicArn": "topic"}
    empty = ("PrimaryTopicArn", "PrimaryRegistryUrl", "PrimaryRegistrySecretArn", "PrimaryAdminUrl")
    parameters = dict.fromkeys(empty, "") | {"LocalRegistryVendor": "auto", "PrimaryRegistryVendor": "auto"}
    for stack, name, role in ((secondary.stack, "frankfurt", "secondary"), (OTHER, "dublin", "primary")):
        own = {"SiteName": name, "SiteRole": role, "LocalRegistryUrl": f"https://{name}.example.com"}
        site = replace(stacks[secondary.stack], stack=stack, outputs=outputs, parameters=parameters | own)
        stacks[stack] = site
    return made


def pause(site: Site) -> str | None:
    """The reason of the site's pause."""
    item = site.sync_registry._store.get(site_pause.KEY)
    return str(item["reason"]) if item is not None else None


def follow(site: Site, *options: str, typed: str = "") -> Result:
    return CliRunner().invoke(
        main, ["--stack", site.stack, "--region", REGION, "follow", f"{OTHER}@{REGION}", *options], input=typed
    )


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


# ── promote, run again ──


def lost(answer: Result) -> set[str]:
    return {f"{one['repository']}:{one['reference']}" for one in json.loads(answer.stdout)["lost"]}


def becomes(cloudformation: CloudFormation, state: str, **changed: str) -> None:
    """The stack of the secondary gets into a state, with parameters that changed."""
    site = cloudformation.stacks["geosync-test"]
    parameters = {**site.parameters, **changed}
    cloudformation.stacks["geosync-test"] = replace(site, state=state, parameters=parameters)


def interrupted(site: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promotion whose terminal died while the update was under way; CloudFormation shows the new role by then."""
    with monkeypatch.context() as patched:

        def dies(_: DeployedSite) -> str:
            raise KeyboardInterrupt

        patched.setattr(stack_update, "wait", dies)
        answer = site.run("promote", "--yes", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["promoted"]) == (2, None)  # nobody can tell
    becomes(cloudformation, "UPDATE_IN_PROGRESS", SiteRole="primary")


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
    assert document["since"] == round(ENDED.timestamp() * 1000)
    assert (pause(secondary), len(cloudformation.updates)) == (None, 1)
    # Once more, whoever lost the list gets the same: the message, too, that has left the DLQ since.
    secondary.sqs.purge_queue(QueueUrl=secondary.outputs["DeadLetterQueueUrl"])
    again = secondary.run("promote", "--yes", "--json")
    assert (again.exit_code, json.loads(again.stdout)["dead_letters"], again.stderr) == (1, 1, "")
    assert {**json.loads(again.stdout), "recovery_point": None} == {**document, "recovery_point": None}
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


# ── what is being copied, what is in the queue ──


def test_a_holder_is_waited_for_however_much_is_owed(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        secondary.sync_registry.mark(f"group/backlog{number}", Reference.tag("v1"))
    monkeypatch.setattr("geosync.operating.status.MOST", 2)
    assert secondary.sync_registry.acquire("group/app") is not None
    monkeypatch.setattr(quiet_update, "DRAIN_SECONDS", 0.05)
    answer = secondary.run("promote", "--yes")
    assert answer.exit_code == 2
    assert "still copies in 1 repository after 0 min; nothing was changed" in answer.output
    assert answer.output.count("still copies in 1 repository: this takes at most") == 1
    assert (pause(secondary), cloudformation.updates) == (None, [])


def test_a_tag_write_that_may_still_land_is_waited_for(
    secondary: Site, cloudformation: CloudFormation, clock: PlayedClock
) -> None:
    lease = secondary.sync_registry.acquire("group/app")
    assert lease is not None
    suspecting = secondary.sync_registry.suspect(lease)
    secondary.sync_registry.release(suspecting)
    began: list[int] = []
    cloudformation.meanwhile = lambda: began.append(clock.now_ms())
    answer = secondary.run("promote", "--yes")
    assert cloudformation.updates
    assert began[0] >= suspecting.suspect_until
    said = r"may still take a tag write that was not answered, in 1 repository: this takes at most [1-6]?\d s …"
    assert len(re.findall(said, answer.output)) == 1


def test_a_holder_that_vanished_is_waited_for_until_its_last_write_has_landed(
    secondary: Site, cloudformation: CloudFormation, clock: PlayedClock, stacks: dict[str, DeployedSite]
) -> None:
    site = stacks[secondary.stack]
    stacks[secondary.stack] = replace(site, parameters={**site.parameters, "SuspectSeconds": "90"})
    lease = secondary.sync_registry.acquire("group/app")
    assert lease is not None
    began: list[int] = []
    cloudformation.meanwhile = lambda: began.append(clock.now_ms())
    answer = secondary.run("promote", "--yes")
    assert began[0] >= lease.expires + 90_000
    assert "still copies in 1 repository: this takes at most 16 min …" in answer.output
    assert re.search(r"may still take a tag write .* at most (8|9)\d s …", answer.output)


def test_an_operator_who_does_not_wait_for_it_has_changed_nothing(
    secondary: Site, cloudformation: CloudFormation, clock: PlayedClock
) -> None:
    assert secondary.sync_registry.acquire("group/app") is not None

    def interrupt() -> None:
        if len(clock.slept) == 5:
            raise KeyboardInterrupt

    clock.meanwhile = interrupt
    answer = secondary.run("promote", "--yes")
    assert answer.exit_code == 2
    assert (pause(secondary), cloudformation.updates) == (None, [])


def test_what_waits_in_the_queues_is_said_to_be_missing_from_the_list(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet_update, "EVENTS_SECONDS", 0.05)
    secondary.sqs.send_message(QueueUrl=secondary.outputs["EventsQueueUrl"], MessageBody="{}")
    secondary.sqs.send_message(QueueUrl=secondary.outputs["DeadLetterQueueUrl"], MessageBody="{}")
    said = CliRunner().invoke(main, ["--stack", secondary.stack, "promote"], input="no\n")
    assert (
        "1 event in the queue, 1 message in the DLQ: the references that they name may be missing, too" in said.output
    )
    answer = secondary.run("promote", "--yes", "--json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["events_waiting"], document["dead_letters"]) == (1, 1, 1)


def test_a_primary_that_is_alive_is_pointed_out(secondary: Site, cloudformation: CloudFormation) -> None:
    now = SYSTEM_CLOCK.now_ms()
    secondary.sync_registry.heartbeat.record(site="dublin", sent_at=now, arrived_at=now)
    said = CliRunner().invoke(main, ["--stack", secondary.stack, "promote"], input="no\n")
    assert "dublin was alive 0 s ago" in said.output
    assert "stop pushes first" in said.output
    assert (said.exit_code, cloudformation.updates) == (3, [])


# ── follow ──


def test_the_new_primary_s_registry_is_followed_with_its_vendor_and_a_secret(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    leader = cloudformation.stacks[OTHER]
    own = {"LocalRegistrySecretArn": "arn:…", "LocalRegistryVendor": "gitlab"}
    cloudformation.stacks[OTHER] = replace(leader, parameters={**leader.parameters, **own})
    missing = follow(secondary, "--yes")
    assert missing.exit_code == 2
    assert "the registry of dublin asks for credentials: --registry-secret ARN" in missing.output
    assert cloudformation.updates == []
    cloudformation.error = refused("stop here")  # what comes after it needs functions
    follow(secondary, "--yes", "--registry-secret", SECRET)
    cloudformation.error = None
    follow(secondary, "--yes", "--registry-secret", SECRET)
    (update,) = cloudformation.updates
    assert update["SiteRole"] == "secondary"
    assert update["PrimaryRegistryUrl"] == "https://dublin.example.com"
    assert (update["PrimaryRegistrySecretArn"], update["PrimaryRegistryVendor"]) == (SECRET, "gitlab")


@pytest.mark.parametrize(
    "options",
    [
        ("--registry-secret", SECRET.replace(REGION, "us-west-2")),
        ("--registry-secret", "geosync/registry"),
        ("--registry-url", "https://user:password@registry.example.com"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused_before_anything_is_paused(
    secondary: Site, cloudformation: CloudFormation, options: tuple[str, str]
) -> None:
    answer = follow(secondary, "--yes", *options)
    assert (answer.exit_code, options[0] in answer.output) == (2, True)
    assert (pause(secondary), cloudformation.updates) == (None, [])


def test_a_pause_of_an_operator_s_stays_theirs(secondary: Site, cloudformation: CloudFormation) -> None:
    secondary.sync_registry.pause("storage is moved")
    cloudformation.error = refused("not authorized")
    during: list[str | None] = []
    cloudformation.meanwhile = lambda: during.append(pause(secondary))
    assert follow(secondary, "--yes").exit_code == 2
    assert re.fullmatch(r"following dublin \[[0-9a-f]{8}\]", str(during[0]))
    assert pause(secondary) == "storage is moved"


@pytest.mark.parametrize("before", [None, "storage is moved", ""])
def test_nobody_else_ends_or_takes_the_pause_of_a_promotion(
    secondary: Site, cloudformation: CloudFormation, before: str | None
) -> None:
    if before is not None:
        secondary.sync_registry.pause(before)
    answers: list[Result] = []
    cloudformation.meanwhile = lambda: answers.extend(
        secondary.run(*command) for command in (("resume",), ("pause", "mine"), ("resume", "--abandoned", "01234567"))
    )
    cloudformation.error = refused("not authorized")
    secondary.run("promote", "--yes")
    for answer in answers:
        assert answer.exit_code == 2
        assert re.search(r"paused by a change of its role \(promotion \[[0-9a-f]{8}\]\)", answer.output)
        assert "geosync promote, run again, ends it" in answer.output
    assert (len(answers), pause(secondary)) == (3, before)


def test_an_abandoned_promotion_s_pause_ends_by_its_id_once_its_update_has_ended(
    secondary: Site, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(secondary, cloudformation, monkeypatch)
    made = re.search(r"[0-9a-f]{8}", str(pause(secondary)))
    assert made is not None
    becomes(cloudformation, "UPDATE_IN_PROGRESS", SiteRole="secondary")
    refusal = secondary.run("resume", "--abandoned", made[0])
    assert (refusal.exit_code, "is UPDATE_IN_PROGRESS, nothing was changed" in refusal.output) == (2, True)
    becomes(cloudformation, "UPDATE_ROLLBACK_COMPLETE")
    assert secondary.run("resume").exit_code == 2
    assert pause(secondary) is not None
    assert secondary.run("resume", "--abandoned", made[0]).exit_code == 0
    assert pause(secondary) is None


def test_a_primary_that_is_to_follow_another_is_told_whose_pushes_are_newer(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    stacks = cloudformation.stacks
    site = stacks[secondary.stack]
    stacks[secondary.stack] = replace(site, parameters={**site.parameters, "SiteRole": "primary"})
    said = follow(secondary, typed="dublin\n")
    assert "The last push that frankfurt published came more than" in said.output
    assert "A tag that both have becomes what it is at dublin." in said.output
    assert "frankfurt (it is a primary now) follows dublin. Type its name" in said.output
    assert (said.exit_code, cloudformation.updates) == (3, [])
