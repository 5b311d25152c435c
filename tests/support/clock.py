"""A clock that only a test moves: wall and monotonic time go together, and to sleep is to move it."""

from __future__ import annotations

import threading

from geosync.clock import Clock

START = 1_800_000_000_000


class FakeClock(Clock):
    """Stands at `now` (ms since the epoch) until it is told to move; `slept` has the seconds that were waited."""

    __slots__ = ("_moving", "_start", "now", "slept")

    def __init__(self, now: int = START) -> None:
        self._start = self.now = now
        self._moving = threading.Lock()
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return self.now

    def monotonic_s(self) -> float:
        return (self.now - self._start) / 1000

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_(seconds)

    def pass_(self, seconds: float) -> None:
        """Let time pass, or go back; a part of a millisecond is a whole one, so that no wait is endless."""
        step_ms = round(seconds * 1000) or (1 if seconds > 0 else 0)
        with self._moving:  # threads that sleep at once: no step is lost, and it never goes back
            self.now += step_ms
