"""`geosync extras`: tags at the secondary that Geosync never put there and the primary lacks.

`dismiss` and `undismiss` are about all that a comparison found in a repository, missing tags too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import click

from geosync.cli.arguments import check_repository, check_tags, repository_argument, repository_names
from geosync.cli.audit import audited
from geosync.cli.former import with_former
from geosync.cli.output import (
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Column,
    Format,
    Grid,
    age,
    output_option,
    put,
    refuse,
    some_names,
    tell,
)
from geosync.cli.site import Chosen, StackSite
from geosync.clock import moment, parsed_moment
from geosync.operating import deletions
from geosync.operating.documents import finding_fields
from geosync.sync_registry.site.findings import Dismissal, Finding

MOST_REASON = 1000
"""Characters of a reason; as many as the admin API takes."""


@click.group()
def extras() -> None:
    """See, adopt and dismiss tags that Geosync did not put there."""


@extras.command(name="list", short_help="Show what the latest comparisons found.")
@click.argument("repository", required=False, shell_complete=repository_names)
@click.option("--dismissed", is_flag=True, help="Show only what was dismissed, missing tags too.")
@output_option
@click.pass_obj
def extras_list(choose: Callable[[], Chosen], *, repository: str | None, dismissed: bool, output: Format) -> None:
    """Show the findings of the latest comparisons, in REPOSITORY or in all of them.

    Exit code 1 if there is any that is not dismissed.
    """
    if repository is not None:
        check_repository(repository)
    site = choose().secondary("extras")
    found = deletions.extras(site.sync_registry, repository=repository, dismissed=dismissed)
    documents = finding_documents(site, found)
    nothing = f"Nothing {'that was dismissed ' if dismissed else ''}is extra, as far as comparisons have looked."
    shown = Grid(_columns(site.clock.now_ms(), dismissed=dismissed), found) if found else nothing
    put(Answer(document=documents, rows=documents, shown=[shown]), output)
    raise SystemExit(SOMETHING_WRONG if found and not dismissed else NOTHING_OWED)


@extras.command(name="adopt", short_help="Treat extra tags as Geosync's own.")
@repository_argument
@click.argument("tags", nargs=-1, metavar="[TAG]…")
@output_option
@click.pass_obj
def extras_adopt(choose: Callable[[], Chosen], *, repository: str, tags: tuple[str, ...], output: Format) -> None:
    """Treat TAGs of REPOSITORY, or all that are extra in it, as Geosync's own.

    Those that the primary does not have are removed: it is asked for each once more.
    """
    check_repository(repository)
    check_tags(tags)
    site = choose().secondary("extras")
    if site.parameters.get("Deletes") == "keep":
        raise click.ClickException(
            f"{site.name} removes nothing that the primary lacks (Deletes=keep): there is nothing to adopt for"
        )
    with audited(site, "extras adopt", repository, *tags):
        deletions.adopt(site.sync_registry, site.client("sqs"), site.outputs["WorkQueueUrl"], repository, tags)
    what = ", ".join(tags) or "all that is extra"
    tell(f"{repository} ({what}): {site.name} asks the primary and removes.", output, name=repository)


@extras.command(name="dismiss", short_help="Hide what was found in a repository.")
@repository_argument
@click.option("--reason", required=True, metavar="TEXT", help="Why it can be ignored; shown beside it.")
@click.option("--found-at", metavar="MOMENT", help="The found_at of the finding that you saw; no other is dismissed.")
@output_option
@click.pass_obj
def extras_dismiss(
    choose: Callable[[], Chosen], *, repository: str, reason: str, found_at: str | None, output: Format
) -> None:
    """Hide what was found in REPOSITORY until a comparison finds something else, and print what it was.

    This covers extra tags, missing ones, and those outside the selection. It does not change the tags: those that are
    to be removed are still removed. Exit code 1 if nothing was found there, or something else than at --found-at.
    """
    check_repository(repository)
    if found_at is not None and not parsed_moment(found_at):
        raise click.BadParameter("give the found_at of `extras list -o json`", param_hint="--found-at")
    if not reason.strip() or len(reason) > MOST_REASON:
        raise click.BadParameter(f"say why, in at most {MOST_REASON} characters", param_hint="--reason")
    site = choose().secondary("extras")
    wanted = ("--found-at", found_at) if found_at is not None else ()
    with audited(site, "extras dismiss", repository, "--reason", reason, *wanted) as who:
        dismissal = Dismissal(at=site.clock.now_ms(), by=who, reason=reason)
        seen = deletions.of(site.sync_registry, repository) or Finding(repository=repository, found_at=0)
        found = moment(parsed_moment(found_at) if found_at is not None else seen.found_at)
        _must_be_done(deletions.dismiss(site.sync_registry, repository, dismissal, found_at=found))
    said = "is hidden until a comparison finds something else; geosync extras undismiss lists it again"
    tell(f"What was found in {repository} {said}: {_told(seen)}.", output, name=repository)


@extras.command(name="undismiss", short_help="Show again what was dismissed.")
@repository_argument
@output_option
@click.pass_obj
def extras_undismiss(choose: Callable[[], Chosen], *, repository: str, output: Format) -> None:
    """List what was found in REPOSITORY again. Exit code 1 if nothing is dismissed there."""
    check_repository(repository)
    site = choose().secondary("extras")
    with audited(site, "extras undismiss", repository):
        _must_be_done(deletions.undismiss(site.sync_registry, repository))
    tell(f"What was found in {repository} is listed again.", output, name=repository)


def _must_be_done(refusal: str | None) -> None:
    """End with SOMETHING_WRONG if an action gave a reason for not being taken."""
    if refusal is not None:
        refuse(refusal)


def _told(found: Finding) -> str:
    """All that a finding tells, in words."""
    kinds = (
        (found.extra, "extra", found.extra_names),
        (found.missing, "missing", found.missing_names),
        (found.outside, "outside the selection", found.outside_names),
    )
    told = [
        f"{number} {what} ({some_names(names, number)})" if names else f"{number} {what}"
        for number, what, names in kinds
        if number
    ]
    return ", ".join([*told, *(["the primary does not know the repository"] if found.gone else [])])


def finding_documents(site: StackSite, found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings for programs."""
    ids = site.sync_registry.listing.ids(one.repository for one in found)
    return [with_former(finding_fields(one, ids.get(one.repository)), _former(one)) for one in found]


def _former(found: Finding) -> dict[str, Any]:
    """The fields of the version before, but for `missing`, `outside` and `extra`, which are names now, not counts."""
    others = ("missing", "outside", "extra", "dismissed", "digests")
    return {name: value for name, value in asdict(found).items() if name not in others}


def _columns(now_ms: int, *, dismissed: bool) -> tuple[Column, ...]:
    return (
        Column("repository", lambda found: found.repository),
        Column("extra", lambda found: found.extra),
        Column("missing", lambda found: found.missing),
        Column("outside", lambda found: found.outside),
        Column("found", lambda found: f"{age(found.found_at, now_ms)} ago"),
        Column("found at", lambda found: moment(found.found_at), wide=True),
        Column("tags", lambda found: some_names(found.extra_names, found.extra)),
        *(_OF_A_DISMISSAL if dismissed else ()),
    )


_OF_A_DISMISSAL = (
    Column("dismissed by", lambda found: found.dismissed.by),
    Column("because", lambda found: found.dismissed.reason),
)
