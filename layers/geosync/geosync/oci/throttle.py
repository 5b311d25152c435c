"""A bound on the requests that are in flight at one registry: none until it answers 429, then fewer at a time.

A registry that throttles is asked again after the pause that it wants, by half as many requests at a time. One more at
a time is allowed for each GROWTH_S without another 429. A pause of more than PATIENCE_S is not waited for
here: it puts the registry on hold for all functions (sync_registry/site/holds.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import RegistryError, RegistryUnavailable
from geosync.threads import SYSTEM_THREADS, Threads

PATIENCE_S = 5.0
"""The longest pause that is waited for within a request: the shortest hold of a registry is as long."""
GROWTH_S = 10.0
"""Slow beside a pause: to find out that one more is too many costs everybody a pause."""
PAUSES_S = (0.2, 0.5, 1.0)
"""Seconds of patience with a 429 that does not say how long; there is one try more than pauses."""
COUNTED_BYTES = 16 * 1024 * 1024
"""A request with a larger body takes as long as many: it does not count among those that are in flight."""
_LONGEST_WAIT_S = 60.0


def is_short_throttle(error: RegistryError) -> bool:
    """Tell whether it is a 429 whose pause is short enough to wait for (a stream has to be begun anew then)."""
    if not isinstance(error, RegistryUnavailable) or error.status != 429:
        return False
    return error.retry_after is None or error.retry_after <= PATIENCE_S


class NoTurn(Exception):
    """The time ran out before a request's turn came; nothing was sent. Requester makes RegistryUnavailable of it."""


class Turn:
    """One request's turn. The caller sets `pause_s` if the answer was a 429."""

    __slots__ = ("pause_s",)

    def __init__(self) -> None:
        self.pause_s: float | None = None


class Throttle:
    """The throttle of one client. Thread-safe."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK, threads: Threads = SYSTEM_THREADS) -> None:
        self._clock = clock
        self._changed = threads.condition()
        self._in_flight = 0
        self._most: int | None = None
        self._peak = 0
        self._resume_at = 0.0
        self._grew_at = 0.0
        self.begun = 0
        """Requests that had their turn so far."""

    @property
    def most(self) -> int | None:
        """The number of requests that may be in flight now; None: any number."""
        return self._most

    @contextmanager
    def turn(self, left: Callable[[], float], *, counts: bool) -> Iterator[Turn]:
        """One request's turn, waited for at most `left()` seconds; raises NoTurn when it would not come within them.

        One that does not count (a long upload) waits for a pause to end, and not for the others.
        """
        self._begin(left, counts=counts)
        turn = Turn()
        try:
            yield turn
        finally:
            with self._changed:
                self._in_flight -= counts
                if turn.pause_s is None:
                    self._answered_well()
                else:
                    self._throttled(turn.pause_s)
                self._changed.notify_all()

    def _begin(self, left: Callable[[], float], *, counts: bool) -> None:
        with self._changed:
            while True:
                pause = self._resume_at - self._clock.monotonic_s()
                if pause <= 0 and (not counts or self._most is None or self._in_flight < self._most):
                    self.begun += 1
                    self._in_flight += counts
                    self._peak = max(self._peak, self._in_flight)
                    return
                patience = left()
                if patience <= 0 or pause > patience:
                    raise NoTurn
                self._changed.wait(min(pause if pause > 0 else patience, patience, _LONGEST_WAIT_S))

    def _answered_well(self) -> None:
        now = self._clock.monotonic_s()
        if self._most is None or now - self._grew_at < GROWTH_S:
            return
        self._grew_at = now
        self._most += 1
        if self._most >= self._peak:
            self._most = None

    def _throttled(self, pause_s: float) -> None:
        """Begin a pause. Requests that were in flight together and are all refused count as one."""
        now = self._clock.monotonic_s()
        if now >= self._resume_at:
            self._most = max((self._in_flight + 1) // 2, 1)
        self._resume_at = max(self._resume_at, now + pause_s)
        self._grew_at = self._resume_at
