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

from geosync.cli.choosing.options import choose, site_options
from geosync.cli.commands import LINES, CommandsOnDemand

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name by the list in commands.py, or an option's."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - read when a shell asks

        found = [CompletionItem(name, help=line) for name, line in LINES.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

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
@click.version_option(package_name="geosync")
@click.pass_context
def main(ctx: click.Context) -> None:
    """See and steer a Geo site.

    A site is chosen by its stack: geosync --stack geosync-frankfurt --region eu-central-1 status

    Its options may stand behind the command, too. geosync context add gives a site a short name.
    """
    ctx.obj = lambda: choose(ctx)  # by the command, so that `geosync status --help` needs no stack


main.params[:0] = site_options(environment=True)
