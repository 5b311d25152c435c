"""`geosync status`: the references that the site owes, since when and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import click

from geosync.cli.backfill import progress_document
from geosync.cli.output import (
    NOTHING_OWED,
    SOMETHING_WRONG,
    age,
    as_json,
    console,
    count,
    moment,
    plain,
    table,
)
from geosync.cli.site import Chosen, StackSite
from geosync.cli.slo import in_a_line
from geosync.operating import status as site_status
from geosync.operating.drill_schedule import why_due
from geosync.operating.health import Health, health_of, signs_of
from geosync.operating.owed_references import OwedReference
from geosync.operating.recovery_point import why_not_known
from geosync.operating.service_level import level_now
from geosync.operating.site_report import QueuedMessages
from geosync.operating.sites import silent_sites
from geosync.operating.stalled import SWEEP_LATE_MS, why_stalled_now
from geosync.operating.status import Status
from geosync.sync_registry.site.sites import site_id

_HEALTH_STYLES = {"Healthy": "green", "Degraded": "yellow", "Unhealthy": "red"}


@click.command()
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.option(
    "--limit", type=click.IntRange(0, site_status.MOST), default=20, show_default=True, help="References shown."
)
@click.pass_obj
def status(choose: Callable[[], Chosen], as_document: bool, limit: int) -> None:
    """Show what is owed, since when and why.

    Exit code 0: the site is healthy and nothing is owed. 1: it is degraded or unhealthy, something is owed, or the
    backfill goes on (a later comparison may). 2: cannot tell.
    """
    site = choose().site()
    found = site_status.read(site.sync_registry, primary=site.primary_topic, clock=site.clock)
    queued = QueuedMessages(dead_letters=dead_letters(site), events_waiting=waiting(site, "EventsQueueUrl"))
    health = health_of(signs_of(site.facts, found, dead_letters=queued.dead_letters, silent=_silent(site, found)))
    if as_document:
        as_json({**document(site, found, queued, limit), **health.fields()})
    else:
        show(site, found, queued, health, limit)
    raise SystemExit(NOTHING_OWED if found.nothing_owed and not health.reasons else SOMETHING_WRONG)


def _silent(site: StackSite, found: Status) -> tuple[str, ...]:
    """Say of each site that a primary expects, and that is silent, what is wrong."""
    if not site.is_primary:
        return ()
    known = site.sync_registry.sites
    return silent_sites(known.all(), known.reports(), now_ms=found.at)


def dead_letters(site: StackSite) -> int:
    """About how many messages the DLQ holds."""
    return waiting(site, "DeadLetterQueueUrl")


def waiting(site: StackSite, queue: str) -> int:
    """About how many messages a queue (the name of its output) holds, in flight or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = site.client("sqs").get_queue_attributes(QueueUrl=site.outputs[queue], AttributeNames=names)
    return sum(int(attributes["Attributes"][name]) for name in names)


def document(site: StackSite, found: Status, queued: QueuedMessages, limit: int) -> dict[str, Any]:
    """The status for programs."""
    oldest = found.oldest
    return {
        "site": site.name,
        "id": site_id(site.name),
        "role": site.role,
        "stack": site.stack,
        "region": site.region,
        "at": found.at,
        "repositories": found.repositories,
        "synced_repositories": found.rows.synced if found.rows is not None else None,
        "owed": sum(not one.is_a_look for one in found.owed),
        "more_owed": found.more_owed,
        "parked": len(found.parked),
        "more_parked": found.more_parked,
        "failed": found.failed,
        "worked_on": found.worked_on,
        "oldest": asdict(oldest) if oldest is not None else None,
        "references": [asdict(reference) for reference in found.references[:limit]],
        "dead_letters": queued.dead_letters,
        "paused": asdict(found.pause) if found.pause is not None else None,
        "holds": [asdict(hold) for hold in found.holds],
        "heartbeat": asdict(found.heartbeat) if found.heartbeat is not None else None,
        "events_waiting": queued.events_waiting,
        "recovery_point": found.recovery_point,
        "superseded_images": _superseded_images(site),
        "recovery_point_but_parked": found.recovery_point_but_parked,
        "recovery_point_stands_because": why_stalled_now(
            found, events=queued.events_waiting, letters=queued.dead_letters
        ),
        "proved_at": found.proved_at,
        "notifications_lost": asdict(found.lost) if found.lost is not None else None,
        "last_event_processed": asdict(found.cursor) if found.cursor is not None else None,
        "last_sweep": asdict(found.last_sweep) if found.last_sweep is not None else None,
        "deletes_suspended": asdict(found.deletes) if found.deletes.suspended else None,
        "last_minute": found.last_minute,
        "open_repositories": found.open_repositories,
        "failed_repositories": found.failed_repositories,
        "comparison": asdict(found.comparison) if found.comparison is not None else None,
        "progress": progress_document(found.progress) if found.progress is not None else None,
        "lag": asdict(found.lags),
        "last_drill": _last_drill(site),
        "service_level": level_now(found, site.facts.objective).fields() if not site.is_primary else None,
    }


