"""`geosync reverify`: an operator has repositories verified now."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping

import click

from geosync.cli.arguments import check_repository, repository_names, which_work
from geosync.cli.audit import audited
from geosync.cli.output import Format, count, output_option, tell
from geosync.cli.settling import Left, finish, wait_options
from geosync.cli.site import Chosen, StackSite
from geosync.operating import repositories as found_repositories
from geosync.operating.repositories import RowFilter
from geosync.sync_registry.items import SYNCED, VERIFICATION_FAILED, Row
from geosync.verifying.reverify import reverify as ask
from geosync.verifying.reverify import reverify_all

PAGE = 100
MOST_READ = 1000
"""Rows that one look of --wait reads."""


@click.command(short_help="Verify a repository, all, or all that failed, now.")
@click.argument("repository", required=False, shell_complete=repository_names)
@click.option("--all", "everything", is_flag=True, help="Every repository that is synced.")
@click.option("--failed", is_flag=True, help="Every repository whose verification failed.")
@wait_options
@output_option
@click.pass_obj
def reverify(  # noqa: PLR0913 - one for each option
    choose: Callable[[], Chosen],
    *,
    repository: str | None,
    everything: bool,
    failed: bool,
    wait: bool,
    timeout: float,
    output: Format,
) -> None:
    """Verify REPOSITORY (its name at the primary), or all, or all that failed, now and not when their turn comes.

    The tags are compared on both sides, and the blobs below them looked for; what differs is copied again. Exit code 1,
    with --wait, if not all of them were verified at the end of the time, or a verification failed.
    """
    work = which_work(repository, everything=everything, failed=failed)
    if repository is not None:
        check_repository(repository)
    site = choose().secondary("reverify")
    sqs, queue = site.client("sqs"), site.outputs["WorkQueueUrl"]
    before = _verified_at(site, repository, only_failed=failed) if wait else {}
    if repository is not None:
        with audited(site, "reverify", repository):
            ask(sqs, queue, repository, clock=site.clock)
        said = f"{repository} is enqueued to be verified at {site.name}."
    else:
        with audited(site, "reverify", f"--{work}"):
            reverify_all(sqs, queue, "failed" if failed else "all", clock=site.clock)
        what = "Every repository whose verification failed" if failed else "Every synced repository"
        said = f"{what} is enqueued to be verified at {site.name}, as fast as its pace allows."
    if wait:
        finish(site, said, _look(site, before), timeout, output)
    tell(said, output, name=repository or site.name)


def _verified_at(site: StackSite, repository: str | None, *, only_failed: bool) -> dict[str, int | None]:
    """The repositories that are to be verified, each with when it was verified last (ms)."""
    if repository is not None:
        row = site.sync_registry.row(repository)
        return {repository: row.verified_at if row is not None else None}
    wanted = RowFilter(verification_state=VERIFICATION_FAILED if only_failed else None)
    rows = _rows(site, wanted)
    return {row.repository: row.verified_at for row in rows if only_failed or row.state == SYNCED}


def _rows(site: StackSite, wanted: RowFilter) -> Iterator[Row]:
    after: str | None = ""
    while after is not None:
        page = found_repositories.page(site.sync_registry, wanted, limit=PAGE, after=after)
        yield from page.rows
        after = page.cursor


def _look(site: StackSite, before: Mapping[str, int | None]) -> Callable[[], Left]:
    """A look at which of these were not verified since they were asked for; those that were are not read again.

    `before` has when each was verified until then, by the clock of whoever verified it. A look reads at most MOST_READ
    of them, and the next one those after them.
    """
    waited_for, failures = deque(sorted(before)), dict[str, str]()

    def look() -> Left:
        is_all = len(waited_for) <= MOST_READ
        names = [waited_for.popleft() for _ in range(min(len(waited_for), MOST_READ))]
        rows = site.sync_registry.rows(names)
        for name in names:
            row = rows.get(name)
            if row is None or row.verified_at in (None, before[name]):
                waited_for.append(name)
            elif row.verification_failure is not None:
                failures[name] = row.verification_failure
        left = len(waited_for)
        what = f"{count(left, 'repository is', 'repositories are')} not verified yet"
        return Left(
            count=left if is_all or not left else None,
            what=what if is_all else f"at most {what}",
            failed=tuple(f"{name}: {why}" for name, why in sorted(failures.items())),
        )

    return look
