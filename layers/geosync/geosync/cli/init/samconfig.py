"""The settings of `sam deploy` for each site: an environment of samconfig.toml, beside what else is in that file."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from geosync.aws.regions import opted_in
from geosync.cli.init import toml_table
from geosync.cli.init.answers import SiteAnswers
from geosync.errors import ConfigurationError

FILE = "samconfig.toml"
_TABLE = ("deploy", "parameters")
_OVERRIDE = re.compile(
    r"(ParameterKey=(?P<long>[A-Za-z0-9]+),ParameterValue=|(?P<short>[A-Za-z0-9]+)=)(?P<value>.*)", re.ASCII | re.DOTALL
)


def written(
    before: str,
    sites: Sequence[SiteAnswers],
    primary: SiteAnswers,
    known: Mapping[str, Mapping[str, str]],
    created: Collection[str] | None,
) -> str:
    """Return the file with an environment for each of `sites`, of which one is the `primary`.

    All else that is in the file stays, comments too.

    `known` has, by site, the parameters that AWS decides: ARNs and addresses. A setting or a parameter that somebody
    added to an environment stays. A site whose stack is `created` loses the parameters of its role here: the stack has
    them, and after a promotion they differ from the answers. Its parameters for notifications stay as they are in the
    file: nobody was asked for those of a site that was never a primary. `created` None: not known, so an environment
    that is there stays as it is.
    Raises ConfigurationError for a file that is no TOML, and for parameters in a form that is not understood.
    """
    try:
        found = tomllib.loads(before)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{FILE}: {error}") from error
    text = before
    for site in sites:
        there = _settings(found, site)
        if created is None and there:
            continue
        overrides_before, decided = _overrides(site, there), known.get(site.name, {})
        answered = parameters(site, primary) | _regions(site, sites, overrides_before)
        is_created = site.name in (created or ())
        overrides = _merged(overrides_before, answered, decided, is_created=is_created)
        try:
            text = toml_table.changed(text, (site.name, *_TABLE), _environment(site, overrides, there))
        except ConfigurationError as error:
            raise ConfigurationError(f"{FILE}: {error}") from error
    return text


def _merged(
    before: Mapping[str, str], answered: Mapping[str, str], decided: Mapping[str, str], *, is_created: bool
) -> dict[str, str]:
    """The parameters of a stack, the later over the earlier ones; of one that `is_created` not those of its role."""
    if not is_created:
        return {**before, **answered, **decided}
    kept = {name: value for name, value in answered.items() if not name.startswith("Notification")}
    return {name: value for name, value in {**before, **kept, **decided}.items() if not of_its_role(name)}


def parameters(site: SiteAnswers, primary: SiteAnswers) -> dict[str, str]:
    """The parameters that follow from the answers and from which site is the primary; all others have defaults."""
    found = {"SiteName": site.name, "LocalRegistryUrl": site.registry, "LocalRegistryVendor": site.vendor}
    if site is primary:
        return found | {"SiteRole": "primary"} | _notifications(site)
    found |= {
        "SiteRole": "secondary",
        "PrimaryRegistryUrl": primary.registry,
        "PrimaryRegistryVendor": primary.vendor,
    }
    return found | ({"RepositoryPrefix": site.prefix} if site.prefix else {})


def _regions(site: SiteAnswers, sites: Sequence[SiteAnswers], before: Mapping[str, str]) -> dict[str, str]:
    """The opt-in regions of all other sites, so that a promotion changes none, and those that somebody added."""
    theirs = [*before.get("OptInRegions", "").split(","), *(one.region for one in sites)]
    found = opted_in(filter(None, theirs), but=site.region)
    return {"OptInRegions": ",".join(found)} if found else {}


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


def _settings(document: Mapping[str, Any], site: SiteAnswers) -> Mapping[str, Any]:
    """The settings of a site's environment that are in the file. Raises ConfigurationError."""
    found = document
    for name in (site.name, *_TABLE):
        found = found.get(name, {})
        if not isinstance(found, Mapping):
            raise ConfigurationError(f"{FILE}: {'.'.join((site.name, *_TABLE))} is no table")
    return found


def _environment(site: SiteAnswers, overrides: Mapping[str, str], there: Mapping[str, Any]) -> dict[str, str | bool]:
    """Return the settings of a site's environment; those of SAM's own conduct only where the file has none."""
    usual: dict[str, str | bool] = {
        "capabilities": "CAPABILITY_IAM",
        "confirm_changeset": False,
        "fail_on_empty_changeset": False,
        **({} if "s3_bucket" in there else {"resolve_s3": True}),  # SAM refuses both
    }
    found: dict[str, str | bool] = {"stack_name": site.stack, "region": site.region}
    found |= {name: value for name, value in usual.items() if name not in there}
    if overrides != _overrides(site, there):
        found["parameter_overrides"] = " ".join(
            f"{name}={shlex.quote(value)}" for name, value in sorted(overrides.items())
        )
    return found


def _overrides(site: SiteAnswers, there: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of an environment, in either form that SAM reads. Raises ConfigurationError for any other."""
    given = there.get("parameter_overrides", "")
    texts = given if isinstance(given, list) else [given]
    found: list[re.Match[str] | None] = [None]
    if all(isinstance(text, str) for text in texts):
        with suppress(ValueError):  # a quotation without an end
            found = [_OVERRIDE.fullmatch(word) for text in texts for word in shlex.split(text)]
    if None in found:
        raise ConfigurationError(
            f"{FILE}: parameter_overrides of {site.name} are not understood: write them as Name=value, each in quotes "
            "if it has spaces"
        )
    return {one["long"] or one["short"]: one["value"] for one in found if one is not None}