def show(site: StackSite, found: Status, queued: QueuedMessages, health: Health, limit: int) -> None:
    """The status for people."""
    out = console()
    head = table(("", ""), lines(site, found, queued, health))
    head.show_header = False
    out.print(head)
    shown = found.references[:limit]
    if shown:
        out.print()
        columns = ("repository", "reference", "owed", "attempts", "next try", "failure")
        out.print(table(columns, (_row(reference, found.at) for reference in shown)))
    left = len(found.references) - len(shown)
    if left and limit:
        out.print(plain(f"… and {left} more (--limit)", "dim"))


Line = tuple[object, object]
"""A name, and what is said of it."""


def lines(site: StackSite, found: Status, queued: QueuedMessages, health: Health) -> list[Line]:
    """The lines above the table."""
    said: list[Line] = [("site", f"{site.name} ({site.role}, {site.region}, stack {site.stack})")]
    said += _health(health)
    letters, events = queued.dead_letters, queued.events_waiting
    if not site.is_primary or found.owed or found.parked:
        said += _backlog(found)
    said.append(("dlq", plain(count(letters, False, "message"), "red" if letters else "")))
    said += _stopped(found)
    if not site.is_primary:
        said.append(("heartbeat", _heartbeat(found)))
        said.append(("events", _events(found, events)))
        said.append(("sweep", _sweep(found)))
        said.append(("comparison", _comparison(found)))
        said.append(("lag", _lag(found)))
        said.append(("service level", in_a_line(level_now(found, site.facts.objective))))
        said += _drill(site, found.at)
        said += _recovery_point(found, why_stalled_now(found, events=events, letters=letters))
        if _superseded_images(site) == "skip":
            newest = (
                "of a tag that was pushed again before it was copied, this is the newest push (SupersededImages=skip)"
            )
            said.append(("", newest))
    return said


def _health(health: Health) -> Iterator[Line]:
    """The state, and its reasons: what makes it unhealthy in red, what degrades it in yellow."""
    yield ("health", plain(health.status, _HEALTH_STYLES[health.status]))
    yield from (("", plain(reason, "red")) for reason in health.unhealthy)
    yield from (("", plain(reason, "yellow")) for reason in health.degraded)


def _superseded_images(site: StackSite) -> str:
    return site.parameters.get("SupersededImages", "replicate")


def _backlog(found: Status) -> Iterator[Line]:
    yield ("owed", _owed(found))
    if found.parked:
        parked = count(len(found.parked), found.more_parked, "reference")
        yield ("parked", plain(f"{parked}: geosync resync, or a new push, tries again", "red"))
    yield ("repositories", _repositories(found))


def _stopped(found: Status) -> Iterator[Line]:
    """The pause, the holds and the breaker, where they stop something."""
    if found.pause is not None:
        why = f": {found.pause.reason}" if found.pause.reason else ""
        yield ("paused", plain(f"for {age(found.pause.since, found.at)}{why}", "yellow"))
    for hold in found.holds:
        yield ("on hold", plain(f"{hold.registry} until {moment(hold.until)}: {hold.reason}", "yellow"))
    if found.deletes.suspended:
        since = age(found.deletes.suspended_at, found.at)
        why = f"by comparison suspended since {since}: {found.deletes.reason} (geosync deletes status)"
        yield ("deletes", plain(why, "red"))


def _repositories(found: Status) -> object:
    if found.rows is None:
        return plain("not counted yet: the next minutes count what the previous version wrote", "yellow")
    failed = f", {found.rows.failed} failed" if found.rows.failed else ""
    return f"{found.rows.rows}, {found.rows.synced} synced{failed}, {found.worked_on} being worked on"


def _lag(found: Status) -> str:
    lags = found.lags
    if lags.median_ms is None or lags.p99_ms is None:
        return "from push to synced: nothing measured in the last hour"
    half, most = lags.median_ms / 1000, lags.p99_ms / 1000
    return f"from push to synced: half within {half:.1f} s, 99 % within {most:.1f} s ({lags.measured} of the last hour)"


