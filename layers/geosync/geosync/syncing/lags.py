"""The lag of pushes as one execution environment measures it, written down now and then: no push costs a write more."""

from __future__ import annotations

import threading
from collections import Counter

from botocore.exceptions import BotoCoreError, ClientError

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import SyncRegistryError
from geosync.sync_registry.items import ABSENT, Owed
from geosync.sync_registry.site.lags import LagItems, bin_of

EVERY_S = 60.0
"""Seconds between two writes of one execution environment. What it measured since is lost with it."""


class LagRecorder:
    """Collects lags, and adds them to the site's. Thread-safe."""

    def __init__(self, items: LagItems, clock: Clock = SYSTEM_CLOCK) -> None:
        self._items = items
        self._clock = clock
        self._bins: Counter[int] = Counter()
        self._written_at: float | None = None
        self._lock = threading.Lock()

    def note(self, owed: Owed) -> None:
        """Note a reference that was just seen here; only what an event announced as pushed has a lag."""
        if not owed.expects - {ABSENT}:
            return
        lag_ms = max(self._clock.now_ms() - owed.pushed_at, 0)
        with self._lock:
            self._bins[bin_of(lag_ms)] += 1

    def write(self) -> None:
        """Write what was collected, unless something was written a moment ago. What fails is written next time."""
        bins = self._taken()
        if not bins:
            return
        try:
            self._items.add(bins, now_ms=self._clock.now_ms())
        except (BotoCoreError, ClientError, SyncRegistryError):
            with self._lock:
                self._bins.update(bins)

    def _taken(self) -> Counter[int]:
        """The lags that are to be written now; nobody else writes them."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if not self._bins or (self._written_at is not None and now_s - self._written_at < EVERY_S):
                return Counter()
            self._written_at = now_s
            bins, self._bins = self._bins, Counter()
            return bins
