"""The status of a site for people: its facts line by line, and the references that are owed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from geosync import __version__
from geosync.cli.output import Column, Grid, Line, Part, age, count, facts, moment_text, plain
from geosync.cli.slo import in_a_line
from geosync.cli.status.look import Fleet, SiteLook
from geosync.clock import parsed_moment
from geosync.operating.drill_schedule import why_due
from geosync.operating.fleet import reported_fields
from geosync.operating.health import Health
from geosync.operating.owed_references import OwedReference
from geosync.operating.recovery_point import why_not_known
from geosync.operating.service_level import level_now
from geosync.operating.stalled import SWEEP_LATE_MS, why_stalled_now
from geosync.operating.status import Status
from geosync.sync_registry.items import Owed
from geosync.sync_registry.site.sites import KnownSite, SiteReport

HEALTH_STYLES = {"Healthy": "green", "Degraded": "yellow", "Unhealthy": "red"}


def parts(seen: SiteLook, limit: int) -> list[Part]:
    """The status for people, with at most `limit` references."""
    found = seen.found
    said: list[Part] = [facts(_lines(seen))]
    references = found.references[:limit]
    if references:
        said += ["", Grid(_reference_columns(found.at), references)]
    left = len(found.references) - len(references)
    if left and limit:
        said.append(plain(f"… and {left} more (--limit)", "dim"))
    return said


def _lines(seen: SiteLook) -> Iterator[Line]:
    """The lines above the table."""
    site, found, letters = seen.site, seen.found, seen.queued.dead_letters
    yield ("site", f"{site.name} ({site.role}, {site.region}, stack {site.stack})")
    yield ("version", _version(site.version))
    yield from _health(seen.health)
    if seen.fleet is None or found.owed or found.parked:
        yield from _backlog(found)
    yield ("dlq", plain(count(letters, "message"), "red" if letters else ""))
    yield from _stopped(found)
    yield from _of_secondary(seen) if seen.fleet is None else _of_primary(found, seen.fleet)


def _version(deployed: str | None) -> Text:
    if deployed is None:
        return plain("not known: the stack's template is of a version that does not say it", "yellow")
    return plain(deployed if deployed == __version__ else f"{deployed}; this command is {__version__}")


def _of_secondary(seen: SiteLook) -> Iterator[Line]:
    found, letters, events = seen.found, seen.queued.dead_letters, seen.queued.events_waiting
    yield ("heartbeat", _heartbeat(found))
    yield ("events", _events(found, events))
    yield ("sweep", _sweep(found))
    yield ("comparison", _comparison(found))
    yield ("lag", _lag(found))
    yield ("service level", in_a_line(level_now(found, seen.site.facts.objective)))
    yield from _drill(seen)
    yield from _recovery_point(found, why_stalled_now(found, events=events, letters=letters))
    if seen.superseded_images == "skip":
        newest = "of a tag that was pushed again before it was copied, this is the newest push (SupersededImages=skip)"
        yield ("", newest)


def _of_primary(found: Status, fleet: Fleet) -> Iterator[Line]:
    """The parts that a primary alone has: its endpoint, what it published, its repositories, its sites."""
    yield ("heartbeat", _posted(found))
    last = fleet.last_event
    published = f"the last one published {age(last.received_at, found.at)} ago" if last is not None else "none lately"
    yield ("events", published)
    yield ("minute", _minute(found))
    catalogue = fleet.catalogue
    known = plain("repositories: not known: no site has reported a comparison", "yellow")
    if catalogue is not None:
        ago = age(catalogue.at, found.at)
        known = plain(f"repositories: {catalogue.repositories}, as a comparison saw them {ago} ago")
    yield ("catalogue", known)
    if not fleet.sites:
        yield ("sites", plain("none is expected: geosync sites add", "yellow"))
    for number, (site, report) in enumerate(fleet.sites):
        yield ("sites" if number == 0 else "", _site(site, report, found.at))


def _posted(found: Status) -> object:
    posted = found.posted_heartbeat
    if posted is None or posted.at is None:
        return plain("its own endpoint has taken none yet", "yellow")
    taken = f"its own endpoint took the last one {age(posted.at, found.at)} ago"
    return plain(f"{taken}, and not the one after it: {posted.failure}", "red") if posted.failure else taken


def _minute(found: Status) -> object:
    if found.last_minute is None:
        return plain("functions/reconcile has not run yet", "yellow")
    return f"functions/reconcile ran {age(found.last_minute, found.at)} ago"


def _site(site: KnownSite, report: SiteReport | None, now_ms: int) -> object:
    """One expected site in a line, by its last report."""
    said = reported_fields(report, now_ms=now_ms)
    word = str(said.get("health_status", "Unknown"))
    point = said.get("recovery_point_at")
    parts = [f"{site.name}: {said.get('health', word) if word != 'Healthy' else word}"]
    parts.append(
        f"recovery point {age(parsed_moment(point), now_ms)} old" if isinstance(point, str) else "no recovery point"
    )
    owed = said.get("owed_references_count")
    parts.append(f"{owed} owed" if isinstance(owed, int) else "owed: not known")
    return plain(", ".join(parts), HEALTH_STYLES.get(word, ""))


def _health(health: Health) -> Iterator[Line]:
    """The state, and its reasons: what makes it unhealthy in red, what degrades it in yellow."""
    yield ("health", plain(health.status, HEALTH_STYLES[health.status]))
    yield from (("", plain(reason, "red")) for reason in health.unhealthy)
    yield from (("", plain(reason, "yellow")) for reason in health.degraded)


def _backlog(found: Status) -> Iterator[Line]:
    yield ("owed", _owed(found))
    if found.parked:
        parked = count(len(found.parked), "reference", more=found.more_parked)
        yield ("parked", plain(f"{parked}: geosync resync, or a new push, tries again", "red"))
    yield ("repositories", _repositories(found))


def _stopped(found: Status) -> Iterator[Line]:
    """The pause, the holds and the breaker, where they stop something."""
    if found.pause is not None:
        why = f": {found.pause.reason}" if found.pause.reason else ""
        yield ("paused", plain(f"for {age(found.pause.since, found.at)}{why}", "yellow"))
    for hold in found.holds:
        yield ("on hold", plain(f"{hold.registry} until {moment_text(hold.until)}: {hold.reason}", "yellow"))
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
    owed = count(sum(not one.is_a_look for one in found.owed), "reference", more=found.more_owed)
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
        proved = ", complete" if walk.is_proved else ", complete but for what is parked"
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
    """The recovery point, its exceptions, and why it stalls."""
    point, others = found.recovery_point, found.recovery_point_but_parked
    if point is not None:
        yield ("recovery point", f"everything pushed before {moment_text(point)} is here and was seen")
    else:
        yield ("recovery point", plain(f"not known: {why_not_known(found)}", "yellow"))
    if others is not None and others != point:
        yield ("", f"without the parked references, everything pushed before {moment_text(others)} is here")
    if stalled is not None:
        yield ("", plain(f"stalled, heartbeats do not move it: {stalled}", "yellow"))
    if found.lost is not None:
        last = f"{found.lost.repository}:{found.lost.reference}"
        lost = count(found.lost.count, "notification")
        yield ("", plain(f"{lost} of the primary's registry did not arrive, the last for {last}", "red"))
    if found.proved_at is not None:
        yield ("proved", f"a comparison proved everything pushed before {moment_text(found.proved_at)}")


def _drill(seen: SiteLook) -> Iterator[Line]:
    """The last drill, what it measured, and why another is due."""
    last, now_ms = seen.found.last_drill, seen.found.at
    due = why_due(last, seen.site.facts.drill_schedule, now_ms=now_ms)
    if last is None:
        yield (
            "drill",
            plain(f"not known: {due or 'none was carried out yet'} (geosync drill)", "yellow" if due else ""),
        )
        return
    style = {"passed": "green", "failed": "red"}.get(last.verdict, "yellow")
    why = f": {last.why}" if last.why else ""
    yield ("drill", plain(f"{last.verdict} {age(last.at, now_ms)} ago{why}", style))
    point, time = _duration(last.recovery_point_age_ms), _duration(last.recovery_time_ms)
    yield ("", f"measured: age of the recovery point {point}, recovery time {time}")
    if due is not None:
        yield ("", plain(f"{due} (geosync drill)", "yellow"))


def _duration(duration_ms: int | None) -> str:
    return age(0, duration_ms) if duration_ms is not None else "not known"


def _reference_columns(now_ms: int) -> tuple[Column, ...]:
    return (
        Column("repository", lambda one: one.repository),
        Column("reference", lambda one: one.reference),
        Column("owed", lambda one: age(one.owed_since, now_ms)),
        *attempt_columns(now_ms),
    )


def attempt_columns(now_ms: int) -> tuple[Column, ...]:
    """The attempts at what is owed, for a table of Owed or OwedReference."""
    return (
        Column("attempts", lambda one: "not known" if one.attempts is None else one.attempts),
        Column("next try", lambda one: _next_try(one, now_ms)),
        Column("correlation id", lambda one: one.correlation_id or "", wide=True),
        Column("failure", lambda one: plain(one.failure or "", "red")),
    )


def _next_try(owed: Owed | OwedReference, now_ms: int) -> str:
    """Write when a reference is tried next."""
    if owed.parked:
        return "parked"
    return "now" if owed.due is None or owed.due <= now_ms else f"in {age(now_ms, owed.due)}"
