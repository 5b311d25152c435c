"""What a holder takes next: newest first, what has failed after that, but for those whose time has not come.

"Newest" goes by `due`: what a whole repository's comparison marks is as old as the mark of the repository, so that
every push that came since goes before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.sweep import FAILED_SHARE

TAKE = 50
"""References read at a time."""
LINGER = 3.0
"""Seconds for which a holder waits for something that is due soon, rather than leave it to the next sweep."""
PATIENCE = 1.0
"""Seconds that a reference by digest waits after its mark. Clients push the children of an index by digest just before
the index; brought by it they cost two requests each instead of four (docs/decisions/0010)."""
COOLDOWNS = (0.2, 0.5, 1.0, 2.0)
"""Seconds until a reference is looked at again that was marked again while it was worked on: a hundred events for one
tag cost a few looks."""


class Backlog:
    """The due references of one repository. For one thread, except `references_came_in`."""

    def __init__(
        self,
        registry: SyncRegistry,
        repository: str,
        *,
        clock: Callable[[], int] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._repository = repository
        self._clock = clock
        self._monotonic = monotonic
        self._waiting: list[Owed] = []
        self._stale = True
        self._cooling: dict[Reference, tuple[int, float]] = {}

    def references_came_in(self) -> None:
        """The next `refill` asks the sync registry, whatever is left."""
        self._stale = True

    def refill(self, in_flight: Collection[Reference]) -> float | None:
        """Ask what is due, if there is reason to; what is `in_flight` is left out.

        Returns the seconds until the next reference can be taken (0 when one can be taken now), None when there is none
        to wait for. With nothing in flight, None says that the sync registry was asked in this very call.
        """
        if self._stale or not self._waiting:
            self._stale = False
            self._waiting = [owed for owed in self._due() if owed.reference not in in_flight]
        # The whole repository waits for all others to end: its own time says nothing while there are any.
        others = [owed for owed in self._waiting if owed.reference.kind != "repository"]
        next_ones = others if others or in_flight else self._waiting
        return min((self._wait(owed) for owed in next_ones), default=None)

    def _due(self) -> list[Owed]:
        """What is due, at most TAKE: what was never tried, then, at least a share while there is more, what has failed.

        What failed is due anew later than what was never tried was marked, and hides it where there is much of it: then
        the sync registry is asked again, for the latter alone.
        """
        due = self._registry.due(self._repository, TAKE, ahead=LINGER)
        untried, failed = [one for one in due if not one.attempts], [one for one in due if one.attempts]
        share = TAKE // FAILED_SHARE
        if len(due) == TAKE and len(failed) > share:
            untried = self._registry.due(self._repository, TAKE, ahead=LINGER, untried=True)
            failed = failed[: max(TAKE - len(untried), share)]
        return untried + failed

    def take(self, *, idle: bool) -> Owed | None:
        """The newest reference whose time has come, what never failed first; None when there is none.

        The whole repository comes last, when the holder is `idle` and nothing else waits: it marks its tags anew.
        """
        for position, owed in enumerate(self._waiting):
            if owed.reference.kind == "repository" and not (idle and len(self._waiting) == 1):
                continue
            if self._wait(owed) <= 0:
                return self._waiting.pop(position)
        return None

    def ended(self, owed: Owed, *, marked_again: bool) -> None:
        """An attempt at `owed` ended; one that was marked again is due again, after its cooldown."""
        if not marked_again:
            self._cooling.pop(owed.reference, None)
            return
        times = self._cooling.get(owed.reference, (0, 0.0))[0]
        self._cooling[owed.reference] = (times + 1, self._monotonic() + COOLDOWNS[min(times, len(COOLDOWNS) - 1)])
        self._stale = True

    def _wait(self, owed: Owed) -> float:
        """Seconds until `owed` can be taken."""
        due_at = owed.due or 0
        if owed.reference.kind == "digest" and not owed.worked_on:
            due_at = max(due_at, owed.marked_at + round(PATIENCE * 1000))
        cool = self._cooling.get(owed.reference, (0, 0.0))[1] - self._monotonic()
        return max((due_at - self._clock()) / 1000, cool, 0.0)
