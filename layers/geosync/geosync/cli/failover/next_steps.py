"""The steps that a promotion leaves: the command of each other site, with the values that are known here.

Nothing is asked in another region: it may be the lost one. A site's region follows from the topic that was followed, or
from its admin API's address, where that is AWS's own; a stack's name, from this one's, if that has the site's in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from geosync.cli.site import StackSite
from geosync.operating.sites import NAME

STACK, REGION, ARN = "STACK", "REGION", "ARN"
"""In place of what is not known here."""
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):[0-9]{12}:geosync-([a-z0-9-]+)")
_ADDRESS = re.compile(r"https://[a-z0-9-]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?(/.*)?")


def next_steps(site: StackSite) -> Iterator[str]:
    """Tell how each other site is made to follow the new primary `site`, line by line. Raises botocore's errors."""
    yield "Have each other site follow it, and the old primary when it is back:"
    others: list[tuple[str | None, str]] = [*sorted(_others(site).items())] or [(None, REGION)]
    commands = [_command(site, name, region) for name, region in others]
    yield from commands
    lacking = {word for command in commands for word in command.split()}
    if STACK in lacking:
        yield f"{STACK}: the name of that site's stack."
    else:
        yield f"The stacks' names are guessed from {site.stack}."
    if REGION in lacking:
        yield f"{REGION}: that site's region."
    if _asks_for_credentials(site):
        url = site.parameters["LocalRegistryUrl"]
        yield f"{ARN}: the secret in that site's region with credentials for {url}; none if it may read without."
        yield f"These are the region's secrets: {list_secrets(REGION)}"


def list_secrets(region: str) -> str:
    """The command that lists the ARNs of a region's secrets."""
    return f"aws secretsmanager list-secrets --region {region} --query 'SecretList[].ARN'"


def _addresses(site: StackSite) -> Iterator[tuple[str, str]]:
    """The name and the address of each site that this one was told of, or expects."""
    for told in site.sync_registry.told.read().sites:
        yield told.name, told.url or ""
    for expected in site.sync_registry.sites.all():
        yield expected.name, expected.url


def _others(site: StackSite) -> dict[str, str]:
    """The region of each other site that is known here, by the site's name."""
    known: dict[str, str] = {}
    for name, url in _addresses(site):
        found = _ADDRESS.fullmatch(url)
        if found is not None or name not in known:
            known[name] = found[1] if found is not None else REGION
    followed = _TOPIC.fullmatch(site.primary_topic or "")
    if followed is not None:
        known[followed[2]] = followed[1]
    return {name: region for name, region in known.items() if name != site.name and NAME.fullmatch(name)}


def _command(site: StackSite, name: str | None, region: str) -> str:
    stack = site.stack.replace(site.name, name) if name is not None and site.name in site.stack else STACK
    secret = f" --registry-secret {ARN}" if _asks_for_credentials(site) else ""
    return f"  geosync --stack {stack} --region {region} follow {site.stack}@{site.region}{secret}"


def _asks_for_credentials(site: StackSite) -> bool:
    return bool(site.parameters.get("LocalRegistrySecretArn"))
