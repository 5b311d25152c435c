"""`geosync resync`: a repository, everything, or all that failed is made equal to the primary's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import click

from geosync.cli import backfill, registries
from geosync.cli.arguments import Work, check_repository, parse_reference, repository_names, which_work
from geosync.cli.audit import audited
from geosync.cli.output import Format, count, output_option, refuse, tell
from geosync.cli.selection import present
from geosync.cli.settling import Left, finish, owed_in, wait_options
from geosync.cli.site import Chosen, StackSite
from geosync.messages.queues import Queue
from geosync.messages.work import WorkMessage
from geosync.operating import actions
from geosync.sync_registry.items import KEEP, Reference
from geosync.sync_registry.transitions.marks import ASKED, Mark


@click.command(short_help="Sync a repository, all, or all that failed, again.")
@click.argument("repository", required=False, shell_complete=repository_names)
@click.argument("references", nargs=-1, metavar="[TAG|DIGEST]…")
@click.option("--all", "everything", is_flag=True, help="Everything in the primary's catalogue.")
@click.option("--failed", is_flag=True, help="Each reference that failed, parked ones too.")
@click.option("--keep", is_flag=True, help="Tags that the primary lacks, or that left the selection, stay.")
@wait_options
@output_option
@click.pass_obj
def resync(  # noqa: PLR0913 - one for each option
    choose: Callable[[], Chosen],
    *,
    repository: str | None,
    references: tuple[str, ...],
    everything: bool,
    failed: bool,
    keep: bool,
    wait: bool,
    timeout: float,
    output: Format,
) -> None:
    """Make REPOSITORY, or only the tags and digests named, equal to the primary's now; or all, or all that failed.

    REPOSITORY is its name at the primary. What failed or is parked is tried at once. --keep cancels removals.

    A repository that this site has no row of is looked for at the primary's registry. Exit code 1 if it is not there,
    or, with --wait, if something is still owed at the end of the time, or is parked.
    """
    work = which_work(repository, everything=everything, failed=failed)
    wanted = [parse_reference(text) for text in references]
    if keep and work != "one":
        raise click.UsageError("--keep is for a REPOSITORY")
    site = choose().secondary("resync")
    if repository is not None:
        said, left = _one(site, repository, wanted, keep=keep, wait=wait)
    else:
        said, left = _many(site, work)
    if not wait:
        tell(said, output, name=repository or site.name)
        return
    finish(site, said, left, timeout, output)


def _one(
    site: StackSite, repository: str, wanted: list[Reference], *, keep: bool, wait: bool
) -> tuple[str, Callable[[], Left]]:
    """Have a repository resynced; returns what was done, and the look at what is left of it."""
    check_repository(repository)
    if is_nowhere(site, repository):
        refuse(f"{repository} is not at the primary, and {site.name} has no row of it: nothing to resync")
    names = tuple(map(str, wanted))
    with audited(site, "resync", repository, *names, *(["--keep"] if keep else [])):
        if wait:
            _mark(site, repository, wanted, keep=keep)
        else:
            if_absent = KEEP if keep else None
            actions.resync(site.client("sqs"), site.outputs["WorkQueueUrl"], repository, wanted, if_absent=if_absent)
    said = f"{repository} ({', '.join(names) or 'whole'}) is enqueued to be resynced at {site.name}."
    return said, owed_in(site, {repository}, only=wanted)


def _mark(site: StackSite, repository: str, wanted: list[Reference], *, keep: bool) -> None:
    """Mark here and now, as functions/sync does with the message: what is marked later could not be waited for."""
    selection = present(site)
    outside = [str(one) for one in wanted or [Reference.whole()] if not selection.has(repository, one)]
    if outside:
        text = f"{repository} ({', '.join(outside)}) is outside the selection of {site.name}: --wait would never end"
        raise click.UsageError(text)
    mark = Mark(if_absent=frozenset({KEEP} if keep else ()), asked=True)
    mark_and_wake(site, repository, wanted or [Reference.whole()], mark)


def mark_and_wake(site: StackSite, repository: str, references: Iterable[Reference], mark: Mark = ASKED) -> None:
    """Mark references of a repository, and wake somebody to sync it."""
    for one in references:
        site.sync_registry.mark(repository, one, mark)
    Queue(site.client("sqs"), site.outputs["WorkQueueUrl"]).send(WorkMessage(repository=repository, reason="resync"))


def _many(site: StackSite, work: Work) -> tuple[str, Callable[[], Left]]:
    """Have everything, or all that failed, resynced."""
    if work == "all":
        with audited(site, "resync", "--all"):
            under_way = backfill.compare_everything(site)
        said = under_way or f"Everything is enqueued to be resynced at {site.name}."
        return said, lambda: _left_of_all(site)
    marked, corrupt, repositories = 0, 0, set[str]()
    with audited(site, "resync", "--failed"):
        while True:
            done = actions.resync_failed(site.sync_registry)
            marked += done.marked
            corrupt = max(corrupt, done.corrupt)
            repositories |= done.repositories
            if not done.more or not done.marked:
                break
    what = count(marked, "failed reference is", "failed references are")
    said = f"{what} enqueued to be resynced at {site.name}."
    left = owed_in(site, repositories)
    if corrupt:
        unreadable = f"{count(corrupt, 'reference')} cannot be read: geosync status"
        click.echo(unreadable, err=True)
        return said, lambda: _with_failed(left(), unreadable)
    return said, left


def _with_failed(left: Left, failed: str) -> Left:
    return replace(left, failed=(*left.failed, failed))


def _left_of_all(site: StackSite) -> Left:
    """The rest of the comparison that was asked for, or that was under way."""
    found = backfill.look(site)
    failed = _parked(site) if found.complete and not found.proved else ()
    return Left(count=0 if found.complete else None, what=backfill.line(found), failed=failed)


def _parked(site: StackSite) -> tuple[str, ...]:
    """The parked references that keep a complete comparison from having proved everything equal."""
    left = site.sync_registry.owed_index.failed(most=actions.MOST_FAILED).owed
    parked = [f"{one.repository}:{one.reference}: {one.failure}" for one in left if one.parked]
    return tuple(sorted(parked)) or ("something that the comparison found was parked: geosync status",)


def is_nowhere(site: StackSite, repository: str) -> bool:
    """True when this site never heard of a repository, and the primary's registry says that it has none.

    Where the primary's registry cannot be asked from here, functions/sync asks it: a repository that is nowhere has no
    row then.
    """
    if site.sync_registry.listing.ids([repository]):
        return False
    return registries.primary_knows(site, repository) is False
