"""`geosync extras list` and `adopt`: tags at the secondary that Geosync never put there and the primary lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import click

from geosync.cli.arguments import check_repository, check_tags
from geosync.cli.audit import audited
from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, console, table
from geosync.cli.site import Chosen
from geosync.operating import deletions
from geosync.sync_registry.site.findings import Finding


@click.group()
def extras() -> None:
    """See and adopt tags that Geosync did not put there."""


@extras.command(name="list", short_help="Show what the latest comparisons found.")
@click.argument("repository", required=False)
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_obj
def extras_list(choose: Callable[[], Chosen], repository: str | None, as_document: bool) -> None:
    """Show the findings of the latest comparisons, in REPOSITORY or in all of them. Exit code 1 if there is any."""
    if repository is not None:
        check_repository(repository)
    site = choose().site()
    site.must_be_secondary("extras")
    found = deletions.extras(site.sync_registry, repository=repository)
    if as_document:
        as_json([asdict(one) for one in found])
    elif found:
        now_ms = site.clock.now_ms()
        console().print(table(("repository", "extra", "found", "tags"), (_row(one, now_ms) for one in found)))
    else:
        click.echo("Nothing is extra, as far as comparisons have looked.")
    raise SystemExit(SOMETHING_WRONG if found else NOTHING_OWED)


@extras.command(name="adopt", short_help="Treat extra tags as Geosync's own.")
@click.argument("repository")
@click.argument("tags", nargs=-1, metavar="[TAG]…")
@click.pass_obj
def extras_adopt(choose: Callable[[], Chosen], repository: str, tags: tuple[str, ...]) -> None:
    """Treat TAGs of REPOSITORY, or all that are extra in it, as Geosync's own.

    Those that the primary does not have are removed: it is asked for each once more.
    """
    check_repository(repository)
    check_tags(tags)
    site = choose().site()
    site.must_be_secondary("extras")
    if site.parameters.get("Deletes") == "keep":
        raise click.ClickException(
            f"{site.name} removes nothing that the primary lacks (Deletes=keep): there is nothing to adopt for"
        )
    with audited(site, "extras adopt", repository, *tags):
        deletions.adopt(site.sync_registry, site.client("sqs"), site.outputs["WorkQueueUrl"], repository, tags)
    click.echo(f"{repository} ({', '.join(tags) or 'all that is extra'}): {site.name} asks the primary and removes.")


def _row(found: Finding, now_ms: int) -> tuple[object, ...]:
    names = ", ".join(found.extra_names) + (" …" if found.extra > len(found.extra_names) else "")
    return (found.repository, found.extra, f"{age(found.found_at, now_ms)} ago", names)
