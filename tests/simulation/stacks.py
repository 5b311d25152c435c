"""CloudFormation, and the session of an operator's machine: what `geosync promote` and `geosync follow` need of AWS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from tests.simulation.calls import Caller
from tests.simulation.clock import EPOCH_MS
from tests.simulation.scheduler import Scheduler
from tests.simulation.site import Site

CLOUDFORMATION = Caller("cloudformation")
UPDATE_S = 60.0
"""The longest that an update takes; each function has its new environment at a moment of its own."""
UNSET = ("PRIMARY_TOPIC_ARN", "PRIMARY_REGISTRY_URL", "PRIMARY_REGISTRY_SECRET_ARN", "PRIMARY_REGISTRY_VENDOR")


@dataclass(slots=True)
class Stack:
    """A site's stack: its state, and its events, newest first. `fails`: the share of updates that are undone."""

    site: Site
    scheduler: Scheduler
    random: Random
    on_update: Callable[[], None]
    state: str = "CREATE_COMPLETE"
    fails: float = 0.0
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The stack's name."""
        return f"geosync-{self.site.name}"

    @property
    def is_quiet(self) -> bool:
        """Tell whether no update is under way."""
        return not self.state.endswith("_IN_PROGRESS")

    def describe(self) -> dict[str, Any]:
        """The stack as DescribeStacks shows it."""
        site, queues = self.site, self.site.queues
        parameters = {
            **dict.fromkeys((*UNSET, "PRIMARY_ADMIN_URL"), ""),
            "SITE_NAME": site.name,
            "LOCAL_REGISTRY_URL": f"https://{site.server.host}",
            **site.parameters,
        }
        outputs = {
            "SyncRegistryTable": f"{site.name}-sync",
            "EventsTable": f"{site.name}-events",
            "TopicArn": site.topic.arn,
            "AdminUrl": site.admin_url,
            "EventsQueueUrl": queues["events"].url,
            "WorkQueueUrl": queues["work"].url,
            "LiveQueueUrl": queues["live"].url,
            "DeadLetterQueueUrl": queues["dlq"].url,
            "ReportTokenSecretArn": f"{site.name}-report",
            "ReconcileFunction": f"{site.name}-reconcile",
        }
        return {
            "StackStatus": self.state,
            "Parameters": [
                {"ParameterKey": _camel(name), "ParameterValue": value} for name, value in parameters.items()
            ],
            "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
        }

    def update(self, parameters: Mapping[str, str], token: str) -> None:
        """Begin an update."""
        if not self.is_quiet:
            raise _refused(f"{self.name} is in {self.state} state and can not be updated")
        self.state = "UPDATE_IN_PROGRESS"
        self.scheduler.spawn(lambda: self._carry_out(dict(parameters), token), "update", CLOUDFORMATION)

    def _carry_out(self, parameters: dict[str, str], token: str) -> None:
        before = dict(self.site.parameters)
        is_undone = self.random.random() < self.fails
        self.site.parameters.update(parameters)
        self._change_functions()
        if is_undone:
            self.state = "UPDATE_ROLLBACK_IN_PROGRESS"
            self._event(token, "UPDATE_FAILED", "Resource handler returned message: internal failure")
            self.site.parameters.clear()
            self.site.parameters.update(before)
            self._change_functions()
        self.state = "UPDATE_ROLLBACK_COMPLETE" if is_undone else "UPDATE_COMPLETE"
        self._event(token, self.state, "")
        self.on_update()

    def _change_functions(self) -> None:
        functions = list(self.site.functions.values())
        self.random.shuffle(functions)
        for function in functions:
            self.scheduler.sleep(self.random.random() * UPDATE_S / len(functions))
            self.site.deploy(function.name)

    def _event(self, token: str, status: str, why: str) -> None:
        now_ms = EPOCH_MS + int(self.scheduler.now_s * 1000)
        event = {
            "StackId": self.name,
            "PhysicalResourceId": self.name,
            "LogicalResourceId": self.name,
            "ResourceStatus": status,
            "ResourceStatusReason": why,
            "ClientRequestToken": token,
            "Timestamp": datetime.fromtimestamp(now_ms / 1000, UTC),
        }
        self.events.insert(0, event)


class Session:
    """Replaces boto3.Session on an operator's machine."""

    def __init__(self, stacks: Mapping[str, Stack]) -> None:
        self._stacks = stacks

    def client(self, service: str, *, region_name: str, **_: Any) -> Any:
        """A client in a region."""
        stack = next(one for one in self._stacks.values() if one.site.region == region_name)
        if service == "cloudformation":
            return CloudFormationClient(self._stacks, region_name)
        if service == "lambda":
            return SimpleNamespace(invoke=lambda **_: stack.site.functions["reconcile"].invoke({}, lambda _: None))
        return stack.site.client(service)


class CloudFormationClient:
    """A boto3 client of CloudFormation."""

    def __init__(self, stacks: Mapping[str, Stack], region: str) -> None:
        self._stacks = {stack.name: stack for stack in stacks.values()}
        self.meta = SimpleNamespace(region_name=region)

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        """Describe one."""
        self._wait(StackName)
        return {"Stacks": [self._stacks[StackName].describe()]}

    def update_stack(
        self, *, StackName: str, Parameters: list[dict[str, Any]], ClientRequestToken: str, **_: Any
    ) -> None:
        """Begin to update one."""
        self._wait(StackName)
        given = {_snake(one["ParameterKey"]): one["ParameterValue"] for one in Parameters if "ParameterValue" in one}
        self._stacks[StackName].update(given, ClientRequestToken)

    def get_paginator(self, _: str) -> Any:
        """The events of a stack, page by page."""

        def paginate(*, StackName: str, **_: Any) -> Iterator[dict[str, Any]]:
            self._wait(StackName)
            return iter([{"StackEvents": list(self._stacks[StackName].events)}])

        return SimpleNamespace(paginate=paginate)

    def _wait(self, name: str) -> None:
        self._stacks[name].scheduler.sleep(0.2)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def _refused(text: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": text}}, "UpdateStack")
