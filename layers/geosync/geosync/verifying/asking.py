"""The requests of a verification: counted, against a bound for each repository and day."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import RegistryUnavailable

PAUSES_S = (0.1, 0.4)
"""Before a request is made again that was answered with 500: Distribution rewrites a link in place."""

Found = TypeVar("Found")


class Asking:
    """Makes requests and counts them. Thread-safe."""

    def __init__(self, spent: int, limit: int, clock: Clock = SYSTEM_CLOCK) -> None:
        """`spent` requests were made today already, of `limit`."""
        self._lock = threading.Lock()
        self._limit = limit
        self._clock = clock
        self.spent = spent

    @property
    def left(self) -> int:
        """The number of requests that are left today, not less than none."""
        return max(self._limit - self.spent, 0)

    def ask(self, request: Callable[[], Found]) -> Found:
        """Make one request, and once more after each pause when it is answered with 500."""
        for pause_s in PAUSES_S:
            try:
                return self._once(request)
            except RegistryUnavailable as error:
                if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                self._clock.sleep(pause_s)
        return self._once(request)

    def count(self) -> None:
        """Count a request that was made elsewhere (a page of a listing)."""
        with self._lock:
            self.spent += 1

    def _once(self, request: Callable[[], Found]) -> Found:
        self.count()
        return request()
