"""`geosync completion`: the script by which a shell completes commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from geosync.cli.entry import COMPLETING

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Complete names in bash, zsh or fish.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that has SHELL complete commands, options, and names of contexts, sites and repositories.

    For bash: source <(geosync completion bash), for zsh the same, for fish: geosync completion fish | source

    Repositories are those of the chosen site; a shell that asks again within a minute is answered without AWS.
    """
    of_shell = get_completion_class(shell)
    assert of_shell is not None, "click knows these three"  # noqa: S101
    made = of_shell(ctx.find_root().command, {}, "geosync", COMPLETING)
    click.echo(made.source_template % made.source_vars())
