"""Measuring in one execution environment, whatever its workers do: lags, references, bytes, requests.

It is sent to the minute once a repository is let go, so that an environment that is never used again takes nothing
with it. What a worker measured that was killed before that is lost with it.
"""

from __future__ import annotations

import threading
from collections import Counter

from botocore.exceptions import BotoCoreError, ClientError

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.messages.measurements import MOST_LAGS, Measurements
from geosync.messages.queues import Queue
from geosync.sync_registry.items import ABSENT, UNNAMED, Owed
from geosync.sync_registry.pushes import announced_at


class Measuring:
    """Collects what is measured, and sends it. Thread-safe."""

    def __init__(self, queue: Queue | None, clock: Clock = SYSTEM_CLOCK) -> None:
        """Without a `queue` nobody wants to know."""
        self._queue = queue
        self._clock = clock
        self._lags_ms: Counter[int] = Counter()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note_synced(self, owed: Owed) -> None:
        """Note a reference that was just seen here; only what an event announced as pushed has a lag.

        A push whose notification was counted as lost is in the history already, however late its event came. One that
        a comparison brought before its event came has the lag with which it was seen then.
        """
        pushed_at = _measured_from(owed)
        with self._lock:
            self._counts["synced"] += 1
            if pushed_at is not None:
                self._lags_ms[max(_seen_at(owed, pushed_at, self._clock.now_ms()) - pushed_at, 0)] += 1

    def note_bytes(self, number: int) -> None:
        """Note bytes that were copied, whatever became of the reference."""
        with self._lock:
            self._counts["bytes"] += number

    def note_requests(self, number: int) -> None:
        """Note requests that were sent to the two registries."""
        with self._lock:
            self._counts["requests"] += number

    def send(self) -> None:
        """Send what was collected, if anything. What SQS does not take is sent next time."""
        if self._queue is None:
            return
        with self._lock:
            lags_ms, self._lags_ms = self._lags_ms, Counter()
            counts, self._counts = self._counts, Counter()
        try:
            while lags_ms or +counts:
                part = Counter(dict(list(lags_ms.items())[:MOST_LAGS]))
                self._queue.send(Measurements(lags_ms=part, **counts))
                lags_ms -= part
                counts = Counter()
        except (BotoCoreError, ClientError):
            with self._lock:
                self._lags_ms.update(lags_ms)
                self._counts.update(counts)


def _seen_at(owed: Owed, pushed_at: int, now_ms: int) -> int:
    """When all that was pushed was first seen here (ms): before it was marked, if a look after the push saw it."""
    seen = owed.seen
    is_here = seen is not None and pushed_at <= seen.looked_at and owed.expects == {seen.digest}
    return seen.seen_at if seen is not None and is_here else now_ms


def _measured_from(owed: Owed) -> int | None:
    """The push (ms) that an event told of; None: none did, or the history counted it as lost."""
    seen, pushed_at = owed.seen, announced_at(owed)
    if pushed_at is None or seen is None or not seen.counted_lost or pushed_at > seen.looked_at:
        return pushed_at
    return pushed_at if owed.expects - {ABSENT, UNNAMED, seen.digest} else None
