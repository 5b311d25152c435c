"""`geosync reverify`: an operator has repositories verified now."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from geosync.cli.arguments import check_repository, repository_names, which_work
from geosync.cli.audit import audited
from geosync.cli.output import Format, output_option, tell
from geosync.cli.settling import Left, finish, wait_options
from geosync.cli.site import Chosen, StackSite
from geosync.operating import repositories as found_repositories
from geosync.operating.repositories import RowFilter
from geosync.sync_registry.items import SYNCED, VERIFICATION_FAILED, Row
from geosync.verifying.reverify import reverify as ask
from geosync.verifying.reverify import reverify_all

PAGE = 100


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
    site = choose().site()
    site.must_be_secondary("reverify")
    sqs, queue, asked_at_ms = site.client("sqs"), site.outputs["WorkQueueUrl"], site.clock.now_ms()
    names = _names(site, repository, only_failed=failed) if wait else frozenset[str]()
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
        finish(site, said, _look(site, names, asked_at_ms), timeout, output)
    tell(said, output, name=repository or site.name)


def _names(site: StackSite, repository: str | None, *, only_failed: bool) -> frozenset[str]:
    """The repositories that are to be verified."""
    if repository is not None:
        return frozenset({repository})
    wanted = RowFilter(verification_state=VERIFICATION_FAILED if only_failed else None)
    return frozenset(row.repository for row in _rows(site, wanted) if only_failed or row.state == SYNCED)


def _rows(site: StackSite, wanted: RowFilter) -> Iterator[Row]:
    after: str | None = ""
    while after is not None:
        page = found_repositories.page(site.sync_registry, wanted, limit=PAGE, after=after)
        yield from page.rows
        after = page.cursor


def _look(site: StackSite, names: frozenset[str], asked_at_ms: int) -> Callable[[], Left]:
    """A look at which of these were not verified since they were asked for; those that were are not read again."""
    waited_for, failures = set(names), dict[str, str]()

    def look() -> Left:
        for name, row in site.sync_registry.rows(sorted(waited_for)).items():
            if row.verified_at is not None and row.verified_at >= asked_at_ms:
                waited_for.discard(name)
                if row.verification_failure is not None:
                    failures[name] = row.verification_failure
        left = len(waited_for)
        what = f"{left} {'repository is' if left == 1 else 'repositories are'} not verified yet"
        return Left(count=left, what=what, failed=tuple(f"{name}: {why}" for name, why in sorted(failures.items())))

    return look
