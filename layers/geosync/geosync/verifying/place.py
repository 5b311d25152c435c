"""The place of a run in its round: written down between groups of tags, and given up when others have their turn."""

from __future__ import annotations

from dataclasses import replace

from geosync.clock import DAY_MS
from geosync.sync_registry.transitions import verification as transitions
from geosync.sync_registry.transitions.verification import Round
from geosync.verifying.asking import Asking
from geosync.verifying.context import VerificationContext

SLICE_S = 60.0
"""Time after which a run makes room: retries and resyncs wait in the same queue."""


class Stop(Exception):
    """The run ends here; the round goes on at `due` (ms), or begins anew then (`anew`)."""

    def __init__(self, due: int, why: str, *, anew: bool = False) -> None:
        super().__init__(why)
        self.due = due
        self.anew = anew


class RoundPlace:
    """The place of a run in its round."""

    def __init__(self, context: VerificationContext, at: Round, asking: Asking) -> None:
        self._context = context
        self._at = at
        self._asking = asking
        self._ends_at_s = context.clock.monotonic_s() + SLICE_S

    @property
    def repository(self) -> str:
        """The repository that is verified."""
        return self._at.repository

    @property
    def phase(self) -> str:
        """The phase of the round."""
        return self._at.phase

    @property
    def cursor(self) -> str:
        """The key after which the phase goes on."""
        return self._at.cursor

    @property
    def requests_left(self) -> int:
        """The number of requests that are left today."""
        return self._asking.left

    @property
    def noted(self) -> Round:
        """The round with the requests made so far."""
        return replace(self._at, day=self._context.clock.now_ms() // DAY_MS, spent=self._asking.spent)

    def move(self, cursor: str) -> None:
        """Go on behind `cursor`."""
        self._at = replace(self._at, cursor=cursor)

    def enter(self, phase: str) -> None:
        """Begin a phase, and write that down. Raises Stop and Overtaken."""
        self._at = replace(self._at, phase=phase, cursor="")
        self.save()

    def may_go_on(self) -> None:
        """Raise Stop or OutOfTime when this is where the run ends."""
        self._context.deadline.check()
        now_ms = self._context.clock.now_ms()
        if self._context.clock.monotonic_s() >= self._ends_at_s:
            raise Stop(now_ms, "others wait for their turn")
        if not self._asking.left:
            raise Stop((now_ms // DAY_MS + 1) * DAY_MS, "the requests of the day are spent")

    def save(self) -> None:
        """Write down where the run is. Raises Stop when the site is paused, and Overtaken."""
        now_ms = self._context.clock.now_ms()
        if self._context.sync_registry.is_paused():
            raise Stop(now_ms, "the site is paused")
        self.keep(now_ms + transitions.ABANDONED_AFTER_MS)

    def keep(self, due_ms: int, *, anew: bool = False) -> None:
        """Have the round go on at `due_ms`, from here or (`anew`) from its beginning. Raises Overtaken."""
        self._at = self._context.sync_registry.verification.keep(self.noted, due_ms, anew=anew)
