"""One update of a site's stack, with the template that it has: how it ended, or that nobody can tell yet."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.site import Site, StackName
from geosync.errors import GeosyncError

UPDATE_SECONDS = 1200.0
"""The longest that an update is waited for. It changes the environment of four functions: a minute or two."""
POLL_SECONDS = 3.0
UNDER_WAY = "_IN_PROGRESS"
TAKES_UPDATES = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}


class UpdateRefused(GeosyncError):
    """CloudFormation did not carry out the update; the stack is as it was."""


class UpdateUnderWay(GeosyncError):
    """An update was begun, and nobody can tell how it ends."""

    retryable = True


def must_take_updates(site: Site) -> None:
    """Raise UpdateRefused, with the way out, while CloudFormation takes no update of the site's stack."""
    if site.state in TAKES_UPDATES:
        return
    where = f"--stack-name {site.stack} --region {site.region}"
    if site.state.endswith(UNDER_WAY):
        way_out = f"somebody changes it right now; try again when aws cloudformation describe-stacks {where} is done"
    elif site.state == "UPDATE_ROLLBACK_FAILED":
        way_out = f"aws cloudformation continue-update-rollback {where}, then try again"
    else:
        way_out = "see its events, and deploy it again"
    raise UpdateRefused(f"{site.stack} is {site.state}, nothing was changed: {way_out}")


def update(site: Site, changes: Mapping[str, str]) -> None:
    """Change parameters of a site's stack, and wait for the end. Raises UpdateRefused, UpdateUnderWay."""
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
        said = error.response["Error"]["Message"]
        if "No updates are to be performed" in said:
            return
        if _state(site).endswith(UNDER_WAY):
            raise UpdateUnderWay(f"{site.stack}: somebody else updates it: {said}") from error
        raise UpdateRefused(f"{site.stack}: {said}; nothing was changed") from error
    except BotoCoreError as error:  # it may have been taken, and the answer be lost
        raise UpdateUnderWay(f"{site.stack}: CloudFormation did not answer: {error}") from error
    _wait(site, cloudformation)


def _wait(site: Site, cloudformation: Any) -> None:
    end = time.monotonic() + UPDATE_SECONDS
    while (state := _state(site)).endswith(UNDER_WAY):
        if time.monotonic() > end:
            raise UpdateUnderWay(f"{site.stack} is {state} for {UPDATE_SECONDS / 60:.0f} minutes")
        time.sleep(POLL_SECONDS)
    if state == "UPDATE_COMPLETE":
        return
    text = f"{site.stack} is {state}: {_reason(site, cloudformation)}"
    if state == "UPDATE_ROLLBACK_COMPLETE":
        raise UpdateRefused(f"{text}; it is what it was before")
    raise UpdateUnderWay(text)


def _state(site: Site) -> str:
    """The stack's state now. Raises UpdateUnderWay when that cannot be read: an update may have been begun."""
    try:
        return Site.find(site.access, StackName(name=site.stack, region=site.region)).state
    except (BotoCoreError, ClientError, GeosyncError) as error:
        raise UpdateUnderWay(f"{site.stack}: its state cannot be read: {error}") from error


def _reason(site: Site, cloudformation: Any) -> str:
    """What failed first, by the stack's newest events."""
    try:
        events = cloudformation.describe_stack_events(StackName=site.stack)["StackEvents"]
    except (BotoCoreError, ClientError):
        events = []
    failed = "its events say why"
    for event in events:  # newest first, down to the beginning of this update
        status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
        if event.get("PhysicalResourceId") == event.get("StackId") and status == "UPDATE_IN_PROGRESS":
            break
        if status.endswith("_FAILED") and reason and "cancelled" not in reason:
            failed = f"{event['LogicalResourceId']}: {reason}"
    return failed
