"""`geosync completion`: the script by which a shell completes commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from geosync.cli.entry import COMPLETING
from geosync.cli.output import FOR_PEOPLE, Answer, Format, output_option, put

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Complete names in bash, zsh or fish.")
@click.argument("shell", type=click.Choice(SHELLS))
@output_option
@click.pass_context
def completion(ctx: click.Context, *, shell: str, output: Format) -> None:
    """Print the script that has SHELL complete commands, options, and names of contexts, sites and repositories.

    For bash: source <(geosync completion bash), for zsh the same, for fish: geosync completion fish | source

    Repositories are those of the chosen site; a shell that asks again within a minute is answered without AWS.

    The script is the answer for people, too: a shell reads it as it is. -o json has it as a text.
    """
    of_shell = get_completion_class(shell)
    assert of_shell is not None, "click knows these three"  # noqa: S101
    made = of_shell(ctx.find_root().command, {}, "geosync", COMPLETING)
    script = made.source_template % made.source_vars()
    # click's script for fish cuts what a command does at its first comma.
    script = script.replace('(string split "," $completion)', '(string split --max 1 "," $completion)')
    if output in FOR_PEOPLE:
        click.echo(script)
        return
    document = {"shell": shell, "script": script}
    put(Answer(document=document, rows=[document], shown=[], key="shell"), output)
