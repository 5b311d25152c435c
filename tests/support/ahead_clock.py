"""The machine's clock plus the time that a test adds: days pass without a wait."""

from __future__ import annotations

from geosync.clock import Clock


class AheadClock(Clock):
    """The time of this machine, `ahead` (ms) of it."""

    __slots__ = ("ahead",)

    def __init__(self) -> None:
        self.ahead = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead
