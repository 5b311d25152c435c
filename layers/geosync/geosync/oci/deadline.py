"""The end of this invocation, as every request sees it.

One per execution environment: the clients keep it, the handler sets it anew at each invocation. A request is never
begun, and a stream never read on, when nothing is left; no time-out is longer than what is left.
"""

from __future__ import annotations

import math

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import OutOfTime


class Deadline:
    """A moment on the monotonic clock that many threads read and the handler moves.

    All clients of a process share it, so it carries the `clock` that they read.
    """

    __slots__ = ("_at_s", "_given_s", "clock")

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self._at_s = math.inf
        self._given_s = math.inf

    def set(self, left_s: float) -> None:
        """Put the deadline `left_s` seconds ahead (the caller has taken its margin off already)."""
        self._at_s = self.clock.monotonic_s() + left_s
        self._given_s = left_s

    def clear(self) -> None:
        """Remove the deadline, as outside of an invocation."""
        self._at_s = self._given_s = math.inf

    @property
    def given_s(self) -> float:
        """The seconds that this invocation was given in all, infinite when there is no deadline."""
        return self._given_s

    def left_s(self) -> float:
        """Return the seconds left, negative when it has passed, infinite when there is no deadline."""
        return self._at_s - self.clock.monotonic_s()

    def check(self) -> None:
        """Raise OutOfTime when nothing is left."""
        if self.left_s() <= 0:
            raise OutOfTime("the time of this invocation is over; the next one goes on")
