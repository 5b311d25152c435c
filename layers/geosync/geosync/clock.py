"""The one clock. Whoever needs the time or has to wait gets it passed in: a test or a simulation passes another."""

from __future__ import annotations

import time


class Clock:
    """The machine's clocks; a simulated world passes a subclass."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Wall-clock time in milliseconds since the epoch, as it is stored and sent."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds of a clock that never goes back; only differences mean something."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


SYSTEM_CLOCK = Clock()
"""The machine's own clock, for handlers and commands to pass on."""
