"""How the syncing goes: not paused, no registry on hold, heartbeats arrive, the sweep runs, nothing is given up."""

from __future__ import annotations

from collections.abc import Iterator

from geosync.cli.checks.endpoint import read_log
from geosync.cli.checks.findings import Finding, ok, problem
from geosync.cli.output import age, count, moment
from geosync.cli.site import Site
from geosync.cli.status import dead_letters
from geosync.operating import status
from geosync.sync_registry.registry import SyncRegistry, wall_clock

OVERDUE_MS = 180_000
"""The sweep finds what is due every minute; three of them are no longer chance."""
SILENT_MS = 180_000
"""The primary posts a heartbeat every minute."""
SWEPT_MINUTES = 5


def look_at_the_site(site: Site) -> Iterator[Finding]:
    """Pause, holds, heartbeat, parked references."""
    found = status.read(site.store)
    if found.pause is None:
        yield ok("not_paused", "the site is not paused")
    else:
        why = f" ({found.pause.reason})" if found.pause.reason else ""
        yield problem("not_paused", f"paused since {moment(found.pause.since)}{why}", "geosync resume")
    for hold in found.holds:
        fix = f"it is tried again by itself at {moment(hold.until)}; see that {hold.registry} answers"
        yield problem("registries_answer", f"{hold.registry} is on hold: {hold.reason}", fix)
    if not found.holds:
        yield ok("registries_answer", "no registry is on hold")
    fix = "run geosync check at the primary: its schedule, its endpoint, its token; then this site's subscription"
    if found.heartbeat is None:
        yield problem("heartbeat", "no heartbeat of the primary has arrived yet", fix)
    elif found.at - found.heartbeat.arrived_at > SILENT_MS:
        ago = age(found.heartbeat.arrived_at, found.at)
        yield problem("heartbeat", f"the last heartbeat of {found.heartbeat.site} arrived {ago} ago", fix)
    else:
        yield ok(
            "heartbeat",
            f"the last one of {found.heartbeat.site} arrived {age(found.heartbeat.arrived_at, found.at)} ago",
        )
    walk = found.comparison
    if walk is not None and walk.failure is not None:
        fix = "give the account in PrimaryRegistrySecretArn the right to list the catalogue (registry:catalog:*)"
        yield problem("comparison", f"the primary's catalogue cannot be read: {walk.failure}", fix)
    elif walk is not None:
        yield ok("comparison", f"the last one began {age(walk.started_at, found.at)} ago")
    if found.parked:
        first = found.parked[0]
        text = f"{count(len(found.parked), found.more_parked, 'reference')} given up, such as {first.repository}"
        fix = f"mend the cause, then geosync resync {first.repository} {first.reference}"
        yield problem("nothing_parked", f"{text} {first.reference}: {first.failure}", fix)
    else:
        yield ok("nothing_parked", "no reference is given up")


def look_at_the_sweep(site: Site) -> Iterator[Finding]:
    """Whether what is due gets woken: something long due and held by nobody, and no sweep in the log, says no."""
    store = site.store
    now = wall_clock()
    overdue = SyncRegistry(store).due_repositories(1, at_ms=now - OVERDUE_MS)
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


def look_at_the_dlq(site: Site) -> Iterator[Finding]:
    """Whether the DLQ is empty."""
    letters = dead_letters(site)
    if letters:
        fix = "geosync dlq list shows the reasons; mend the cause, then geosync dlq replay --all"
        yield problem("dlq_empty", f"the DLQ holds {count(letters, False, 'message')}", fix)
    else:
        yield ok("dlq_empty", "the DLQ is empty")
