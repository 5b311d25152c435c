"""The options that choose a site. They may stand before the command and after it; the last one written counts.

A site that the command line names goes before one of the environment, and that before the current context.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from geosync.cli.choosing.contexts import SiteContext
    from geosync.cli.site import Chosen

_META = "geosync.site"
_SITES = ("stack", "local", "context")
"""The options of which each names a site by itself."""
LOCAL_STATE = ".local"
"""The local stack's folder where none is named."""


@dataclass(slots=True)
class SiteChoice:
    """The values of the options, as far as somebody gave them: on the command line, or in the environment."""

    written: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def context(self) -> SiteContext:
        """The chosen site. Raises UsageError where none is named, or more than one, and ConfigurationError."""
        named = _only(self.written) or _only(self.environment)
        found = self._stored(named) if named in (None, "context") else self._named(named)
        rest = {name: value for name, value in self.written.items() if name not in _SITES}
        return type(found)(**{**found.fields(), **rest})

    def _named(self, option: str) -> SiteContext:
        from geosync.cli.choosing.contexts import SiteContext  # noqa: PLC0415 - no help needs it

        value = self._value(option)
        return SiteContext(stack=value) if option == "stack" else SiteContext(local=value)

    def _stored(self, option: str | None) -> SiteContext:
        """The context that is named, or the current one."""
        from geosync.cli.choosing import contexts  # noqa: PLC0415 - no help needs it

        known = contexts.read()
        name = self._value(option) if option else known.current
        if name is None:
            raise click.UsageError("which site? --stack NAME, GEOSYNC_STACK, --local SITE, or geosync context use NAME")
        return known.find(name)

    def _value(self, option: str) -> str:
        """The value that counts of an option that somebody gave."""
        return self.written[option] if option in self.written else self.environment[option]


def _only(given: dict[str, str]) -> str | None:
    """The one option among those given that names a site; raises UsageError for two."""
    named = [name for name in _SITES if name in given]
    if len(named) > 1:
        raise click.UsageError(f"--{named[0]} and --{named[1]} exclude each other")
    return named[0] if named else None


class SiteOption(click.Option):
    """An option that chooses the site: every command takes it, and `geosync --help` alone explains it."""

    def __init__(self, *names: str, **attributes: Any) -> None:
        super().__init__(list(names), callback=_note, expose_value=False, **attributes)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The lines of the help, none in that of a command."""
        return super().get_help_record(ctx) if ctx.parent is None else None


def site_choice(ctx: click.Context) -> SiteChoice:
    """The options as they were given until now."""
    found: SiteChoice = ctx.meta.setdefault(_META, SiteChoice())
    return found


def _note(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is None or option.name is None:
        return
    if not value:
        raise click.BadParameter("it is empty", ctx=ctx, param=option)
    choice = site_choice(ctx)
    is_written = ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    (choice.written if is_written else choice.environment)[option.name] = value


def completes(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Complete a value with names of this kind (completion/names.py)."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from geosync.cli.completion.names import NamedPlace, items  # noqa: PLC0415 - read when a shell asks

        choice = site_choice(ctx)
        folder = choice.written.get("local_state", LOCAL_STATE)
        return items(
            kind, incomplete, NamedPlace(context=choice.context, choose=lambda: choose(ctx), local_state=folder)
        )

    return complete


def site_options(*, environment: bool = False) -> list[click.Parameter]:
    """The options, anew; with `environment` those of the root, which reads the environment as well."""
    variables = {"stack": "GEOSYNC_STACK", "context": "GEOSYNC_CONTEXT"} if environment else {}
    return [
        SiteOption("--stack", metavar="NAME", envvar=variables.get("stack"), help="The site's CloudFormation stack."),
        SiteOption("--region", metavar="REGION", help="The site's region (default: the profile's or AWS_REGION's)."),
        SiteOption("--profile", metavar="PROFILE", help="A profile of the AWS configuration."),
        SiteOption(
            "--context",
            metavar="NAME",
            envvar=variables.get("context"),
            shell_complete=completes("contexts"),
            help="A site by the name that geosync context add gave it.",
        ),
        SiteOption(
            "--local",
            metavar="SITE",
            shell_complete=completes("local sites"),
            help="A site of the local stack (make up) instead of --stack.",
        ),
        SiteOption(
            "--local-state",
            metavar="FOLDER",
            type=click.Path(file_okay=False),
            help=f"The local stack's folder.  [default: {LOCAL_STATE}]",
        ),
    ]


def take_site_options(command: click.Command) -> None:
    """Have a command, and those below it, take the options as well; can be repeated."""
    if not any(isinstance(one, SiteOption) for one in command.params):
        command.params += site_options()
    if isinstance(command, click.Group):
        for child in command.commands.values():
            take_site_options(child)


def choose(ctx: click.Context) -> Chosen:
    """The chosen site with the way to it. Raises UsageError, ConfigurationError."""
    from pathlib import Path  # noqa: PLC0415

    from geosync.cli.site import AwsAccess, Chosen, StackName, local_site  # noqa: PLC0415 - reads boto3

    site = site_choice(ctx).context()
    if site.local is not None:
        return local_site(site.local, Path(site.local_state or LOCAL_STATE))
    assert site.stack is not None, "a context has a stack or a local site"  # noqa: S101
    access = AwsAccess.of(profile=site.profile, region=site.region)
    return Chosen(access=access, stack=StackName(name=site.stack, region=site.region))


def command_line(ctx: click.Context, *words: str) -> str:
    """Write the command `words` for the site that was chosen, with the options that somebody wrote for it."""
    return shlex.join(("geosync", *option_words(site_choice(ctx).written), *words))


def option_words(values: Mapping[str, str]) -> list[str]:
    """Write options by their names, as they are typed."""
    return [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", value)]