def _owed(found: Status) -> object:
    oldest = found.oldest
    if oldest is None:
        return plain("nothing", "green")
    # With more than were read, an older one may be among the others.
    prefix = "since at least" if found.more_owed or found.more_parked else "the oldest for"
    failed = f", {found.failed} failed" if found.failed else ""
    owed = count(sum(not one.is_a_look for one in found.owed), found.more_owed, "reference")
    return f"{owed}{failed}, {prefix} {age(oldest.owed_since, found.at)}"


def _heartbeat(found: Status) -> object:
    if found.heartbeat is None:
        return plain("no heartbeat has arrived yet", "yellow")
    return f"of {found.heartbeat.site}, sent {age(found.heartbeat.sent_at, found.at)} ago"


def _comparison(found: Status) -> object:
    walk = found.comparison
    if walk is None:
        return plain("no comparison has begun yet", "yellow")
    if walk.failure is not None:
        return plain(f"the primary's catalogue cannot be read: {walk.failure}", "red")
    begun, far = f"begun {age(walk.started_at, found.at)} ago", found.progress
    if far is None or far.complete:
        proved = ", complete" if walk.proved_at == walk.started_at else ", complete but for what is parked"
        return f"{begun}, repositories in all: {walk.repositories}{proved}"
    so_far = "" if far.listed else " so far"
    compared = f"{begun}, {far.state}, {far.compared} of {far.repositories} repositories compared{so_far}"
    return f"{compared}, {far.settled} of {far.found} different tags copied" if far.found else compared


def _events(found: Status, events: int) -> object:
    last = "no event processed yet"
    if found.cursor is not None:
        last = f"the primary received the last processed event {age(found.cursor.received_at, found.at)} ago"
    return f"{last}, {events} in the queue"


def _sweep(found: Status) -> object:
    if found.last_sweep is None:
        return plain("no sweep has run yet", "yellow")
    ago = f"{age(found.last_sweep.at, found.at)} ago"
    late = found.at - found.last_sweep.at > SWEEP_LATE_MS
    return plain(f"last run {ago}: owed references are not tried again", "red") if late else ago


def _recovery_point(found: Status, stalled: str | None) -> Iterator[Line]:
    """The sentence that the product exists for, its exceptions, and what keeps it from moving."""
    point, others = found.recovery_point, found.recovery_point_but_parked
    if point is not None:
        yield ("recovery point", f"everything pushed before {moment(point)} is here and was seen")
    else:
        yield ("recovery point", plain(f"not known: {why_not_known(found)}", "yellow"))
    if others is not None and others != point:
        yield ("", f"without the parked references, everything pushed before {moment(others)} is here")
    if stalled is not None:
        yield ("", plain(f"stalled, heartbeats do not move it: {stalled}", "yellow"))
    if found.lost is not None:
        last = f"{found.lost.repository}:{found.lost.reference}"
        lost = count(found.lost.count, False, "notification")
        yield ("", plain(f"{lost} of the primary's registry did not arrive, the last for {last}", "red"))
    if found.proved_at is not None:
        yield ("proved", f"a comparison proved everything pushed before {moment(found.proved_at)}")


def _last_drill(site: StackSite) -> dict[str, Any] | None:
    last = site.sync_registry.drills.last() if not site.is_primary else None
    return asdict(last) if last is not None else None


def _drill(site: StackSite, now_ms: int) -> Iterator[Line]:
    """The last drill, and why another is due."""
    last = site.sync_registry.drills.last()
    if last is not None:
        style = {"passed": "green", "failed": "red"}.get(last.verdict, "yellow")
        why = f": {last.why}" if last.why else ""
        yield ("drill", plain(f"{last.verdict} {age(last.at, now_ms)} ago{why}", style))
    due = why_due(last, site.drill_schedule, now_ms=now_ms)
    if due is not None:
        yield ("" if last is not None else "drill", plain(f"{due} (geosync drill)", "yellow"))


def _row(reference: OwedReference, now_ms: int) -> tuple[object, ...]:
    if reference.parked:
        following = "parked"
    elif reference.due is None or reference.due <= now_ms:
        following = "now"
    else:
        following = f"in {age(now_ms, reference.due)}"
    return (
        reference.repository,
        reference.reference,
        age(reference.owed_since, now_ms),
        reference.attempts,
        following,
        plain(reference.failure or "", "red"),
    )
