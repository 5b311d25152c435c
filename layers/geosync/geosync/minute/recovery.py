"""Every minute at a secondary: accounts heartbeats, notes a complete comparison, and makes the recovery point of them.

recovery/point.py says what the recovery point is made of, and why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.progress import progress_of
from geosync.minute.letters import LetterMatcher
from geosync.minute.losses import Tell, decide
from geosync.minute.queues import Queues
from geosync.operating import status as site_status
from geosync.operating.owed_references import OwedReference
from geosync.operating.stalled import why_apart, why_stalled, why_undecided
from geosync.operating.status import Status
from geosync.recovery import point
from geosync.recovery.point import COUNTS_SETTLE_MS
from geosync.sync_registry.site.catalogue import Walk, WalkPace
from geosync.sync_registry.sync_registry import SyncRegistry

LOOKS = 4
"""Looks of one minute at the events queue: one that is busy is empty now and then."""
BETWEEN_LOOKS_S = 0.5
"""Also between the look that found it empty and the reading of what is owed: the index follows its table."""
UNCONFIRMED = "the subscription to the primary's topic could not be looked at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The primary that the site is to follow: its topic, and whether this minute saw the subscription to it.

    A subscription that was deleted and made again delivered nothing in between. The next minute that sees it finds out.
    """

    primary: str | None = None
    is_subscribed: bool = True


def account(
    sync_registry: SyncRegistry,
    queues: Queues,
    followed: Followed,
    *,
    settle_ms: int = COUNTS_SETTLE_MS,
    clock: Clock = SYSTEM_CLOCK,
    tell: Tell = lambda _: None,
) -> Status:
    """Record what this minute knows, and return the status with it; `tell` is called for each lost notification.

    Raises what SQS and DynamoDB raise.
    """
    looked_at, events = _look(queues, clock)
    letters = queues.dead_letters()
    clock.sleep(BETWEEN_LOOKS_S)
    status = site_status.read(sync_registry, primary=followed.primary, counts=False, clock=clock)
    unmarked = _unmarked(sync_registry, queues, status, letters=letters)
    if unmarked == 0:
        status = _without_refused(sync_registry, status, before=looked_at - settle_ms)
    why_not = why_stalled(status, events=events, unmarked=unmarked)
    # A subscription that could not be looked at may have been missing.
    empty_at_ms = looked_at - settle_ms if why_not is None and followed.is_subscribed else None
    decided = decide(sync_registry, status.subscription, empty_at_ms=empty_at_ms, tell=tell)
    if decided.lost:
        status = replace(status, lost=sync_registry.recovery.lost())
    why_not = why_not or why_undecided(decided.undecided)
    status = replace(status, recovery=replace(status.recovery, undecided=decided.undecided))
    status = replace(status, comparison=_compared(sync_registry, status))
    why_not = why_not or (why_apart(status.subscription, status.comparison) if followed.is_subscribed else UNCONFIRMED)
    if _regained(status):
        assert status.lost is not None  # noqa: S101 - what is regained was lost
        sync_registry.recovery.forget_lost(status.lost)
        status = replace(status, lost=None)
    status = _accounted(status, looked_at, why_not, settle_ms)
    sync_registry.recovery.write(status.recovery)
    return status


def _accounted(status: Status, empty_at: int, why_not: str | None, settle_ms: int) -> Status:
    """The status with the heartbeats that the queue accounts for, and with the recovery point that follows.

    The queue was looked at last at `empty_at` (ms). With a `why_not`, no heartbeat is accounted.
    """
    known, beat = status.recovery, status.heartbeat
    heartbeats = point.heard(known, (beat.sent_at, beat.arrived_at) if beat is not None else None)
    newest = point.accounted(heartbeats, empty_at=empty_at, settle_ms=settle_ms) if why_not is None else None
    if newest is not None:
        heartbeats = tuple(one for one in heartbeats if one[0] > newest)
        known = replace(known, sent_at=max(newest, known.sent_at or 0), at=empty_at)
    status = replace(status, recovery=replace(known, heartbeats=heartbeats, why=why_not))
    known = replace(status.recovery, point=status.recovery_point, point_but_parked=status.recovery_point_but_parked)
    return replace(status, recovery=known)


def _look(queues: Queues, clock: Clock) -> tuple[int, int]:
    """Look a few times for a moment without a waiting event; returns the last look (ms), and how many waited then."""
    for look in range(LOOKS):
        if look:
            clock.sleep(BETWEEN_LOOKS_S)
        looked_at = clock.now_ms()
        events = queues.events()
        if not events:
            break
    return looked_at, events


def _unmarked(sync_registry: SyncRegistry, queues: Queues, status: Status, *, letters: int) -> int | None:
    """The number of messages in the DLQ that could not be marked; None while not all of them can be seen."""
    matcher = LetterMatcher(sync_registry, queues)
    look = matcher.match(letters, len(status.parked), anew=status.refused, now_ms=status.at)
    return look.unmarked if look is not None else None


def _without_refused(sync_registry: SyncRegistry, status: Status, *, before: int) -> Status:
    """Forget what was refused `before` (ms), at a site with nothing unmarked.

    What was refused later stays, because SQS may count a message late that was sent a moment ago.
    """
    if not status.refused:
        return status
    return replace(status, refused=not sync_registry.recovery.forget_refused(before=before))


def _is_all_parked(left: Iterable[OwedReference], status: Status) -> bool:
    """Tell whether all of `left` is parked, and nothing is owed beyond what the status has read.

    A repository that is parked as a whole was not compared: what of it is missing here stands nowhere.
    """
    is_all = all(one.parked and one.reference != "*" for one in left)
    return is_all and not status.more_owed and not status.more_parked


def _compared(sync_registry: SyncRegistry, status: Status) -> Walk | None:
    """Note the progress of the last walk. It is complete when nothing that a walk made owed is left."""
    walk = status.comparison
    if walk is None or walk.finished_at is None or (walk.complete and walk.is_proved):
        return walk
    done = progress_of(sync_registry, walk, now_ms=status.at)
    left = [one for one in status.references if one.is_a_find]
    clean = done.compared >= walk.repositories and _is_all_parked(left, status)
    noted = sync_registry.catalogue.note_progress(
        walk, WalkPace(at=status.at, compared=done.compared, settled=done.settled), clean=clean, parked=bool(left)
    )
    return noted or walk


def _regained(status: Status) -> bool:
    """Tell whether an event came, and a comparison that found no other loss began, after the last lost notification.

    While it is undecided whether something that was found is another loss, nobody can tell.
    """
    lost, walk, cursor = status.lost, status.comparison, status.cursor
    if lost is None or walk is None or cursor is None or status.recovery.undecided:
        return False
    return walk.complete and walk.started_at > lost.last_at and cursor.received_at > lost.last_at
