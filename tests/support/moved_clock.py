"""A clock that a test moves: the machine's own time, and some seconds more."""

from __future__ import annotations

from geosync.clock import Clock


class MovedClock(Clock):
    """The machine's clocks, `ahead_s` seconds ahead."""

    __slots__ = ("ahead_s",)

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + round(self.ahead_s * 1000)

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s
