"""`geosync pause`, `resume` and `resync`: what an operator tells a site to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from geosync.cli.output import plain
from geosync.cli.site import Chosen
from geosync.oci.references import is_digest, is_repository, is_tag
from geosync.replication.work import WorkMessage
from geosync.sync_registry.items import KEEP, Reference

MOST_IN_A_MESSAGE = 500
"""References in one work message: names of 128 characters stay far below the 256 KiB of SQS."""


@click.command()
@click.argument("reason", default="")
@click.pass_obj
def pause(choose: Callable[[], Chosen], reason: str) -> None:
    """Stop syncing; what is pushed meanwhile is marked and done after resume. REASON is shown by status."""
    site = choose().site()
    site.must_be_secondary("pause")
    site.registry.pause(reason)
    click.echo(f"{site.name} is paused; what is being copied now is finished. geosync resume goes on.")


@click.command()
@click.pass_obj
def resume(choose: Callable[[], Chosen]) -> None:
    """Go on after pause."""
    site = choose().site()
    site.must_be_secondary("resume")
    if not site.registry.is_paused():
        click.echo(f"{site.name} is not paused.")
        return
    site.registry.resume()
    click.echo(f"{site.name} goes on: the sweep finds what is due within a minute.")


@click.command()
@click.argument("repository")
@click.argument("references", nargs=-1, metavar="[TAG|DIGEST]…")
@click.option("--keep", is_flag=True, help="Tags that the primary has not stay, as extra ones.")
@click.pass_obj
def resync(choose: Callable[[], Chosen], repository: str, references: tuple[str, ...], keep: bool) -> None:
    """Make REPOSITORY, or only the tags and digests named, equal to the primary's now.

    REPOSITORY is its name at the primary. What failed or is parked is tried at once. --keep cancels deletions.
    """
    if not is_repository(repository):
        raise click.BadParameter(f"{plain(repository)} is not a repository name", param_hint="REPOSITORY")
    wanted = [_reference(text) for text in references] or [Reference.whole()]
    site = choose().site()
    site.must_be_secondary("resync")
    sqs = site.client("sqs")
    for part in _parts(wanted):
        if_absent = KEEP if keep else None
        message = WorkMessage(repository=repository, reason="resync", references=tuple(part), if_absent=if_absent)
        sqs.send_message(QueueUrl=site.outputs["WorkQueueUrl"], MessageBody=message.to_json())
    what = "whole" if not references else ", ".join(str(reference) for reference in wanted)
    click.echo(f"{repository} ({what}) is enqueued to be resynced at {site.name}.")


def _reference(text: str) -> Reference:
    if is_digest(text):
        return Reference.digest(text)
    if is_tag(text):
        return Reference.tag(text)
    raise click.BadParameter(f"{plain(text)} is neither a tag nor a digest", param_hint="TAG|DIGEST")


def _parts(references: Sequence[Reference]) -> list[Sequence[Reference]]:
    return [references[start : start + MOST_IN_A_MESSAGE] for start in range(0, len(references), MOST_IN_A_MESSAGE)]
