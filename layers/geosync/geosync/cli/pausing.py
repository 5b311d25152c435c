"""`geosync pause` and `resume`: a site stops syncing, and goes on."""

from __future__ import annotations

from collections.abc import Callable

import click

from geosync.cli.audit import audited
from geosync.cli.failover.stack_update import must_take_updates
from geosync.cli.output import Format, output_option, tell
from geosync.cli.site import Chosen


@click.command(short_help="Stop syncing; what is pushed meanwhile is marked.")
@click.argument("reason", default="")
@output_option
@click.pass_obj
def pause(choose: Callable[[], Chosen], *, reason: str, output: Format) -> None:
    """Stop syncing; what is pushed meanwhile is marked and done after resume. REASON is shown by status."""
    site = choose().secondary("pause")
    with audited(site, "pause", reason):
        site.sync_registry.pause(reason)
    tell(
        f"{site.name} is paused; what is being copied now is finished. geosync resume goes on.", output, name=site.name
    )


@click.command()
@click.option("--abandoned", metavar="ID", help="Also end the pause of a promote or follow that no longer runs.")
@output_option
@click.pass_obj
def resume(choose: Callable[[], Chosen], *, abandoned: str | None, output: Format) -> None:
    """Go on after pause. The pause of a promotion, or of follow, is theirs to end."""
    site = choose().secondary("resume")
    if not site.sync_registry.is_paused():
        tell(f"{site.name} is not paused.", output, name=site.name)
        return
    if abandoned is not None:
        must_take_updates(site)  # otherwise its update may be under way: nobody can tell what the site is
    with audited(site, "resume", *(() if abandoned is None else ("--abandoned", abandoned))):
        site.sync_registry.resume(abandoned=abandoned)
    tell(f"{site.name} goes on: the sweep finds what is due within a minute.", output, name=site.name)
