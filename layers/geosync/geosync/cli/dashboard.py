"""`geosync open`: the site's dashboard in a browser."""

from __future__ import annotations

from collections.abc import Callable

import click

from geosync.cli.output import FOR_PEOPLE, Answer, Format, is_terminal, output_option, put
from geosync.cli.site import Chosen


@click.command("open", short_help="Open the site's dashboard in a browser.")
@click.option("--print", "only_print", is_flag=True, help="Print the address, and open nothing.")
@output_option
@click.pass_obj
def open_dashboard(choose: Callable[[], Chosen], *, only_print: bool, output: Format) -> None:
    """Open the site's dashboard in a browser, and print its address. In a pipe it is printed alone.

    Somebody signs in there with a token: geosync token create, or a secret of the stack. The address holds none.
    """
    site = choose().site()
    document = {"name": site.name, "url": site.outputs["AdminUrl"]}
    put(Answer(document=document, rows=[document], shown=[document["url"]]), output)
    if is_terminal() and output in FOR_PEOPLE and not only_print:
        click.launch(document["url"])
