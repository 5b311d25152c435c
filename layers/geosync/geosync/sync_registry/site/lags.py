"""The time from push to seen, as counts in a fixed histogram.

A bin holds what took at most its bound, and more than the bound below: 0.1 s, and each bound a fifth more. So a median
or a percentile is a bound that is right within a fifth, from a few small numbers, whatever was pushed. The bins are
kept by the minute and by the hour (history.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

SHORTEST_MS = 100
STEP = 1.2
BINS = 90
"""The last bound is 13 days; what took longer is counted there."""


def bin_of(lag_ms: int) -> int:
    """The number of the bin that holds a lag (ms)."""
    if lag_ms <= SHORTEST_MS:
        return 0
    return min(math.ceil(math.log(lag_ms / SHORTEST_MS, STEP) - 1e-9), BINS - 1)


def bound_ms(number: int) -> int:
    """The longest lag that a bin holds (ms)."""
    return round(SHORTEST_MS * STEP**number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """The lags of some pushes: how many were measured, and what half and 99 of 100 of them took at most (ms).

    None: none was measured.
    """

    measured: int = 0
    median_ms: int | None = None
    p99_ms: int | None = None

    @classmethod
    def of(cls, bins: Mapping[int, int]) -> Lags:
        """Sum up a histogram."""
        measured = sum(bins.values())
        if not measured:
            return cls()
        return cls(measured=measured, median_ms=at_most(bins, measured, 50), p99_ms=at_most(bins, measured, 99))


NO_LAGS = Lags()


def at_most(bins: Mapping[int, int], pushes: int, percent: int) -> int | None:
    """The time that `percent` of 100 of the `pushes` took at most (ms).

    Pushes that are in no bin have not arrived. None: so many have not that it cannot be said.
    """
    rank, seen = math.ceil(pushes * percent / 100), 0
    for number in sorted(bins):
        seen += bins[number]
        if seen >= rank:
            return bound_ms(number)
    return None
