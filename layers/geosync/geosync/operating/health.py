"""A site's health: healthy, degraded or unhealthy, with the reasons beside it. Pure.

The same function decides for the dashboard, the admin API, the command and the alarms:

    unhealthy   a disaster now would lose pushes, or nobody can tell: the minute does not run, no heartbeat for three
                minutes, a registry on hold, a recovery point older than its alarm
    degraded    the site works, and something waits for an operator or is not known
    healthy     neither

GitLab has two words, Healthy and Unhealthy; Degraded is ours. `healthy` is true for Healthy alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from geosync.operating.recovery_point import why_not_known
from geosync.operating.site_facts import SiteFacts
from geosync.operating.status import Status
from geosync.sync_registry.failures import cut
from geosync.sync_registry.site.heartbeat import AHEAD_MS, PostedHeartbeat

MINUTE_LATE_MS = 5 * 60_000
"""Time since functions/reconcile last ran after which it counts as not running: that of MinuteAlarm (GitLab: 1 h)."""
HEARTBEAT_LATE_MS = 3 * 60_000
"""Time without a heartbeat after which the way from the primary counts as closed: one comes every minute."""
MOST_REASONS = 10
"""Reasons that are shown: a report has at most 16 KiB (operating/sites.py)."""
HealthStatus = Literal["Healthy", "Degraded", "Unhealthy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondarySigns:
    """The signs that a secondary's health is judged by."""

    facts: SiteFacts
    status: Status
    dead_letters: int

    @property
    def at(self) -> int:
        """The moment that they are of (ms)."""
        return self.status.at

    @property
    def last_minute(self) -> int | None:
        """The last run of functions/reconcile (ms)."""
        return self.status.last_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimarySigns:
    """The signs that a primary's health is judged by, at the moment `at` (ms).

    `silent` says of each expected site that is silent what is wrong with its reports.
    """

    at: int
    last_minute: int | None
    posted: PostedHeartbeat | None
    dead_letters: int
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A site's health: the reasons why it is unhealthy, and those why it is degraded."""

    unhealthy: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def status(self) -> HealthStatus:
        """The state in one word."""
        return "Unhealthy" if self.unhealthy else "Degraded" if self.degraded else "Healthy"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything that is wrong, the worst first."""
        return (*self.unhealthy, *self.degraded)

    @property
    def level(self) -> int:
        """The state as a metric: 0 healthy, 1 degraded, 2 unhealthy."""
        return 2 if self.unhealthy else 1 if self.degraded else 0

    def fields(self) -> dict[str, object]:
        """The state under GitLab's names, and its reasons one by one: the first MOST_REASONS, none of them long."""
        reasons = [cut(reason) for reason in self.reasons[:MOST_REASONS]]
        return {
            "health": "; ".join(reasons) or "Healthy",
            "healthy": not self.reasons,
            "health_status": self.status,
            "health_reasons": reasons,
        }


def signs_of(
    facts: SiteFacts, status: Status, *, dead_letters: int, silent: Iterable[str] = ()
) -> SecondarySigns | PrimarySigns:
    """The signs in a site's status, by its role; `silent` as in PrimarySigns."""
    if not facts.is_primary:
        return SecondarySigns(facts=facts, status=status, dead_letters=dead_letters)
    return PrimarySigns(
        at=status.at,
        last_minute=status.last_minute,
        posted=status.posted_heartbeat,
        dead_letters=dead_letters,
        silent=tuple(silent),
    )


def health_of(signs: SecondarySigns | PrimarySigns) -> Health:
    """Judge a site's health."""
    if isinstance(signs, PrimarySigns):
        unhealthy, degraded = _of_primary(signs), iter(signs.silent)
    else:
        unhealthy, degraded = _of_secondary(signs), _degraded(signs)
    return Health(unhealthy=(*_minute(signs), *unhealthy), degraded=(*_letters(signs.dead_letters), *degraded))


