"""The command line: the options that choose a site, and the commands.

Exit codes of every command: 0 all is well; 1 something is owed, failed, refused or misconfigured; 2 the question could
not be answered or was not understood (no such stack, no permission, no connection, a wrong option); 3 the caller was
asked whether to go on, and said no.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geosync.cli.commands import LINES, CommandsOnDemand

if TYPE_CHECKING:
    from geosync.cli.site import Chosen


class _Commands(click.Group):
    """The edge: an error of ours, of AWS or of the system is one line on standard error, not a trace.

    A command's module is read when that command runs or shows its own help: `geosync --help` reads none of them, nor
    boto3.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; output is written as far as there is somebody to take it."""
        if sys.stdout is None:  # closed by whoever wants the exit code alone
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a "…" or a bar, where the locale has none
        return super().main(*args, **extra)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by what commands.py says of each."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, LINES[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends by these; for the last, nobody reads on: it ends in silence
        except Exception as error:
            from geosync.cli.failures import failure  # noqa: PLC0415 - reads botocore

            told = failure(error)
            if told is None:
                raise
            raise told from error


@click.group(cls=_Commands, commands=CommandsOnDemand(), context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--stack", metavar="NAME", envvar="GEOSYNC_STACK", help="The site's CloudFormation stack.")
@click.option("--region", metavar="REGION", help="The site's region (default: the profile's or AWS_REGION's).")
@click.option("--profile", metavar="PROFILE", help="A profile of the AWS configuration.")
@click.option("--local", metavar="SITE", help="A site of the local stack (make up) instead of --stack.")
@click.option(
    "--local-state",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".local"),
    show_default=True,
    help="The local stack's folder.",
)
@click.version_option(package_name="geosync")
@click.pass_context
def main(
    ctx: click.Context,
    *,
    stack: str | None,
    region: str | None,
    profile: str | None,
    local: str | None,
    local_state: Path,
) -> None:
    """See and steer a Geo site.

    A site is chosen by its stack: geosync --stack geosync-frankfurt --region eu-central-1 status
    """

    def choose() -> Chosen:
        from geosync.cli.site import AwsAccess, Chosen, StackName, local_site  # noqa: PLC0415 - reads boto3

        if local is not None:
            if stack is not None:
                raise click.UsageError("--stack and --local exclude each other")
            return local_site(local, local_state)
        if stack is None:
            raise click.UsageError("which site? --stack NAME, GEOSYNC_STACK, or --local SITE")
        return Chosen(access=AwsAccess.of(profile=profile, region=region), stack=StackName(name=stack, region=region))

    # Chosen by the command, so that `geosync status --help` needs no stack.
    ctx.obj = choose
