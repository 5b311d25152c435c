"""Every minute at a secondary: which heartbeats are accounted, whether the last comparison is complete, what follows.

What the recovery point is made of, and why, stands in sync_registry/site/recovery.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.progress import progress_of
from geosync.operating import status as site_status
from geosync.operating.status import Status
from geosync.sync_registry.registry import SyncRegistry
from geosync.sync_registry.site import recovery
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.recovery import COUNTS_SETTLE, Recovery
from geosync.sync_registry.table.changes import Store, Update

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

LOOKS = 4
"""How often a minute looks whether the events queue is empty: one that is busy is empty now and then."""
BETWEEN_LOOKS = 0.5
"""Seconds. Also between the look that found it empty and the reading of what is owed: the index follows its table."""
SWEEP_LATE = 5 * 60_000
"""Milliseconds since the last sweep after which nothing is accounted."""
_COUNTS: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """The events queue and the DLQ of a secondary."""

    sqs: SQSClient
    events_url: str
    dlq_url: str

    def events(self) -> int:
        """About how many events wait, or are on their way to a mark."""
        return self._messages(self.events_url)

    def dead_letters(self) -> int:
        """About how many messages are in the DLQ."""
        return self._messages(self.dlq_url)

    def _messages(self, url: str) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)["Attributes"]
        return sum(int(found.get(name, "0")) for name in _COUNTS)


def account(
    store: Store,
    queues: Queues,
    *,
    settle: int = COUNTS_SETTLE,
    clock: Clock = SYSTEM_CLOCK,
    sleep: Callable[[float], None] = time.sleep,
) -> Status:
    """Note what this minute knows, and return the status with it. Raises what SQS and DynamoDB raise."""
    looked_at, events = _look(queues, clock.now_ms, sleep)
    letters = queues.dead_letters()
    sleep(BETWEEN_LOOKS)
    if not letters:
        recovery.replayed(store, before=looked_at)
    status = site_status.read(SyncRegistry(store, clock=clock), counts=False, clock=clock)
    status = replace(status, comparison=_compared(store, status))
    if _regained(status):
        assert status.lost is not None  # noqa: S101 - what is regained was lost
        recovery.regained(store, status.lost)
        status = replace(status, lost=None)
    known, beat = status.recovery, status.heartbeat
    heartbeats = recovery.heard(known, (beat.sent_at, beat.arrived_at) if beat is not None else None)
    why = _why_not(status, events, letters)
    newest = recovery.accounted(heartbeats, empty_at=looked_at, settle=settle) if why is None else None
    if newest is not None:
        heartbeats = tuple(one for one in heartbeats if one[0] > newest)
        known = replace(known, sent_at=max(newest, known.sent_at or 0), at=looked_at)
    status = replace(status, recovery=replace(known, heartbeats=heartbeats, why=why))
    known = replace(status.recovery, point=status.recovery_point, point_but_parked=status.recovery_point_but_parked)
    status = replace(status, recovery=known)
    _write(store, status.recovery)
    return status


def _look(queues: Queues, clock: Callable[[], int], sleep: Callable[[float], None]) -> tuple[int, int]:
    """Look a few times for a moment at which no event waits; returns when (ms) it looked last, and how many waited."""
    for look in range(LOOKS):
        if look:
            sleep(BETWEEN_LOOKS)
        looked_at = clock()
        events = queues.events()
        if not events:
            break
    return looked_at, events


def _why_not(status: Status, events: int, letters: int) -> str | None:
    """Why no heartbeat can be accounted now; None when those that arrived early enough can."""
    if status.last_sweep is None or status.at - status.last_sweep.at > SWEEP_LATE:
        return "the sweep does not run"
    if events:
        return f"events wait in the queue: {events}"
    if letters and status.refused:
        return "the DLQ holds messages that could not be marked"
    if letters > len(status.parked) and not status.more_parked:
        return "the DLQ holds messages that speak of nothing that is owed"
    return None


def _compared(store: Store, status: Status) -> Walk | None:
    """Note how far the last walk's work is. It is complete when nothing that a walk made owed is left."""
    walk = status.comparison
    if walk is None or walk.finished_at is None or (walk.complete and walk.proved_at == walk.started_at):
        return walk
    done = progress_of(SyncRegistry(store), walk, now_ms=status.at)
    left = [one for one in status.references if one.walk is not None or one.owed_since is None]
    listed_all = done.compared >= walk.repositories
    clean = listed_all and not status.more_owed and not status.more_parked and all(one.parked for one in left)
    noted = SyncRegistry(store).catalogue.note_progress(
        walk, done.compared + done.settled, clean=clean, parked=bool(left), now_ms=status.at
    )
    return noted or walk


def _regained(status: Status) -> bool:
    """Whether a comparison that began after the last lost notification found no more, and an event has come since."""
    lost, walk, cursor = status.lost, status.comparison, status.cursor
    if lost is None or walk is None or cursor is None:
        return False
    return walk.complete and walk.started_at > lost.last_at and cursor.received_at > lost.last_at


def _write(store: Store, known: Recovery) -> None:
    values = {
        "sent_at": known.sent_at,
        "at": known.at,
        "heartbeats": [list(one) for one in known.heartbeats],
        "point": known.point,
        "point_but_parked": known.point_but_parked,
        "why": known.why,
    }
    kept = {name: value for name, value in values.items() if value is not None}
    store.write(Update(key=recovery.RECOVERY, set=kept, remove=tuple(values.keys() - kept.keys())))
