"""A connection whose every step ends, whatever the other side does and however slowly it does it.

A socket's own time-out begins anew with every byte: one byte a minute would hold an exchange for ever. Here a step (to
send, to wait for an answer, to read) has an end. Bytes that move put the end off, so that a large body on a slow line
goes on, but only as far as the least rate allows; and no step outlives the caller's deadline.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from geosync.clock import Clock

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

LEAST_BYTES_PER_S = 4096
"""A stream that is slower than this for the length of a step's time-out is given up."""
LONGEST_S = 86_400.0
"""A socket refuses very long time-outs; no step is meant to be longer than a day."""

#: Returns the seconds that are left. Called at every read and every send: no step goes on for longer.
Left = Callable[[], float]


class Step:
    """One step of an exchange: it ends after `seconds`, put off by up to `size` bytes that move, but never past `left`.

    Times in seconds of the clock's monotonic time.
    """

    __slots__ = ("_clock", "_end_s", "_left", "_size")

    def __init__(self, clock: Clock, seconds: float, left: Left, *, size: float = 0) -> None:
        self._clock = clock
        self._left = left
        self._size = size
        self._end_s = clock.monotonic_s() + seconds

    def left_s(self) -> float:
        """The seconds for which to wait now, never 0. Raises TimeoutError when the step is over."""
        left = min(self._end_s - self._clock.monotonic_s(), self._left(), LONGEST_S)
        if left <= 0:
            raise TimeoutError("timed out")
        return max(left, 0.001)

    def note_moved(self, count: int) -> None:
        """Put the end off for `count` bytes that moved."""
        counted = min(count, self._size)
        self._size -= counted
        self._end_s += counted / LEAST_BYTES_PER_S


class _Stepwise:
    """A socket that waits, at every read and every send, as long as its `step` allows. Set that before either."""

    step: Step

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Read into `buffer`. Raises TimeoutError at the end of the step."""
        wire: Any = self
        wire.settimeout(self.step.left_s())
        count: int = super().recv_into(buffer, nbytes or 0, flags)  # type: ignore[misc]
        self.step.note_moved(count)
        return count

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send all of `data`. Raises TimeoutError at the end of the step."""
        wire: Any = self
        with memoryview(data).cast("B") as whole:
            sent = 0
            while sent < len(whole):
                wire.settimeout(self.step.left_s())
                with whole[sent:] as rest:
                    count = wire.send(rest, flags)
                sent += count
                self.step.note_moved(count)


class PlainWire(_Stepwise, socket.socket):
    """A TCP connection."""


class TlsWire(_Stepwise, ssl.SSLSocket):
    """A TLS connection."""


def stepwise(wire: socket.socket) -> PlainWire:
    """Take over a connected socket."""
    return PlainWire(wire.family, wire.type, wire.proto, fileno=wire.detach())
