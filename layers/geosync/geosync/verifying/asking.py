"""The requests of a verification: counted, against a bound for each repository and day."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from geosync.errors import RegistryUnavailable

PAUSES = (0.1, 0.4)
"""Seconds before a request is made again that was answered with 500: Distribution rewrites a link in place."""

Found = TypeVar("Found")


class Asking:
    """Makes requests and counts them. Thread-safe."""

    def __init__(self, spent: int, limit: int) -> None:
        """`spent` requests were made today already, of `limit`."""
        self._lock = threading.Lock()
        self._limit = limit
        self.spent = spent

    @property
    def left(self) -> int:
        """How many are left today, not less than none."""
        return max(self._limit - self.spent, 0)

    def ask(self, request: Callable[[], Found]) -> Found:
        """Make one request, and once more after each pause when it is answered with 500."""
        for pause in PAUSES:
            try:
                return self._once(request)
            except RegistryUnavailable as error:
                if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                time.sleep(pause)
        return self._once(request)

    def count(self) -> None:
        """Count a request that was made elsewhere (a page of a listing)."""
        with self._lock:
            self.spent += 1

    def _once(self, request: Callable[[], Found]) -> Found:
        self.count()
        return request()