def _minute(signs: SecondarySigns | PrimarySigns) -> Iterator[str]:
    if signs.last_minute is None:
        yield "functions/reconcile has not run yet"
    elif ahead := _ahead(signs.last_minute, signs.at):
        yield f"functions/reconcile last ran {ahead}: whether it runs is not known"
    elif signs.at - signs.last_minute > MINUTE_LATE_MS:
        yield f"functions/reconcile has not run for {_minutes(signs.at - signs.last_minute)}"


def _of_primary(signs: PrimarySigns) -> Iterator[str]:
    """Judge the site's own endpoint: one that takes heartbeats takes notifications, too."""
    posted = signs.posted
    why = f": {posted.failure}" if posted is not None and posted.failure is not None else ""
    if posted is None or posted.at is None:
        yield f"no heartbeat was taken by this site's endpoint yet{why}"
    elif ahead := _ahead(posted.at, signs.at):
        yield f"this site's endpoint took the last heartbeat {ahead}: whether it takes any is not known"
    elif signs.at - posted.at > HEARTBEAT_LATE_MS:
        yield f"no heartbeat was taken by this site's endpoint for {_minutes(signs.at - posted.at)}{why}"


def _of_secondary(signs: SecondarySigns) -> Iterator[str]:
    status = signs.status
    for hold in status.holds:
        yield f"the registry {hold.registry} is on hold: {hold.reason}"
    for hold in status.ended_holds:
        yield f"the registry {hold.registry} has not answered since its hold ended: {hold.reason}"
    yield from _heartbeat(signs)
    point = status.recovery_point
    if point is None:
        return
    if ahead := _ahead(point, status.at):
        yield f"the recovery point is {ahead}: it is not known"
    elif status.at - point > signs.facts.late_s * 1000:
        yield f"the recovery point is {_minutes(status.at - point)} old"


def _heartbeat(signs: SecondarySigns) -> Iterator[str]:
    beat, at = signs.status.heartbeat, signs.at
    if beat is None:
        yield "no heartbeat of the primary has arrived yet"
        return
    if beat.site == signs.facts.name:
        yield f"the primary's heartbeats bear this site's own name, {beat.site}: two sites must not have one name"
    if ahead := _ahead(beat.arrived_at, at):
        yield f"the primary's last heartbeat arrived {ahead}: whether any arrive is not known"
    elif at - beat.arrived_at > HEARTBEAT_LATE_MS:
        yield f"no heartbeat of the primary has arrived for {_minutes(at - beat.arrived_at)}"
    elif ahead := _ahead(beat.sent_at, beat.arrived_at):
        yield f"the primary's last heartbeat was sent {ahead}"


def _degraded(signs: SecondarySigns) -> Iterator[str]:
    status = signs.status
    if status.recovery_point is None:
        yield f"the recovery point is not known: {why_not_known(status)}"
    failed = sum(one.failure is not None for one in status.owed)
    if failed:
        yield _has(failed, status.more_owed, "reference", "failed and is tried again", "failed and are tried again")
    if status.parked:
        yield _has(len(status.parked), status.more_parked, "reference", "is parked", "are parked")
    if status.pause is not None:
        yield "the site is paused" + (f": {status.pause.reason}" if status.pause.reason else "")
    if status.deletes.suspended:
        yield f"deletes by comparison are suspended: {status.deletes.reason}"
    if status.lost is not None:
        yield _has(status.lost.count, False, "notification", "was lost", "were lost")


def _letters(number: int) -> Iterator[str]:
    if number:
        yield _has(number, False, "message", "is in the dead-letter queue", "are in the dead-letter queue")


def _ahead(moment: int, at: int) -> str | None:
    """Say how far in the future of `at` a moment is (ms); None: it is not."""
    if moment <= at + AHEAD_MS:
        return None
    return f"{(moment - at) // 1000} s in the future (a clock was set back, or this one is behind)"


def _minutes(milliseconds: int) -> str:
    number = milliseconds // 60_000
    return "1 minute" if number == 1 else f"{number} minutes"


def _has(number: int, more: bool, what: str, one: str, several: str) -> str:
    """Write `1 reference is parked`, `more than 3 references are parked`."""
    return (
        f"{'more than ' if more else ''}{number} {what}{'' if number == 1 else 's'} {one if number == 1 else several}"
    )
