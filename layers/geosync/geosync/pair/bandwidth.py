"""The bytes per second that the workers of a site take from the primary's registry in all (`MaxBandwidth`).

Each worker paces itself. It begins with the share that it would have if all workers were at work, so it need not know
of the others. Once it has moved bytes for some seconds it is counted, a few seconds later by all workers, and the
counted ones share the bandwidth. A worker that waits for bytes still counts. So the sum exceeds the bandwidth only
until the others have counted a newcomer, and only by the newcomers' small shares.
"""

from __future__ import annotations

import math
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import SyncRegistryError
from geosync.oci.deadline import Deadline
from geosync.pair.pace import Pace
from geosync.sync_registry.site.bandwidth import BandwidthShares
from geosync.sync_registry.sync_registry import unique
from geosync.threads import SYSTEM_THREADS, Threads

PERIOD_S = 5.0
"""Seconds between two counts of the workers, while bytes move. A count is a write and a query."""
LASTING_S = 3 * PERIOD_S
"""Seconds after which a worker that moves nothing is no longer counted."""
SLICE_S = 1.0
"""Longest wait for bytes (s) before the worker counts again: with a small share a block takes too long."""


class Bandwidth:
    """Paces one invocation. Thread-safe; it outlives an invocation, as its execution environment does.

    `workers` is the most that there are at a time.
    """

    def __init__(
        self,
        shares: BandwidthShares,
        bytes_per_s: float,
        *,
        workers: int,
        deadline: Deadline,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._shares = shares
        self._bytes_per_s = bytes_per_s
        self._least = self.rate = bytes_per_s / workers
        """Bytes per second of this invocation now."""
        self._deadline = deadline
        self._clock = deadline.clock
        self._lock = threads.lock()
        self._token = unique()
        self._free_s = self._count_at_s = self._moved_s = -math.inf
        self._is_counted = False
        self.pace = Pace(bound=lambda: self.rate)
        """The pace of layers that keep to it; no others are measured with it."""

    @property
    def at_once(self) -> int:
        """Bytes that go in a second. `spend` waits for no more at a time, and callers should read no more ahead."""
        return max(int(self.rate * SLICE_S), 1)

    def spend(self, size: int) -> None:
        """Wait until `size` bytes may go. Raises OutOfTime at the deadline."""
        while size > 0:
            size -= self._spend_slice(size)

    def _spend_slice(self, most: int) -> int:
        """Wait until some of `most` bytes may go, and return how many."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s - self._moved_s > LASTING_S:
                self._begin(now_s)
            if now_s >= self._count_at_s:
                self._count_at_s = now_s + PERIOD_S
                self._count_workers()
            size = min(most, self.at_once)
            begins_s = max(self._free_s, now_s)
            self._free_s = begins_s + size / self.rate
            self._moved_s = max(self._moved_s, begins_s)
        while (wait_s := begins_s - self._clock.monotonic_s()) > 0:
            self._deadline.check()
            self._clock.sleep(min(wait_s, 1.0, max(self._deadline.left_s(), 0)))
        return size

    def _begin(self, now_s: float) -> None:
        self.rate, self._is_counted = self._least, False
        self._count_at_s = now_s + PERIOD_S

    def _count_workers(self) -> None:
        """Count the workers and be counted; this one takes more than the least only once the others could count it."""
        sharing = None
        with suppress(BotoCoreError, ClientError, SyncRegistryError):
            sharing = self._shares.join(self._token, lasting_s=LASTING_S)
        self.rate = max(self._bytes_per_s / sharing, self._least) if sharing and self._is_counted else self._least
        self._is_counted = sharing is not None
