"""The update of a promotion, as a change set that CloudFormation makes and nobody executes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.failover.stack_update import CAPABILITIES, must_take_updates, parameters_with
from geosync.cli.following import is_temporary
from geosync.cli.site import StackSite
from geosync.drilling.findings import UpdateFound
from geosync.errors import UpdateRefused

CHANGE_SET = "geosync-drill"
"""Its name: there is one drill at a time, and one that was left behind is deleted by the next."""
MADE_WITHIN_S = 120.0
POLL_SECONDS = 1.0
_UNTIL_MADE = {"CREATE_PENDING", "CREATE_IN_PROGRESS"}


def rehearse_update(site: StackSite, changes: Mapping[str, str]) -> UpdateFound:
    """Have CloudFormation work out an update with its template and parameters; the change set is deleted after it.

    It proves that the template and the parameters are taken and that the caller may ask for the update's resources. It
    does not prove that each change could be made: nothing is.
    """
    try:
        must_take_updates(site)
        return _rehearse(site, changes)
    except UpdateRefused as error:
        return UpdateFound(is_accepted=False, why=str(error))
    except (BotoCoreError, ClientError) as error:
        return UpdateFound(is_accepted=None if _says_nothing(error) else False, why=str(error))


def _rehearse(site: StackSite, changes: Mapping[str, str]) -> UpdateFound:
    cloudformation = site.client("cloudformation")
    named = {"StackName": site.stack, "ChangeSetName": CHANGE_SET}
    cloudformation.delete_change_set(**named)  # one that a drill left behind that was killed
    try:
        cloudformation.create_change_set(
            **named,
            ChangeSetType="UPDATE",
            Description="A drill: never executed, and deleted at once.",
            UsePreviousTemplate=True,
            Parameters=parameters_with(site, changes),
            Capabilities=CAPABILITIES,
        )
        return _verdict(_made(site, cloudformation, named))
    finally:
        _delete(site, cloudformation, named)


def _made(site: StackSite, cloudformation: Any, named: Mapping[str, str]) -> Mapping[str, Any]:
    """The change set once it is made, or as it is when the time for that is over."""
    end_s = site.clock.monotonic_s() + MADE_WITHIN_S
    while True:
        found: Mapping[str, Any] = cloudformation.describe_change_set(**named)
        if found["Status"] not in _UNTIL_MADE or site.clock.monotonic_s() > end_s:
            return found
        site.clock.sleep(POLL_SECONDS)


def _verdict(found: Mapping[str, Any]) -> UpdateFound:
    status = found["Status"]
    if status in _UNTIL_MADE:
        return UpdateFound(is_accepted=None, why=f"the change set was {status} for {MADE_WITHIN_S:.0f} s")
    if status != "CREATE_COMPLETE":
        return UpdateFound(is_accepted=False, why=found.get("StatusReason") or status)
    changed = [one["ResourceChange"] for one in found.get("Changes", []) if "ResourceChange" in one]
    return UpdateFound(is_accepted=True, changes=tuple(_in_words(one) for one in changed))


def _in_words(change: Mapping[str, Any]) -> str:
    words = {"True": ", replaced", "Conditional": ", perhaps replaced"}
    return f"{change['LogicalResourceId']} ({change['Action']}{words.get(change.get('Replacement', ''), '')})"


def _delete(site: StackSite, cloudformation: Any, named: Mapping[str, str]) -> None:
    try:
        cloudformation.delete_change_set(**named)
    except (BotoCoreError, ClientError) as error:
        click.echo(f"The change set {CHANGE_SET} of {site.stack} is left; the next drill deletes it: {error}", err=True)


def _says_nothing(error: BotoCoreError | ClientError) -> bool:
    """True where an error says nothing of the update: the caller may make no change set, or AWS did not answer."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return is_temporary(error) or not code or code.startswith("AccessDenied") or code == "UnauthorizedOperation"
