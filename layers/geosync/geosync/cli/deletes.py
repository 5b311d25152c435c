"""`geosync deletes status` and `resume`: tags that comparisons would remove here, and whether they may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import click

from geosync.cli.audit import audited
from geosync.cli.extras import finding_documents
from geosync.cli.output import (
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Column,
    Format,
    Grid,
    Part,
    age,
    output_option,
    plain,
    put,
    some_names,
    tell,
)
from geosync.cli.site import Chosen, StackSite
from geosync.operating import deletions
from geosync.operating.deletions import Deletions
from geosync.operating.documents import deletes_fields

NAMES = 10
"""Tags of a repository that are named."""


@click.group()
def deletes() -> None:
    """See and steer what comparisons remove."""


@deletes.command(name="status", short_help="Show whether deletes by comparison are suspended.")
@output_option
@click.pass_obj
def deletes_status(choose: Callable[[], Chosen], *, output: Format) -> None:
    """Show whether deletes by comparison are suspended, and which tags are missing, or outside the selection.

    Exit code 1 while they are suspended.
    """
    site = choose().secondary("deletes")
    found = deletions.read(site.sync_registry)
    document = _document(site, found)
    shown = list(_shown(found, site.clock.now_ms()))
    put(Answer(document=document, rows=document["findings"], shown=shown), output)
    raise SystemExit(SOMETHING_WRONG if found.breaker.suspended else NOTHING_OWED)


@deletes.command(name="resume", short_help="Allow comparisons to remove what they found.")
@output_option
@click.pass_obj
def deletes_resume(choose: Callable[[], Chosen], *, output: Format) -> None:
    """Let the next comparison remove what is missing at the primary or outside the selection.

    What later comparisons find is counted from zero.
    """
    site = choose().secondary("deletes")
    with audited(site, "deletes resume"):
        was_suspended = deletions.resume(site.sync_registry)
    said = f"{site.name}: nothing was suspended. What was found until now needs no second comparison."
    if was_suspended:
        said = f"{site.name}: the next comparison removes what was found until now."
    tell(said, output, name=site.name)


def _document(site: StackSite, found: Deletions) -> dict[str, Any]:
    """The breaker and the findings for programs, and both as the version before wrote them."""
    policy, outside = site.parameters.get("Deletes", "propagate"), site.parameters.get("OutsideSelection", "keep")
    document = {
        **deletes_fields(found.breaker, policy=policy, outside_selection=outside),
        "findings": finding_documents(site, found.missing),
        "more": found.more,
    }
    return {**document, **asdict(found)}


def _shown(found: Deletions, now_ms: int) -> Iterator[Part]:
    state = found.breaker
    if state.suspended:
        yield f"Deletes by comparison are suspended since {age(state.suspended_at, now_ms)}: {state.reason}"
        yield "Is all of this to go? geosync deletes resume. If not, mend the primary, or the selection."
    elif state.doubted_at is not None:
        yield f"No delete by comparison now, since {age(state.doubted_at, now_ms)}: {state.doubt}"
        yield "Once all events are processed, it is decided whether deletes are suspended or somebody announced it."
    else:
        yield "Deletes by comparison are not suspended."
    if found.missing:
        yield Grid(_columns(now_ms), found.missing)
    if found.more:
        yield f"… and in more than these {len(found.missing)} repositories."


def _columns(now_ms: int) -> tuple[Column, ...]:
    return (
        Column("repository", lambda found: f"{found.repository} (gone)" if found.gone else found.repository),
        Column("missing", lambda found: plain(found.missing, "red" if found.gone else "")),
        Column("outside", lambda found: found.outside),
        Column("of", lambda found: found.of + found.outside),
        Column("found", lambda found: f"{age(found.found_at, now_ms)} ago"),
        Column("tags", lambda found: some_names((*found.missing_names, *found.outside_names)[:NAMES], found.goes)),
    )
