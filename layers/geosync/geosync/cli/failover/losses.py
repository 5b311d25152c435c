"""The references that a promotion loses: by name, with the recovery point, and the messages that may name more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from geosync.cli.output import age, console, count, moment, plain, table
from geosync.cli.site import StackSite
from geosync.cli.status import dead_letters, waiting
from geosync.operating import status as site_status
from geosync.operating.recovery_point import why_not_known
from geosync.operating.status import Status

LISTED = 100
"""References listed for people; --json has all that were read."""
ALIVE_MS = 180_000
"""The primary posts a heartbeat every minute: with one that is no older it was not gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The list that a promotion loses by, as the site alone knows it, and the messages that may name more."""

    status: Status
    unmarked: Mapping[str, int]


def read_losses(site: StackSite) -> Losses:
    """Read what a promotion now would lose, without a question to the primary."""
    found = site_status.read(site.sync_registry, primary=site.primary_topic, clock=site.clock)
    return Losses(status=found, unmarked=count_unmarked(site))


def show_losses(site: StackSite, found: Status, unmarked: Mapping[str, int]) -> None:
    """Show the recovery point, the references that would be lost, and how many messages may name more."""
    _show_recovery_point(site, found)
    if found.would_be_lost:
        _show_references(found)
    else:
        text = "No known push is missing here. Pushes after the recovery point may be missing without being known."
        console().print(text)
    _show_unmarked(unmarked)


def count_unmarked(site: StackSite) -> dict[str, int]:
    """Count the messages that may name what no list has yet."""
    return {"events_waiting": waiting(site, "EventsQueueUrl"), "dead_letters": dead_letters(site)}


def warn_if_primary_is_alive(found: Status) -> None:
    """Warn if the primary sent a heartbeat a moment ago: further pushes to it do not come here."""
    beat = found.heartbeat
    if beat is not None and found.at - beat.sent_at < ALIVE_MS:
        text = f"{beat.site} was alive {age(beat.sent_at, found.at)} ago. Pushes to it from now on do not come here"
        console().print(plain(f"{text}: stop pushes first, and wait until nothing is owed.", "yellow"))


def losses_document(found: Status) -> dict[str, Any]:
    """The losses for programs."""
    return {
        "recovery_point": found.recovery_point,
        "recovery_point_unknown_because": why_not_known(found) if found.recovery_point is None else None,
        "lost": [asdict(one) for one in found.would_be_lost],
        "more_lost": found.more_owed or found.more_parked,
    }


def _show_recovery_point(site: StackSite, found: Status) -> None:
    if found.recovery_point is None:
        text = f"The recovery point of {site.name} is not known: {why_not_known(found)}."
        console().print(plain(f"{text} What is missing here beside the following is not known either.", "yellow"))
        return
    passed = age(found.recovery_point, found.at)
    console().print(f"Everything pushed before {moment(found.recovery_point)} ({passed} ago) is at {site.name}.")


def _show_references(found: Status) -> None:
    out, lost = console(), found.would_be_lost
    more = found.more_owed or found.more_parked
    out.print(plain(f"Not here: {count(len(lost), more, 'reference')}", "red"))
    rows = [(one.repository, one.reference, age(one.owed_since, found.at), one.failure or "") for one in lost]
    out.print(table(("repository", "reference", "owed", "failure"), rows[:LISTED]))
    if len(lost) > LISTED:
        out.print(plain(f"… and {len(lost) - LISTED} more (--json)", "dim"))


def _show_unmarked(unmarked: Mapping[str, int]) -> None:
    if any(unmarked.values()):
        events, letters = unmarked["events_waiting"], unmarked["dead_letters"]
        text = f"{count(events, False, 'event')} in the queue, {count(letters, False, 'message')} in the DLQ"
        console().print(plain(f"{text}: the references that they name may be missing, too", "yellow"))
