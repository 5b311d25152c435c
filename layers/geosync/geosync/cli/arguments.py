"""Arguments that several commands take: what is wrong with one is said before any request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import click

from geosync.cli.choosing.options import completes
from geosync.cli.output import Command, plain
from geosync.errors import MalformedMessage
from geosync.oci.references import is_repository, is_tag
from geosync.operating import actions
from geosync.sync_registry.items import Reference

Work = Literal["one", "all", "failed"]
repository_names = completes("repositories")
"""Completes the name of a repository that the chosen site knows."""
site_names = completes("sites")
"""Completes the name of a site that the chosen primary expects."""
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def check_repository(repository: str, hint: str = "REPOSITORY") -> None:
    """Raise BadParameter unless it is a repository's name (that at the primary); `hint` names the argument."""
    if not is_repository(repository):
        raise click.BadParameter(f"{plain(repository)} is not a repository name", param_hint=hint)


def duration(_ctx: click.Context, _param: click.Parameter, text: str) -> float:
    """Read a time as people write it: 90s, 10m, 1h; in seconds. Raises BadParameter."""
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    if found is None:
        raise click.BadParameter("write it as 90s, 10m or 1h")
    return float(int(found[1]) * _SECONDS[found[2]])


def which_work(repository: str | None, *, everything: bool, failed: bool) -> Work:
    """Tell whether one repository, all, or all that failed is meant. Raises UsageError for none and for two."""
    if sum((repository is not None, everything, failed)) != 1:
        raise click.UsageError("which? REPOSITORY, --all or --failed")
    return "one" if repository is not None else "all" if everything else "failed"


def parse_reference(text: str) -> Reference:
    """Read a tag or a digest. Raises BadParameter."""
    try:
        return actions.reference(text)
    except MalformedMessage as error:
        raise click.BadParameter(f"{plain(text)} is {error}", param_hint="TAG|DIGEST") from None


def check_tags(tags: Iterable[str]) -> None:
    """Raise BadParameter for the first that is no tag."""
    for tag in tags:
        if not is_tag(tag):
            raise click.BadParameter(f"{plain(tag)} is not a tag", param_hint="TAG")


def repository_argument(command: Command) -> Command:
    """Have a command take REPOSITORY; a shell completes its name."""
    return click.argument("repository", shell_complete=repository_names)(command)
