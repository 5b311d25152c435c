"""The sites' roles as they are now: a promotion changes a site's stack, not what was deployed first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.deploy import Site

NOT_KNOWN = "not known"
"""In place of the role of a site whose stack cannot be read."""


class Clients(Protocol):
    """The emulator, as far as it makes clients."""

    def client(self, service: Any, region: str) -> Any:
        """Make a client in a region."""


def current_role(emulator: Clients, *, stack: str, region: str) -> str:
    """The role that a site's stack has now."""
    try:
        (found,) = emulator.client("cloudformation", region).describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError):
        return NOT_KNOWN
    given = {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])}
    return str(given.get("SiteRole", NOT_KNOWN))


def with_current_roles(emulator: Clients, description: dict[str, Any]) -> dict[str, Any]:
    """The description of a stack with the roles that its sites have now."""
    sites = [
        {**site, "role": current_role(emulator, stack=site["stack"], region=site["region"])}
        for site in description["sites"]
    ]
    return {**description, "sites": sites}


def in_current_roles(emulator: Clients, sites: Iterable[Site]) -> list[Site]:
    """The sites with the roles that they have now."""
    return [replace(one, role=current_role(emulator, stack=one.stack, region=one.region)) for one in sites]
