"""A stack that takes updates as a test wants, and the commands that update it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from tests.functional.cli.conftest import REGION, Site

from geosync.cli.failover import stack_update
from geosync.cli.main import main
from geosync.cli.site import AwsAccess
from geosync.cli.site import StackSite as DeployedSite
from geosync.sync_registry.site import pause as site_pause

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


def becomes(cloudformation: CloudFormation, state: str, **changed: str) -> None:
    """Put the secondary's stack into a state, with changed parameters."""
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
