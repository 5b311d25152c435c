"""`geosync deletes status` and `resume`: tags that comparisons would remove here, and whether they may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import click

from geosync.cli.audit import audited
from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, console, plain, table
from geosync.cli.site import Chosen
from geosync.operating import deletions
from geosync.operating.deletions import Deletions
from geosync.sync_registry.site.findings import Finding

NAMES = 10
"""Tags of a repository that are named."""


@click.group()
def deletes() -> None:
    """See and steer what comparisons remove."""


@deletes.command(name="status", short_help="Show whether deletes by comparison are suspended.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_obj
def deletes_status(choose: Callable[[], Chosen], as_document: bool) -> None:
    """Show whether deletes by comparison are suspended, and which tags are missing, or outside the selection.

    Exit code 1 while they are suspended.
    """
    site = choose().site()
    site.must_be_secondary("deletes")
    found = deletions.read(site.sync_registry)
    if as_document:
        as_json(asdict(found))
    else:
        _show(found, site.clock.now_ms())
    raise SystemExit(SOMETHING_WRONG if found.breaker.suspended else NOTHING_OWED)


@deletes.command(name="resume", short_help="Say that what was found missing or outside is to go.")
@click.pass_obj
def deletes_resume(choose: Callable[[], Chosen]) -> None:
    """Accept that what is missing at the primary, or outside the selection, is to go: the next comparison removes it.

    What is found later is counted anew.
    """
    site = choose().site()
    site.must_be_secondary("deletes")
    with audited(site, "deletes resume"):
        was_suspended = deletions.resume(site.sync_registry)
    if was_suspended:
        click.echo(f"{site.name}: the next comparison removes what was found until now.")
    else:
        click.echo(f"{site.name}: nothing was suspended. What was found until now needs no second comparison.")


def _show(found: Deletions, now_ms: int) -> None:
    state = found.breaker
    if state.suspended:
        click.echo(f"Deletes by comparison are suspended since {age(state.suspended_at, now_ms)}: {state.reason}")
        click.echo("Is all of this to go? geosync deletes resume. If not, mend the primary, or the selection.")
    elif state.doubted_at is not None:
        click.echo(f"No delete by comparison now, since {age(state.doubted_at, now_ms)}: {state.doubt}")
        click.echo(
            "Once all events are processed, it is decided whether deletes are suspended or somebody announced it."
        )
    else:
        click.echo("Deletes by comparison are not suspended.")
    if found.missing:
        columns = ("repository", "missing", "outside", "of", "found", "tags")
        console().print(table(columns, (_row(one, now_ms) for one in found.missing)))
    if found.more:
        click.echo(f"… and in more than these {len(found.missing)} repositories.")


def _row(found: Finding, now_ms: int) -> tuple[object, ...]:
    names = ", ".join((*found.missing_names, *found.outside_names)[:NAMES]) + (" …" if found.goes > NAMES else "")
    missing = plain(found.missing, "red" if found.gone else "")
    where = f"{found.repository} (gone)" if found.gone else found.repository
    of = found.of + found.outside
    return (where, missing, found.outside, of, f"{age(found.found_at, now_ms)} ago", names)
