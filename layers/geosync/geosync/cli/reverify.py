"""`geosync reverify`: an operator has repositories verified now."""

from __future__ import annotations

from collections.abc import Callable

import click

from geosync.cli.arguments import check_repository
from geosync.cli.audit import audited
from geosync.cli.site import Chosen
from geosync.verifying.reverify import reverify as ask
from geosync.verifying.reverify import reverify_all


@click.command(short_help="Verify a repository, all, or all that failed, now.")
@click.argument("repository", required=False)
@click.option("--all", "everything", is_flag=True, help="Every repository that is synced.")
@click.option("--failed", is_flag=True, help="Every repository whose verification failed.")
@click.pass_obj
def reverify(choose: Callable[[], Chosen], repository: str | None, *, everything: bool, failed: bool) -> None:
    """Verify REPOSITORY (its name at the primary), or all, or all that failed, now and not when their turn comes.

    The tags are compared on both sides, and the blobs below them looked for; what differs is copied again.
    """
    if sum((repository is not None, everything, failed)) != 1:
        raise click.UsageError("which? REPOSITORY, --all or --failed")
    if repository is not None:
        check_repository(repository)
    site = choose().site()
    site.must_be_secondary("reverify")
    sqs, queue = site.client("sqs"), site.outputs["WorkQueueUrl"]
    if repository is not None:
        with audited(site, "reverify", repository):
            ask(sqs, queue, repository)
        click.echo(f"{repository} is enqueued to be verified at {site.name}.")
    else:
        with audited(site, "reverify", "--failed" if failed else "--all"):
            reverify_all(sqs, queue, "failed" if failed else "all")
        what = "Every repository whose verification failed" if failed else "Every synced repository"
        click.echo(f"{what} is enqueued to be verified at {site.name}, as fast as its pace allows.")
