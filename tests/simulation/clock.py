"""Geosync's clock, as the scheduler keeps it: one time for all, and a wall clock for each place, ahead or behind."""

from __future__ import annotations

from typing import ClassVar

from tests.simulation.scheduler import Scheduler

from geosync.clock import Clock

EPOCH_MS = 1_800_000_000_000
"""The world begins then (ms since the epoch): 2027-01-15T08:00Z."""


class SimulatedClock(Clock):
    """SYSTEM_CLOCK in a simulated world."""

    __slots__ = ()

    scheduler: ClassVar[Scheduler]

    def now_ms(self) -> int:
        """The wall clock of the asking place (ms)."""
        scheduler = self.scheduler
        return EPOCH_MS + int(scheduler.now_s * 1000) + scheduler.current.place.skew_ms

    def monotonic_s(self) -> float:
        """Seconds since the world began."""
        return self.scheduler.now_s

    def sleep(self, seconds: float) -> None:
        """Pass the baton on for `seconds`."""
        self.scheduler.sleep(max(seconds, 0.0))
