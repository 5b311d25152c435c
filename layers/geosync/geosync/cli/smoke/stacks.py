"""The stacks of the two sites: begun side by side, and waited for."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from botocore.exceptions import ClientError

from geosync.cli.failover.stack_update import CAPABILITIES, POLL_SECONDS, UNDER_WAY, newest_events, reason
from geosync.cli.smoke.names import SIDES, Side, SmokePlace
from geosync.cli.smoke.package import CODE
from geosync.cli.smoke.steps import NotSeen, wait_for

DEPLOY_SECONDS = 1200.0
"""The longest that two stacks are waited for. On AWS each takes some minutes: two hundred resources, many at a time."""
DELETED = frozenset({"DELETE_COMPLETE", "DELETE_FAILED"})
"""The states in which a removal ends."""


def create(place: SmokePlace, side: Side, url: str, parameters: Mapping[str, str]) -> None:
    """Begin the stack of a site, with the template at a URL. A stack of that name is an error: none is changed."""
    region = place.regions[side]
    bucket = place.names.bucket(place.account, region)
    given = {**parameters, "CodeBucket": bucket, "CodePrefix": CODE}
    place.client("cloudformation", region).create_stack(
        StackName=place.names.stack(side),
        TemplateURL=url,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Capabilities=CAPABILITIES,
        Tags=place.names.tags,
        RetainExceptOnCreate=True,  # a stack that fails leaves no tables behind
    )


def await_created(place: SmokePlace) -> None:
    """Wait until both stacks are there. Raises NotSeen with the reason of the first that failed."""
    for side in SIDES:
        client, stack = place.client("cloudformation", place.regions[side]), place.names.stack(side)
        state = _await_end(client, stack, place)
        if state != "CREATE_COMPLETE":
            raise NotSeen(f"{stack} is {state}: {reason(newest_events(client, stack))}")


def delete(place: SmokePlace, region: str, stack_id: str, state: str) -> None:
    """Begin the removal of a stack; one that is updated just now is waited for first, as none of these is removed."""
    client = place.client("cloudformation", region)
    if state.startswith("UPDATE_") and state.endswith(UNDER_WAY):
        _await_end(client, stack_id, place)
    client.delete_stack(StackName=stack_id)


def await_deleted(place: SmokePlace, region: str, stack_id: str) -> str:
    """Wait until a stack's removal ends; returns its state then, "" where it is not known any more.

    A state of before the removal ends no wait: CloudFormation may tell it for a moment after. Raises NotSeen.
    """
    client = place.client("cloudformation", region)
    try:
        return _await_end(client, stack_id, place, ends=DELETED)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return ""


def _await_end(client: Any, stack: str, place: SmokePlace, *, ends: Container[str] | None = None) -> str:
    """Wait until a stack is in one of the states `ends` (None: in any in which nothing is under way)."""

    def look() -> str | None:
        state: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        has_ended = not state.endswith(UNDER_WAY) if ends is None else state in ends
        return state if has_ended else None

    return wait_for(look, f"the stack {stack}", clock=place.clock, timeout_s=DEPLOY_SECONDS, every_s=POLL_SECONDS)
