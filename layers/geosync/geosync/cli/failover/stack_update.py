"""One update of a site's stack, with the template that it has: its end, or that nobody can tell yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.following import is_temporary
from geosync.cli.site import StackName, StackSite
from geosync.errors import GeosyncError, UpdateRefused, UpdateUnderWay

UPDATE_SECONDS = 1200.0
"""The longest that an update is waited for. It changes the environment of five functions: a minute or two."""
POLL_SECONDS = 3.0
EVENTS = 1000
"""Of a stack's events, so many of the newest are looked through. A deployment makes a hundred or two."""
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
"""The template has roles, and is written in SAM's terms, which CloudFormation expands."""
PROMOTION = {"SiteRole": "primary"}
"""The parameters that a promotion changes."""
UNDER_WAY = "_IN_PROGRESS"
TAKES_UPDATES = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}


def must_take_updates(site: StackSite) -> None:
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


def parameters_with(site: StackSite, changes: Mapping[str, str]) -> list[dict[str, Any]]:
    """The parameters of an update that changes these and leaves the others as they are."""
    return [
        {"ParameterKey": name, "ParameterValue": changes[name]}
        if name in changes
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in site.parameters
    ]


def update(site: StackSite, changes: Mapping[str, str], *, token: str) -> None:
    """Change parameters of a site's stack, and wait for the end. Raises UpdateRefused, UpdateUnderWay.

    The update's events carry `token` (letters, digits and hyphens): see events_of.
    """
    try:
        site.client("cloudformation").update_stack(
            StackName=site.stack,
            UsePreviousTemplate=True,
            Parameters=parameters_with(site, changes),
            Capabilities=CAPABILITIES,
            ClientRequestToken=token,
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
    state = wait(site)
    if state == "UPDATE_COMPLETE":
        return
    text = f"{site.stack} is {state}: {reason(events_of(site, token))}"
    if state == "UPDATE_ROLLBACK_COMPLETE":
        raise UpdateRefused(f"{text}; it is what it was before")
    raise UpdateUnderWay(text)


def wait(site: StackSite) -> str:
    """Wait until no update of the site's stack is under way, and return its state then. Raises UpdateUnderWay."""
    end = site.clock.monotonic_s() + UPDATE_SECONDS
    while (state := _state(site, until_s=end)).endswith(UNDER_WAY):
        if site.clock.monotonic_s() > end:
            raise UpdateUnderWay(f"{site.stack} is {state} for {UPDATE_SECONDS / 60:.0f} minutes")
        site.clock.sleep(POLL_SECONDS)
    return state


def find_again(site: StackSite) -> StackSite:
    """Read the site's stack again."""
    return StackSite.find(site.access, StackName(name=site.stack, region=site.region))


def _state(site: StackSite, *, until_s: float = 0.0) -> str:
    """The stack's state now; a passing failure is tried again until `until_s` (monotonic).

    Raises UpdateUnderWay when it cannot be read: an update may have been begun.
    """
    while True:
        try:
            return find_again(site).state
        except (BotoCoreError, ClientError, GeosyncError) as error:
            if not is_temporary(error) or site.clock.monotonic_s() > until_s:
                raise UpdateUnderWay(f"{site.stack}: its state cannot be read: {error}") from error
        site.clock.sleep(POLL_SECONDS)


def events_of(site: StackSite, token: str) -> list[dict[str, Any]] | None:
    """The stack's events of the update with this token, newest first; None when they cannot be read.

    Where there are none, no such update was begun, at least not among the newest EVENTS.
    """
    events = _events(site)
    return [one for one in events if one.get("ClientRequestToken") == token] if events is not None else None


def _events(site: StackSite) -> list[dict[str, Any]] | None:
    """The newest EVENTS of the stack, newest first; None when they cannot be read."""
    try:
        return newest_events(site.client("cloudformation"), site.stack)
    except (BotoCoreError, ClientError):
        return None


def newest_events(cloudformation: Any, stack: str) -> list[dict[str, Any]]:
    """Read the newest EVENTS of a stack, newest first. Raises botocore's errors."""
    pages = cloudformation.get_paginator("describe_stack_events")
    found = pages.paginate(StackName=stack, PaginationConfig={"MaxItems": EVENTS})
    return [event for page in found for event in page["StackEvents"]]


def last_update_s(site: StackSite) -> float | None:
    """The seconds that the last complete update of the stack took; None where none is known."""
    ended: datetime | None = None
    for event in _events(site) or ():
        if event["PhysicalResourceId"] != event["StackId"]:
            continue
        began: datetime = event["Timestamp"]
        if event["ResourceStatus"] == "UPDATE_COMPLETE":
            ended = began
        elif event["ResourceStatus"] == "UPDATE_IN_PROGRESS" and ended is not None:
            return (ended - began).total_seconds()
    return None


def reason(events: Sequence[Mapping[str, Any]] | None) -> str:
    """The first failure in an update, by its events, newest first."""
    failed = "its events say why"
    for event in events or ():
        why = event.get("ResourceStatusReason", "")
        if event["ResourceStatus"].endswith("_FAILED") and why and "cancelled" not in why:
            failed = f"{event['LogicalResourceId']}: {why}"
    return failed


def completed_at(events: Sequence[Mapping[str, Any]] | None) -> int | None:
    """The moment when an update was complete (ms), by its events; None when they do not say."""
    for event in events or ():
        if event["PhysicalResourceId"] == event["StackId"] and event["ResourceStatus"] == "UPDATE_COMPLETE":
            at: datetime = event["Timestamp"]
            return round(at.timestamp() * 1000)
    return None
