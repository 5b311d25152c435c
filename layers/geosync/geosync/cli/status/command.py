"""`geosync status`: the references that the site owes, since when and why; once, or again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from geosync.cli.backfill import progress_document
from geosync.cli.following import POLL_SECONDS, FailedLook, look_once
from geosync.cli.former import with_former
from geosync.cli.output import (
    CANNOT_TELL,
    FOR_PEOPLE,
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    AnswerStream,
    Format,
    Part,
    is_terminal,
    live,
    output_option,
    plain,
    put,
    shown,
)
from geosync.cli.site import Chosen, StackSite
from geosync.cli.status.lines import parts
from geosync.cli.status.look import SiteLook, look_at
from geosync.clock import moment, optional_moment
from geosync.operating import status as site_status
from geosync.operating.documents import owed_fields
from geosync.operating.service_level import level_now
from geosync.operating.stalled import why_stalled_now
from geosync.sync_registry.site.sites import site_id

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_TRYING = "The status cannot be read, trying again: "


@click.command()
@click.option(
    "--limit", type=click.IntRange(0, site_status.MOST), default=20, show_default=True, help="References shown."
)
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@output_option
@click.pass_obj
def status(choose: Callable[[], Chosen], *, limit: int, watch: bool, output: Format) -> None:
    """Show what is owed, since when and why.

    With --watch the view is kept up to date on a terminal. In a pipe each look that saw something new is written, with
    -o json as one document a line.

    Exit code 0: the site is healthy and nothing is owed. 1: it is degraded or unhealthy, something is owed, or the
    backfill goes on (a later comparison may). 2: cannot tell.
    """
    site = choose().site()
    if watch:
        _watch(site, limit, output)
    seen = look_at(site)
    put(answer(seen, limit), output)
    raise SystemExit(_exit_code(seen))


def _exit_code(seen: SiteLook) -> int:
    return NOTHING_OWED if seen.found.nothing_owed and not seen.health.reasons else SOMETHING_WRONG


def answer(seen: SiteLook, limit: int) -> Answer:
    """The status in every output."""
    made = document(seen, limit)
    return Answer(document=made, rows=[made], shown=parts(seen, limit))


def _watch(site: StackSite, limit: int, output: Format) -> None:
    """Show each look until somebody leaves; raises SystemExit then, as the last look was."""
    last: SiteLook | None = None
    try:
        for seen in (
            _on_screen(site, limit, output)
            if is_terminal() and output in FOR_PEOPLE
            else _in_lines(site, limit, output)
        ):
            last = seen
    except KeyboardInterrupt:
        raise SystemExit(_exit_code(last) if last is not None else CANNOT_TELL) from None


def _looks(site: StackSite) -> Iterator[SiteLook | FailedLook]:
    while True:
        yield look_once(lambda: look_at(site))
        site.clock.sleep(POLL_SECONDS)


def _on_screen(site: StackSite, limit: int, output: Format) -> Iterator[SiteLook]:
    """Keep the view on a terminal up to date."""
    last: SiteLook | None = None
    with live() as screen:
        for seen in _looks(site):
            last = seen if isinstance(seen, SiteLook) else last
            screen.update(shown(_watched(seen, last, limit), wide=output == "wide"), refresh=True)
            if last is not None:
                yield last


def _in_lines(site: StackSite, limit: int, output: Format) -> Iterator[SiteLook]:
    """Write each look that saw something new."""
    stream, before = AnswerStream(output, whole=True), None
    for seen in _looks(site):
        if isinstance(seen, FailedLook):
            click.echo(f"{_TRYING}{plain(seen.why)}", err=True)
            continue
        news = _news(seen)
        if news != before:
            stream.put(answer(seen, limit))
        before = news
        yield seen


def _watched(seen: SiteLook | FailedLook, last: SiteLook | None, limit: int) -> list[Part]:
    """The latest look that succeeded, and why a later one did not."""
    before: list[Part] = list(parts(last, limit)) if last is not None else []
    if isinstance(seen, FailedLook):
        before.append(plain(f"{_TRYING}{seen.why}", "yellow"))
    return before


def _news(seen: SiteLook) -> object:
    """The part whose change is worth another line; the passing of time is not."""
    found = seen.found
    owed = tuple((one.repository, one.reference, one.attempts, one.failure) for one in found.references)
    return owed, seen.health.reasons, seen.queued, found.rows, found.pause, found.holds, found.deletes.suspended


# ------------------------------------------------------------------------------------------------------ as a document


def document(seen: SiteLook, limit: int) -> dict[str, Any]:
    """The status for programs: the fields of the admin API's, and what the command says beside them."""
    site, found = seen.site, seen.found
    made: dict[str, Any] = {
        "site": site.name,
        "id": site_id(site.name),
        "role": site.role,
        "stack": site.stack,
        "region": site.region,
        "last_drill": None,  # a primary's: only a secondary's report has it
        **seen.report(),
        "worked_on": found.worked_on,
        "last_sweep_at": optional_moment(found.last_sweep.at) if found.last_sweep is not None else None,
        "last_minute_at": optional_moment(found.last_minute),
        "references": [
            with_former({"repository": one.repository, **owed_fields(one, found.at)}, asdict(one))
            for one in found.references[:limit]
        ],
        "more_parked": found.more_parked,
        **seen.health.fields(),
    }
    if found.last_drill is not None and not site.is_primary:
        made["last_drill"] |= {"at": moment(found.last_drill.at), "at_ms": found.last_drill.at}
    former = _former(seen)
    if found.comparison is not None and isinstance(made.get("comparison"), dict):
        proved = {"proved_at": optional_moment(found.comparison.proved_at)}
        made["comparison"] = with_former({**made["comparison"], **proved}, former["comparison"])
    return with_former(made, former)


def _fields(value: DataclassInstance | None) -> dict[str, Any] | None:
    return asdict(value) if value is not None else None


def _former(seen: SiteLook) -> dict[str, Any]:
    """The fields of the version before: moments are milliseconds since the epoch."""
    site, found, queued = seen.site, seen.found, seen.queued
    return {
        "at": found.at,
        "repositories": found.repositories,
        "synced_repositories": found.rows.synced if found.rows is not None else None,
        "owed": sum(not one.is_a_look for one in found.owed),
        "more_owed": found.more_owed,
        "parked": len(found.parked),
        "failed": found.failed,
        "oldest": _fields(found.oldest),
        "dead_letters": queued.dead_letters,
        "paused": _fields(found.pause),
        "holds": [asdict(hold) for hold in found.holds],
        "heartbeat": _fields(found.heartbeat),
        "events_waiting": queued.events_waiting,
        "recovery_point": found.recovery_point,
        "recovery_point_but_parked": found.recovery_point_but_parked,
        "recovery_point_stands_because": why_stalled_now(
            found, events=queued.events_waiting, letters=queued.dead_letters
        ),
        "proved_at": found.proved_at,
        "notifications_lost": _fields(found.lost),
        "last_event_processed": _fields(found.cursor),
        "last_sweep": _fields(found.last_sweep),
        "deletes_suspended": asdict(found.deletes) if found.deletes.suspended else None,
        "last_minute": found.last_minute,
        "open_repositories": found.open_repositories,
        "failed_repositories": found.failed_repositories,
        "comparison": _fields(found.comparison),
        "progress": progress_document(found.progress) if found.progress is not None else None,
        "lag": asdict(found.lags),
        "service_level": level_now(found, site.facts.objective).fields() if not site.is_primary else None,
    }
