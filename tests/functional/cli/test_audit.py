"""The audit log of what the command does: each action with its caller, at each site that it touches, or not done."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.functional.cli.conftest import REGION, PlayedClock, Site
from tests.functional.cli.stacks import OTHER, CloudFormation, cloudformation, follow, refused
from tests.functional.cli.test_commands import PARKED, dead_letter
from tests.functional.cli.test_wrong_site import PRIMARY, WITHOUT_A_SITE, commands
from tests.support.event_log import create_event_log
from tests.support.noted import note_finding

from geosync.cli.main import main
from geosync.operating.audit import Audit
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site import catalogue
from geosync.sync_registry.site.findings import Dismissal, Finding

__all__ = ["cloudformation"]

ACTIONS: dict[str, tuple[str, ...]] = {
    "pause": ("storage is moved",),
    "resume": (),
    "resync": ("group/app", "v1", "--keep"),
    "reverify": ("group/app",),
    "backfill start": (),
    "deletes resume": (),
    "extras adopt": ("group/app", "old"),
    "extras dismiss": ("group/app", "--reason", "known to us"),
    "extras undismiss": ("group/app",),
    "dlq replay": ("--all",),
    "token create": ("ci",),
}
"""What acts on a secondary, with arguments."""
BY_ITSELF = {"dlq discard", "promote", "follow", "token revoke", "wait", "drill"}
"""What has tests of its own: here, of `dlq discard` in test_commands.py, of `token revoke` in test_tokens.py, of `wait`
in test_wait.py, of `drill` in drill/test_drill.py."""
LOOKS = {
    *("status", "slo", "check", "backfill", "deletes status", "extras list", "dlq list", "sites list", "sites key"),
    *(
        "repositories",
        "show",
        "events",
        "selection preview",
        "token list",
        "sites status",
        "logs",
        "open",
        "init",
        "costs",
    ),
}


def test_every_command_acts_and_is_written_down_or_only_looks() -> None:
    acting = {*ACTIONS, *BY_ITSELF, "sites add", "sites remove"}
    assert sorted(commands(main)) == sorted([*acting, *LOOKS, *WITHOUT_A_SITE])


def prepare(site: Site, command: str) -> None:
    """Have something that the command can end."""
    if command == "resume":
        site.sync_registry.pause()
    finding = Finding(repository="group/app", found_at=1, extra=1, extra_names=("old",))
    if command.startswith("extras"):
        note_finding(site.sync_registry._store, finding, None)
    if command == "extras undismiss":
        site.sync_registry.findings.dismiss(finding, Dismissal(at=2, by="anna", reason="known"))


def entry(site: Site) -> dict[str, Any]:
    (found,) = site.audit()
    return found


@pytest.mark.parametrize("command", ACTIONS)
def test_an_action_is_written_down_with_who_and_what(secondary: Site, command: str) -> None:
    secondary.well()
    dead_letter(secondary, PARKED)
    prepare(secondary, command)
    arguments = ACTIONS[command]
    answer = secondary.run(*command.split(), *arguments)
    assert answer.exit_code == 0, answer.output
    found = entry(secondary)
    assert (found["action"], found["outcome"], found["status"]) == (f"geosync {command}", "done", "200")
    assert found["who"] == boto3.client("sts", region_name=REGION).get_caller_identity()["Arn"]
    assert found["source"] == "command line"
    assert all(word in found["detail"] for word in arguments)
    shown = secondary.run("events", "--audit", "--hours", "1")  # each hour that is read is a query
    assert f"geosync {command}" in shown.output


@pytest.mark.parametrize("command", ACTIONS)
def test_an_action_that_cannot_be_written_down_is_not_taken(secondary: Site, command: str) -> None:
    dead_letter(secondary, PARKED)
    prepare(secondary, command)
    paused, found = secondary.sync_registry.is_paused(), secondary.sync_registry.findings.get("group/app")
    boto3.client("dynamodb", region_name=REGION).delete_table(TableName=secondary.outputs["EventsTable"])
    answer = secondary.run(*command.split(), *ACTIONS[command])
    assert (answer.exit_code, "so nothing was done" in answer.output) == (2, True)
    assert secondary.sync_registry.is_paused() is paused
    assert secondary.sync_registry.findings.get("group/app") == found
    assert secondary.bodies("WorkQueueUrl") == []
    assert secondary.sync_registry.catalogue._store.get(catalogue.KEY) is None
    assert secondary.sync_registry.breaker.state().accepted_at == 0
    assert secondary.sync_registry.admin_access.all() == []


def test_a_caller_that_aws_does_not_know_does_nothing(secondary: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> str:
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "…"}}, "GetCallerIdentity")

    monkeypatch.setattr("geosync.cli.audit.caller_of", unknown)
    answer = secondary.run("pause")
    assert (answer.exit_code, secondary.sync_registry.is_paused()) == (2, False)


def test_an_action_that_fails_is_written_down_as_failed(secondary: Site) -> None:
    secondary.sqs.delete_queue(QueueUrl=secondary.outputs["WorkQueueUrl"])
    assert secondary.run("resync", "group/app").exit_code == 2
    assert (entry(secondary)["outcome"], entry(secondary)["status"]) == ("failed", "500")
    assert secondary.run("dlq", "replay", "no-such-id").exit_code == 1
    assert secondary.audit()[-1]["outcome"] == "failed"


def test_an_end_that_cannot_be_written_down_is_said(secondary: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "Throttling", "Message": "…"}}, "UpdateItem")

    monkeypatch.setattr(Audit, "end", fails)
    answer = secondary.run("pause")
    assert (answer.exit_code, secondary.sync_registry.is_paused()) == (0, True)
    assert "has the action, but not how it ended" in answer.stderr
    assert entry(secondary)["outcome"] == "begun"


def test_a_command_that_did_nothing_writes_no_audit_entry(secondary: Site) -> None:
    assert "is not paused" in secondary.run("resume").output
    assert secondary.run("resync", "Group/App").exit_code == 2
    assert secondary.audit() == []


def test_expecting_a_site_and_no_more_is_written_down_without_its_key(primary: Site) -> None:
    for name, arguments in PRIMARY.items():
        primary.run(*name.split(), *arguments)
    actions = [(one["action"], one["outcome"]) for one in primary.audit()]
    assert sorted(actions) == [("geosync sites add", "done"), ("geosync sites remove", "done")]
    assert "0" * 64 not in json.dumps(primary.audit())


def test_a_promotion_is_written_down_at_the_site(
    secondary: Site, cloudformation: CloudFormation, clock: PlayedClock
) -> None:
    secondary.sync_registry.mark("group/app", Reference.tag("v2"))
    cloudformation.error = refused("not authorized")
    assert secondary.run("promote", "--yes").exit_code == 2
    cloudformation.error = None
    clock.ahead_s += 1
    assert secondary.run("promote", "--yes").exit_code == 1  # with a loss
    assert secondary.run("promote", "--yes").exit_code == 1  # shows it again, and does nothing
    found = [(one["action"], one["outcome"]) for one in secondary.audit()]
    assert found == [("geosync promote", "failed"), ("geosync promote", "done")]


def test_following_another_primary_is_written_down_at_both_sites(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    events = boto3.client("dynamodb", region_name=REGION)
    leader = cloudformation.stacks[OTHER]
    create_event_log(events, "events-of-dublin")
    cloudformation.stacks[OTHER] = replace(leader, outputs={**leader.outputs, "EventsTable": "events-of-dublin"})
    with suppress(ClientError):
        follow(secondary, "--yes")  # its last step needs functions
    (here,) = secondary.audit()
    assert (here["action"], here["detail"]) == ("geosync follow", f"{OTHER}@{REGION}")
    (there,) = events.scan(TableName="events-of-dublin")["Items"]
    assert (there["action"]["S"], there["outcome"]["S"]) == ("geosync follow", "done")
    assert "by frankfurt" in there["detail"]["S"]
    assert there["who"]["S"] == here["who"]


def test_a_site_whose_name_the_leader_knows_of_another_is_refused_before_anything_is_paused(
    secondary: Site, cloudformation: CloudFormation
) -> None:
    secondary.sync_registry.sites.add(name="frankfurt", url="https://elsewhere.example.com", key="0" * 64, now_ms=1)
    answer = follow(secondary, "--yes")
    assert (answer.exit_code, "two sites must not have one name" in answer.output) == (2, True)
    assert (cloudformation.updates, secondary.sync_registry.is_paused(), secondary.audit()) == ([], False, [])


def test_two_stacks_with_one_name_cannot_follow_each_other(secondary: Site, cloudformation: CloudFormation) -> None:
    leader = cloudformation.stacks[OTHER]
    cloudformation.stacks[OTHER] = replace(leader, parameters={**leader.parameters, "SiteName": "frankfurt"})
    answer = follow(secondary, "--yes")
    assert (answer.exit_code, "two sites must not have one name" in answer.output) == (2, True)
