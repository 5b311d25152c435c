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
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from geosync.cli.actions import pause, resume, resync
from geosync.cli.backfill import backfill
from geosync.cli.check import check
from geosync.cli.deletes import deletes
from geosync.cli.dlq import dlq
from geosync.cli.events import events
from geosync.cli.extras import extras
from geosync.cli.failover.follow import follow
from geosync.cli.failover.promote import promote
from geosync.cli.output import CANNOT_TELL
from geosync.cli.repositories import repositories, show
from geosync.cli.reverify import reverify
from geosync.cli.selection import selection
from geosync.cli.site import AwsAccess, Chosen, StackName, local_site
from geosync.cli.sites import sites_group
from geosync.cli.slo import slo
from geosync.cli.status import status
from geosync.cli.tokens import tokens
from geosync.cli.wait import wait
from geosync.errors import GeosyncError


class _Failure(click.ClickException):
    exit_code = CANNOT_TELL


class _Commands(click.Group):
    """The edge: an error of ours, of AWS or of the system is one line on standard error, not a trace."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; output is written as far as there is somebody to take it."""
        if sys.stdout is None:  # closed by whoever wants the exit code alone
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a "…" or a bar, where the locale has none
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NoRegionError as error:
            raise _Failure("which region? --region REGION, AWS_REGION, or a profile that has one") from error
        except NoCredentialsError as error:
            raise _Failure(
                "there are no credentials for AWS: --profile PROFILE, or what aws configure makes"
            ) from error
        except (GeosyncError, BotoCoreError, ClientError) as error:
            raise _Failure(str(error)) from error
        except BrokenPipeError:
            raise  # nobody reads on: click ends it in silence
        except OSError as error:
            raise _Failure(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
        if local is not None:
            if stack is not None:
                raise click.UsageError("--stack and --local exclude each other")
            return local_site(local, local_state)
        if stack is None:
            raise click.UsageError("which site? --stack NAME, GEOSYNC_STACK, or --local SITE")
        return Chosen(access=AwsAccess.of(profile=profile, region=region), stack=StackName(name=stack, region=region))

    # Chosen by the command, so that `geosync status --help` needs no stack.
    ctx.obj = choose


for command in (
    status,
    slo,
    check,
    pause,
    resume,
    resync,
    wait,
    reverify,
    backfill,
    deletes,
    extras,
    selection,
    dlq,
    sites_group,
    tokens,
    repositories,
    show,
    events,
    promote,
    follow,
):
    main.add_command(command)
