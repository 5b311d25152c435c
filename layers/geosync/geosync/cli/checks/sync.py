"""The state of the syncing: not paused, no registry on hold, heartbeats arrive, the sweep runs, nothing is given up."""

from __future__ import annotations

from collections.abc import Iterator

from geosync.aws.errors import tells_of_throttling
from geosync.cli.checks.findings import CheckFinding, ok, problem
from geosync.cli.checks.function_log import read_log
from geosync.cli.output import age, count, moment_text
from geosync.cli.site import StackSite
from geosync.cli.status.look import dead_letters
from geosync.operating.status import Status

OVERDUE_MS = 180_000
"""The sweep finds what is due every minute; three of them are no longer chance."""
SILENT_MS = 180_000
"""The primary posts a heartbeat every minute."""
SWEPT_MINUTES = 5
QUOTA = "if it goes on, ask AWS for a higher quota of that call (docs/scale.md)"


def look_at_the_site(site: StackSite) -> Iterator[CheckFinding]:
    """Pause, holds, heartbeat, pushes that nobody announced, comparison, parked references."""
    found = site.read_status()
    yield _pause(found)
    yield from _holds(found)
    yield from _throttled(found)
    yield _heartbeat(found)
    yield _announced(found)
    yield from _comparison(found)
    yield _parked(found)


def _pause(found: Status) -> CheckFinding:
    if found.pause is None:
        return ok("not_paused", "the site is not paused")
    why = f" ({found.pause.reason})" if found.pause.reason else ""
    return problem("not_paused", f"paused since {moment_text(found.pause.since)}{why}", found.pause.way_out)


def _holds(found: Status) -> Iterator[CheckFinding]:
    for hold in found.holds:
        todo = QUOTA if tells_of_throttling(hold.reason) else f"see that {hold.registry} answers"
        fix = f"it is tried again by itself at {moment_text(hold.until)}; {todo}"
        yield problem("registries_answer", f"{hold.registry} is on hold: {hold.reason}", fix)
    if not found.holds:
        yield ok("registries_answer", "no registry is on hold")


def _throttled(found: Status) -> Iterator[CheckFinding]:
    """References of which AWS throttled the work: each says which call it was."""
    said = [one for one in (*found.owed, *found.parked) if tells_of_throttling(one.failure)]
    if said:
        first = said[0]
        text = f"{count(len(said), 'reference', more=found.more_owed)} met it, such as {first.repository}"
        yield problem("references_throttled", f"{text} {first.reference}: {first.failure}", QUOTA)


def _heartbeat(found: Status) -> CheckFinding:
    fix = "run geosync check at the primary: its schedule, its endpoint, its token; then this site's subscription"
    beat = found.heartbeat
    if beat is None:
        return problem("heartbeat", "no heartbeat of the primary has arrived yet", fix)
    ago = age(beat.arrived_at, found.at)
    if found.at - beat.arrived_at > SILENT_MS:
        return problem("heartbeat", f"the last heartbeat of {beat.site} arrived {ago} ago", fix)
    return ok("heartbeat", f"the last one of {beat.site} arrived {ago} ago")


def _announced(found: Status) -> CheckFinding:
    lost = found.lost
    if lost is None:
        return ok("pushes_announced", "no push is known that the primary's registry did not announce")
    found_here = f"{count(lost.count, 'push was', 'pushes were')} found by comparison alone"
    return problem(
        "pushes_announced",
        f"{found_here} since {moment_text(lost.first_at)}, such as {lost.repository} {lost.reference}",
        "have the primary's registry post to the NotificationsUrl of its own site, then geosync check there; GitLab's "
        "chart configures it at secondaries alone: set registry.notifications at the primary too",
    )


def _comparison(found: Status) -> Iterator[CheckFinding]:
    walk = found.comparison
    if walk is not None and walk.failure is not None:
        fix = "give the account in PrimaryRegistrySecretArn the right to list the catalogue (registry:catalog:*)"
        yield problem("comparison", f"the primary's catalogue cannot be read: {walk.failure}", fix)
    elif walk is not None:
        yield ok("comparison", f"the last one began {age(walk.started_at, found.at)} ago")


def _parked(found: Status) -> CheckFinding:
    if not found.parked:
        return ok("nothing_parked", "no reference is given up")
    first = found.parked[0]
    text = f"{count(len(found.parked), 'reference', more=found.more_parked)} given up, such as {first.repository}"
    fix = f"mend the cause, then geosync resync {first.repository} {first.reference}"
    return problem("nothing_parked", f"{text} {first.reference}: {first.failure}", fix)


def look_at_the_sweep(site: StackSite) -> Iterator[CheckFinding]:
    """Look for something long due that nobody holds, and for a sweep in the log: the sweep must wake what is due."""
    overdue = site.sync_registry.due_repositories(1, at_ms=site.clock.now_ms() - OVERDUE_MS)
    if not overdue:
        yield ok("sweep", "nothing has been due for more than 3 minutes")
    elif read_log(site, "ReconcileFunction", "swept", SWEPT_MINUTES):
        yield ok("sweep", f"it runs; there is a backlog ({overdue[0]} has been due for more than 3 minutes)")
    else:
        yield problem(
            "sweep",
            f"{overdue[0]} has been due for more than 3 minutes, and no sweep ran for {SWEPT_MINUTES}",
            f"see the schedule and the log of {site.outputs['ReconcileFunction']} (sweep_failed)",
        )


def look_at_the_dlq(site: StackSite) -> Iterator[CheckFinding]:
    """Look whether the DLQ is empty."""
    letters = dead_letters(site)
    if letters:
        fix = "geosync dlq list shows the reasons; mend the cause, then geosync dlq replay --all"
        yield problem("dlq_empty", f"the DLQ holds {count(letters, 'message')}", fix)
    else:
        yield ok("dlq_empty", "the DLQ is empty")
