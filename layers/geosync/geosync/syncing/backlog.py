"""The order in which a holder takes references: the newest first, then those that have failed, each when it is due.

"Newest" goes by `due`. What the comparison of a whole repository marks is as old as the mark of the repository, so that
every push that came since goes before it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.sweep import FAILED_SHARE
from geosync.sync_registry.sync_registry import SyncRegistry

TAKE = 50
"""References read at a time."""
LINGER_S = 3.0
"""Seconds for which a holder waits for something that is due soon, rather than leave it to the next sweep."""
PATIENCE_S = 1.0
"""Seconds that a reference by digest waits after its mark. Clients push the children of an index by digest just before
the index; brought by it they cost two requests each instead of four (docs/decisions/0010)."""
COOLDOWNS_S = (0.2, 0.5, 1.0, 2.0)
"""Seconds until a reference is looked at again that was marked again while it was worked on: a hundred events for one
tag cost a few looks."""


class Backlog:
    """The due references of one repository. For one thread, except `ask_again`."""

    def __init__(
        self,
        sync_registry: SyncRegistry,
        repository: str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._sync_registry = sync_registry
        self._repository = repository
        self._clock = clock
        self._waiting: list[Owed] = []
        self._stale = True
        self._cooling: dict[Reference, tuple[int, float]] = {}

    def ask_again(self) -> None:
        """Have the next `refill` ask the sync registry, whatever is left."""
        self._stale = True

    def refill(self, in_flight: Collection[Reference]) -> float | None:
        """Ask what is due, if there is reason to; what is `in_flight` is left out.

        Returns the seconds until the next reference can be taken (0 when one can be taken now), None when there is none
        to wait for. With nothing in flight, None says that the sync registry was asked in this very call.
        """
        if self._stale or not self._waiting:
            self._stale = False
            self._waiting = [owed for owed in self._due() if owed.reference not in in_flight]
        next_ones = self._next_ones(is_any_in_flight=bool(in_flight))
        return min((self._wait_s(owed) for owed in next_ones), default=None)

    def _next_ones(self, *, is_any_in_flight: bool) -> Sequence[Owed]:
        """Those that can be next.

        The whole repository (`*`) waits until all others have ended, whatever its own time. A reference over which a
        holder vanished waits for what is in flight.
        """
        others = [owed for owed in self._waiting if owed.reference.kind != "repository"]
        if is_any_in_flight:
            return [owed for owed in others if not owed.deaths]
        return others or self._waiting

    def _due(self) -> list[Owed]:
        """Read what is due, at most TAKE: untried references, then failed ones, for which a share is kept.

        Failed references are due later than untried ones, and the latest come first: many failed ones hide the untried.
        Then the sync registry is asked again, for the untried alone.
        """
        due = self._sync_registry.due(self._repository, TAKE, ahead_s=LINGER_S)
        untried, failed = [one for one in due if not one.attempts], [one for one in due if one.attempts]
        share = TAKE // FAILED_SHARE
        if len(due) == TAKE and len(failed) > share:
            untried = self._sync_registry.due(self._repository, TAKE, ahead_s=LINGER_S, untried=True)
            failed = failed[: max(TAKE - len(untried), share)]
        return untried + failed

    def take(self, *, idle: bool) -> Owed | None:
        """The newest reference whose time has come, what never failed first; None when there is none.

        The whole repository comes last, when the holder is `idle` and nothing else waits: it marks its tags anew. A
        reference over which a holder vanished is taken when the holder is idle: if that one vanishes too, nothing else
        is to blame.
        """
        for position, owed in enumerate(self._waiting):
            if owed.reference.kind == "repository" and not (idle and len(self._waiting) == 1):
                continue
            if owed.deaths and not idle:
                continue
            if self._wait_s(owed) <= 0:
                return self._waiting.pop(position)
        return None

    def note_ended(self, owed: Owed, *, marked_again: bool) -> None:
        """Note that an attempt at `owed` ended; one that was marked again is due again, after its cooldown."""
        if not marked_again:
            self._cooling.pop(owed.reference, None)
            return
        times = self._cooling.get(owed.reference, (0, 0.0))[0]
        self._cooling[owed.reference] = (
            times + 1,
            self._clock.monotonic_s() + COOLDOWNS_S[min(times, len(COOLDOWNS_S) - 1)],
        )
        self._stale = True

    def _wait_s(self, owed: Owed) -> float:
        """Seconds until `owed` can be taken."""
        due_at_ms = owed.due or 0
        if owed.reference.kind == "digest" and not owed.worked_on:
            due_at_ms = max(due_at_ms, owed.marked_at + round(PATIENCE_S * 1000))
        cool_s = self._cooling.get(owed.reference, (0, 0.0))[1] - self._clock.monotonic_s()
        return max((due_at_ms - self._clock.now_ms()) / 1000, cool_s, 0.0)
