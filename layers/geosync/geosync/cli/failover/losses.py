"""The references that a promotion loses: by name, with the recovery point, and the messages that may name more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from geosync.cli.former import with_former
from geosync.cli.output import Column, Grid, Part, age, count, moment_text, plain
from geosync.cli.site import StackSite
from geosync.cli.status.look import dead_letters, waiting
from geosync.clock import optional_moment
from geosync.operating.documents import owed_fields
from geosync.operating.owed_references import OwedReference
from geosync.operating.recovery_point import why_not_known
from geosync.operating.status import Status

LISTED = 100
"""References listed for people; -o json has all that were read."""
ALIVE_MS = 180_000
"""The primary posts a heartbeat every minute: with one that is no older it was not gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The list that a promotion loses by, as the site alone knows it, and the messages that may name more."""

    status: Status
    unmarked: Mapping[str, int]


def read_losses(site: StackSite) -> Losses:
    """Read what a promotion now would lose, without a question to the primary."""
    return Losses(status=site.read_status(), unmarked=count_unmarked(site))


def losses(site: StackSite, found: Status, unmarked: Mapping[str, int]) -> Iterator[Part]:
    """The recovery point, the references that would be lost, and how many messages may name more."""
    yield _recovery_point(site, found)
    if found.would_be_lost:
        yield from _references(found)
    else:
        yield "No known push is missing here. Pushes after the recovery point may be missing without being known."
    if any(unmarked.values()):
        events, letters = unmarked["events_waiting"], unmarked["dead_letters"]
        text = f"{count(events, 'event')} in the queue, {count(letters, 'message')} in the DLQ"
        yield plain(f"{text}: the references that they name may be missing, too", "yellow")


def count_unmarked(site: StackSite) -> dict[str, int]:
    """Count the messages that may name what no list has yet."""
    return {"events_waiting": waiting(site, "EventsQueueUrl"), "dead_letters": dead_letters(site)}


def warning_of_a_primary_alive(found: Status) -> Iterator[Part]:
    """Warn if the primary sent a heartbeat a moment ago: further pushes to it do not come here."""
    beat = found.heartbeat
    if beat is not None and found.at - beat.sent_at < ALIVE_MS:
        text = f"{beat.site} was alive {age(beat.sent_at, found.at)} ago. Pushes to it from now on do not come here"
        yield plain(f"{text}: stop pushes first, and wait until nothing is owed.", "yellow")


def losses_document(found: Status) -> dict[str, Any]:
    """The losses for programs."""
    return {
        "recovery_point_at": optional_moment(found.recovery_point),
        "recovery_point": found.recovery_point,  # the former name, in milliseconds
        "recovery_point_unknown_because": why_not_known(found) if found.recovery_point is None else None,
        "lost": [_lost(one, found.at) for one in found.would_be_lost],
        "more_lost": found.more_owed or found.more_parked,
    }


def _lost(one: OwedReference, now_ms: int) -> dict[str, Any]:
    fields = {"name": f"{one.repository}:{one.reference}", "repository": one.repository, **owed_fields(one, now_ms)}
    return with_former(fields, asdict(one))


def _recovery_point(site: StackSite, found: Status) -> Part:
    if found.recovery_point is None:
        text = f"The recovery point of {site.name} is not known: {why_not_known(found)}."
        return plain(f"{text} What is missing here beside the following is not known either.", "yellow")
    passed = age(found.recovery_point, found.at)
    return f"Everything pushed before {moment_text(found.recovery_point)} ({passed} ago) is at {site.name}."


def _references(found: Status) -> Iterator[Part]:
    lost, now_ms = found.would_be_lost, found.at
    more = found.more_owed or found.more_parked
    yield plain(f"Not here: {count(len(lost), 'reference', more=more)}", "red")
    columns = (
        Column("repository", lambda one: one.repository),
        Column("reference", lambda one: one.reference),
        Column("owed", lambda one: age(one.owed_since, now_ms)),
        Column("failure", lambda one: one.failure or ""),
    )
    yield Grid(columns, lost[:LISTED])
    if len(lost) > LISTED:
        yield plain(f"… and {len(lost) - LISTED} more (-o json)", "dim")
