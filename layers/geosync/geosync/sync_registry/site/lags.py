"""The time from push to synced, of the last hour: one histogram for each ten minutes, `#site`/`lag#<number>`.

A bin holds what took at most its bound, and more than the bound below: 0.1 s, and each bound a fifth more. So a median
or a percentile is a bound that is right within a fifth, from a few small items, whatever was pushed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update

SLOT_MS = 600_000
SLOTS = 6
"""Whole slots that are read beside the one that goes on: an hour."""
KEPT_S = 2 * 3_600
"""Lifetime of an item (TTL `expire_at`)."""
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
    """The lags of the last hour: how many were measured, and what half and 99 of 100 of them took at most (ms).

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
        return cls(measured=measured, median_ms=_at_most(bins, measured, 50), p99_ms=_at_most(bins, measured, 99))


NO_LAGS = Lags()


def _at_most(bins: Mapping[int, int], measured: int, percent: int) -> int:
    """The time that `percent` of 100 took at most (ms)."""
    rank, seen = math.ceil(measured * percent / 100), 0
    for number in sorted(bins):
        seen += bins[number]
        if seen >= rank:
            return bound_ms(number)
    raise AssertionError("a histogram holds what was measured")


class LagItems:
    """Keeps the histograms."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, bins: Mapping[int, int], *, now_ms: int) -> None:
        """Add what was measured until now: one write."""
        slot = now_ms // SLOT_MS
        counts = {_name(number): count for number, count in bins.items()}
        self._store.write(Update(key=_key(slot), add=counts, set={"expire_at": now_ms // 1000 + KEPT_S}))

    def read(self, *, now_ms: int) -> Lags:
        """Read the lags of the last hour: one request."""
        newest = now_ms // SLOT_MS
        items = self._store.batch_get(_key(newest - back) for back in range(SLOTS + 1))
        bins: Counter[int] = Counter()
        for item in items.values():
            for number in range(BINS):
                bins[number] += max(whole_number(item, _name(number)), 0)
        return Lags.of({number: count for number, count in bins.items() if count})


def _key(slot: int) -> Key:
    return Key(SITE, f"lag#{slot}")


def _name(number: int) -> str:
    return f"at_most_{bound_ms(number)}_ms"
