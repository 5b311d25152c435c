"""Arguments that several commands take: what is wrong with one is said before any request."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import click
from click.core import ParameterSource

from geosync.cli.output import plain
from geosync.oci.references import is_repository, is_tag


def check_repository(repository: str, hint: str = "REPOSITORY") -> None:
    """Raise BadParameter unless it is a repository's name (that at the primary); `hint` names the argument."""
    if not is_repository(repository):
        raise click.BadParameter(f"{plain(repository)} is not a repository name", param_hint=hint)


def check_tags(tags: Iterable[str]) -> None:
    """Raise BadParameter for the first that is no tag."""
    for tag in tags:
        if not is_tag(tag):
            raise click.BadParameter(f"{plain(tag)} is not a tag", param_hint="TAG")


def command_line(ctx: click.Context, *words: str) -> str:
    """Write the command `words` for the site that was chosen, with the options that somebody gave for it."""
    root = ctx.find_root()
    given = [
        word
        for option in root.command.params
        if option.name is not None and root.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        for word in (option.opts[0], str(root.params[option.name]))
    ]
    return shlex.join(("geosync", *given, *words))
