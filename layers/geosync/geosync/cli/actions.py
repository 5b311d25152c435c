"""`geosync pause`, `resume` and `resync`: an operator's orders to a site."""

from __future__ import annotations

from collections.abc import Callable

import click

from geosync.cli.arguments import check_repository
from geosync.cli.audit import audited
from geosync.cli.checks import registries
from geosync.cli.failover.stack_update import must_take_updates
from geosync.cli.output import SOMETHING_WRONG, plain
from geosync.cli.site import Chosen, StackSite
from geosync.errors import MalformedMessage
from geosync.operating import actions
from geosync.sync_registry.items import Reference


@click.command(short_help="Stop syncing; what is pushed meanwhile is marked.")
@click.argument("reason", default="")
@click.pass_obj
def pause(choose: Callable[[], Chosen], reason: str) -> None:
    """Stop syncing; what is pushed meanwhile is marked and done after resume. REASON is shown by status."""
    site = choose().site()
    site.must_be_secondary("pause")
    with audited(site, "pause", reason):
        site.sync_registry.pause(reason)
    click.echo(f"{site.name} is paused; what is being copied now is finished. geosync resume goes on.")


@click.command()
@click.option("--abandoned", metavar="ID", help="End the pause of a promote or follow too that runs nowhere any more.")
@click.pass_obj
def resume(choose: Callable[[], Chosen], abandoned: str | None) -> None:
    """Go on after pause. The pause of a promotion, or of follow, is theirs to end."""
    site = choose().site()
    site.must_be_secondary("resume")
    if not site.sync_registry.is_paused():
        click.echo(f"{site.name} is not paused.")
        return
    if abandoned is not None:
        must_take_updates(site)  # otherwise its update may be under way: nobody can tell what the site is
    with audited(site, "resume", *(() if abandoned is None else ("--abandoned", abandoned))):
        site.sync_registry.resume(abandoned=abandoned)
    click.echo(f"{site.name} goes on: the sweep finds what is due within a minute.")


@click.command(short_help="Make a repository, or some tags, equal to the primary's.")
@click.argument("repository")
@click.argument("references", nargs=-1, metavar="[TAG|DIGEST]…")
@click.option("--keep", is_flag=True, help="Tags that the primary lacks, or that left the selection, stay.")
@click.pass_obj
def resync(choose: Callable[[], Chosen], repository: str, references: tuple[str, ...], keep: bool) -> None:
    """Make REPOSITORY, or only the tags and digests named, equal to the primary's now.

    REPOSITORY is its name at the primary. What failed or is parked is tried at once. --keep cancels removals.

    A repository that this site has no row of is looked for at the primary's registry. Exit code 1 if it is not there.
    """
    check_repository(repository)
    wanted = [_reference(text) for text in references]
    site = choose().site()
    site.must_be_secondary("resync")
    if is_nowhere(site, repository):
        click.echo(f"{repository} is not at the primary, and {site.name} has no row of it: nothing to resync", err=True)
        raise SystemExit(SOMETHING_WRONG)
    with audited(site, "resync", repository, *references, *(["--keep"] if keep else [])):
        actions.resync(site.client("sqs"), site.outputs["WorkQueueUrl"], repository, wanted, keep=keep)
    what = ", ".join(map(str, wanted)) or "whole"
    click.echo(f"{repository} ({what}) is enqueued to be resynced at {site.name}.")


def is_nowhere(site: StackSite, repository: str) -> bool:
    """True when this site never heard of a repository, and the primary's registry says that it has none.

    Where the primary's registry cannot be asked from here, functions/sync asks it: a repository that is nowhere has no
    row then.
    """
    if site.sync_registry.listing.ids([repository]):
        return False
    return registries.primary_knows(site, repository) is False


def _reference(text: str) -> Reference:
    try:
        return actions.reference(text)
    except MalformedMessage as error:
        raise click.BadParameter(f"{plain(text)} is {error}", param_hint="TAG|DIGEST") from None
