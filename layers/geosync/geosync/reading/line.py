"""First in line: a reference that a client asks for and that is not here yet is marked, and a worker is woken at once.

Only clients that the site's registry has let in get here, and what they cause is bounded:

- A reference is marked only when it is not owed, so many clients cause one copy.
- A client that needs a look from now on waits for the end of the one under way, and asks once. So many clients cause
  one look after another.
- A reference whose last attempt failed a minute ago or more is brought forward. It is not marked anew, so that its
  attempts count and it is parked in the end.
- A reference that waits for the window of a backfill is brought forward, too, and does not wait for it again.

A client can ask for any name that it invents. For a name that only clients ever named a worker is woken through the
work queue, so that no push waits behind it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from geosync.intake.wakes import send_wakes
from geosync.messages.queues import Queue
from geosync.messages.work import Reason
from geosync.reading.freshness import Known
from geosync.sync_registry import decisions
from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

RETRY_MS = 60_000
"""A reference whose attempt failed is brought forward by a pull after that time, and not sooner."""
WAKE_MS = 2_000
"""A mark sends a wake. If no worker has taken it up after that time, it is sent again."""


class LinePlace(enum.Enum):
    """The action by which a reference comes soon."""

    MARK = "mark it, and wake a worker"
    FORWARD = "it has failed, or waits for the window of a backfill: bring it forward, and wake a worker"
    ANEW = "it was looked at before: have it looked at again, and wake a worker"
    WAKE = "it is marked: wake a worker"
    WAIT = "a worker has it"
    NONE = "nothing makes it come soon: do not wait"


def place_of(known: Known, *, now_ms: int, until_ms: int, anew: bool = False) -> LinePlace:
    """Choose what to do for a reference that cannot be given out, while its client waits until `until_ms`.

    `anew`: what is owed was marked before the client came, and only a look from now on will do.
    """
    owed = known.owed
    if known.is_left_alone:
        return LinePlace.NONE
    if owed is None:
        return LinePlace.MARK
    if owed.due is None:
        return LinePlace.NONE  # parked: only an operator, or another push, helps
    if owed.due > (now_ms if anew else until_ms):
        return _sooner(owed, now_ms, until_ms, anew=anew)
    is_held = known.row is not None and known.row.leased(now_ms)
    return LinePlace.WAKE if not is_held and now_ms - max(owed.marked_at, owed.due) >= WAKE_MS else LinePlace.WAIT


def _sooner(owed: Owed, now_ms: int, until_ms: int, *, anew: bool) -> LinePlace:
    """Choose what to do for a reference that was put off, or has failed."""
    if anew and owed.failure is None:
        return LinePlace.ANEW
    if owed.due is not None and owed.due <= until_ms:
        return LinePlace.WAIT
    return LinePlace.FORWARD if _may_come_forward(owed, now_ms) else LinePlace.NONE


def _may_come_forward(owed: Owed, now_ms: int) -> bool:
    """True for work of a backfill, and for what failed long enough ago."""
    if owed.failure is None:
        return decisions.is_of_a_backfill(owed)
    return now_ms - (owed.failed_at or 0) >= RETRY_MS


class Line:
    """Marks and wakes, for one site: through its `live` queue, or through `work` for what only clients ever named."""

    def __init__(self, sync_registry: SyncRegistry, live: Queue, work: Queue, logger: Logger) -> None:
        self._sync_registry = sync_registry
        self._live = live
        self._work = work
        self._logger = logger

    def put(self, repository: str, reference: Reference, known: Known, place: LinePlace) -> bool:
        """Do what `place` says for a reference of the primary's `repository`. Raises what DynamoDB raises, Contended.

        True: it was marked after `known` was read, by this call or by somebody else. A wake that cannot be sent loses
        nothing: the sweep finds what is owed.
        """
        if place in (LinePlace.WAIT, LinePlace.NONE):
            return False
        owed, is_marked = known.owed, place is LinePlace.MARK
        if place is LinePlace.MARK:
            self._sync_registry.ask(repository, reference)
        if place is LinePlace.FORWARD and (owed is None or not self._sync_registry.bring_forward(owed)):
            return False  # whoever changed it meanwhile has woken a worker, or is one
        if place is LinePlace.ANEW:
            is_marked = owed is not None and self._sync_registry.look_anew(owed)
            if not is_marked:
                return False
        if not self._sync_registry.tell(repository, believed=known.row):
            queue, reason = self._queue_for(known)
            send_wakes(queue, [repository], self._logger, reason=reason)
        return is_marked

    def _queue_for(self, known: Known) -> tuple[Queue, Reason]:
        return (self._work, "resync") if known.is_unheard_of else (self._live, "event")
