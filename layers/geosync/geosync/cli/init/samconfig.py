"""The settings of `sam deploy` for each site: an environment of samconfig.toml, beside what else is in that file."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

from geosync.cli.init.answers import Answers, SiteAnswers
from geosync.errors import ConfigurationError

FILE = "samconfig.toml"


def written(
    before: str, answers: Answers, known: Mapping[str, Mapping[str, str]], created: Collection[str] | None
) -> str:
    """Return the file with an environment for each site in the place of the one that was there.

    `known` has, by site, the parameters that AWS decides: ARNs and addresses. A parameter that somebody added to an
    environment stays. Of a site whose stack is `created` those of its role go: the stack has them, and after a
    promotion others than the answers say. None: not known, so an environment that is there stays as it is.
    Raises ConfigurationError for a file that is no TOML.
    """
    try:
        found = tomllib.loads(before)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{FILE}: {error}") from error
    text = before
    for site in answers.sites:
        if created is None and "deploy" in found.get(site.name, {}):
            continue
        added = _overrides(found.get(site.name, {}))
        overrides = {**added, **parameters(site, answers), **known.get(site.name, {})}
        if site.name in (created or ()):
            overrides = {name: value for name, value in overrides.items() if not of_its_role(name)}
        text = _without(text, site).rstrip() + "\n\n" + _environment(site, overrides)
    return text.lstrip()


def parameters(site: SiteAnswers, answers: Answers) -> dict[str, str]:
    """The parameters that follow from the answers alone; all others keep their defaults."""
    primary = answers.primary
    found = {"SiteName": site.name, "LocalRegistryUrl": site.registry, "LocalRegistryVendor": site.vendor}
    if site is primary:
        return found | {"SiteRole": "primary"} | _notifications(site)
    found |= {
        "SiteRole": "secondary",
        "PrimaryRegistryUrl": primary.registry,
        "PrimaryRegistryVendor": primary.vendor,
    }
    return found | ({"RepositoryPrefix": site.prefix} if site.prefix else {})


def of_its_role(name: str) -> bool:
    """Return whether a promotion changes this parameter. A stack that is there keeps its own."""
    return name == "SiteRole" or name.startswith("Primary")


def audience(site: SiteAnswers) -> str:
    """The audience of Google's tokens for a site's notifications."""
    return site.stack


def _notifications(site: SiteAnswers) -> dict[str, str]:
    if site.kind != "gar":
        return {"NotificationSource": site.source}
    return {"NotificationSource": "gar", "NotificationAudience": audience(site), "NotificationSender": site.sender}


def _environment(site: SiteAnswers, overrides: Mapping[str, str]) -> str:
    settings = {
        "stack_name": site.stack,
        "region": site.region,
        "capabilities": "CAPABILITY_IAM",
        "resolve_s3": True,
        "confirm_changeset": False,
        "fail_on_empty_changeset": False,
        "parameter_overrides": " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(overrides.items())),
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join([f"[{site.name}.deploy.parameters]", *lines, ""])


def _overrides(environment: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of an environment that is in the file."""
    text = environment.get("deploy", {}).get("parameters", {}).get("parameter_overrides", "")
    words = text if isinstance(text, list) else shlex.split(str(text))
    return {name: value for name, _, value in (str(word).partition("=") for word in words) if name}


def _without(text: str, site: SiteAnswers) -> str:
    return re.sub(rf"^\[{re.escape(site.name)}\.deploy\.parameters\]\n(?:(?!\[).*\n?)*", "", text, flags=re.MULTILINE)
