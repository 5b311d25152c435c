"""HTTP/1.1 over a raw socket, as far as a proxy needs it: heads, and bodies moved in large blocks."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable

BLOCK = 256 * 1024
PAUSE_S = 0.25
"""The longest pause of a connection that is slowed down: so soon it sees that it was cut."""
LATE_S = 0.02
"""What a slow connection makes up for where this machine was late. A line carries no more later for what it did not."""
ON_THE_LINE = 256 * 1024
"""Bytes that a slow connection holds itself: what more it carried lies at the reader."""

# A client that tries TLS first is turned away at once, as a server without TLS does: skopeo would wait for 10 s.
_TLS_HANDSHAKE = b"\x16\x03"


class CutOff(Exception):
    """The connection is to be cut here, as the proxy was told."""


class Wire:
    """A socket with the bytes that were read too far."""

    def __init__(self, wire: socket.socket) -> None:
        self.socket = wire
        self._left = b""

    @property
    def has_more(self) -> bool:
        """Tell whether bytes were read that are not taken yet."""
        return bool(self._left)

    def send(self, data: bytes | memoryview) -> None:
        self.socket.sendall(data)

    def head(self) -> bytes:
        """Read up to the empty line that ends the headers; raises EOFError when the other side has closed."""
        data = self._left
        while (end := data.find(b"\r\n\r\n")) < 0:
            more = self.socket.recv(65536)
            if not more or (data or more).startswith(_TLS_HANDSHAKE):
                raise EOFError
            data += more
        self._left = data[end + 4 :]
        return data[: end + 4]

    def read(self, most: int) -> bytes:
        if self._left:
            data, self._left = self._left[:most], self._left[most:]
            return data
        data = self.socket.recv(min(most, BLOCK))
        if not data:
            raise EOFError
        return data

    def skip(self, length: int) -> int:
        left = length
        while left:
            left -= len(self.read(left))
        return length

    def pass_on(self, other: Wire, length: int, limit: int | None = None, *, rate: float = math.inf) -> int:
        """Move `length` bytes, or cut after `limit` of them; at most `rate` bytes a second."""
        if rate < math.inf:
            other.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ON_THE_LINE)
        started = time.monotonic()
        left = length if limit is None else min(limit, length)
        moved = 0
        piece = BLOCK if rate == math.inf else max(1, int(rate * PAUSE_S))
        buffer = bytearray(min(BLOCK, piece, max(left, 1)))
        view = memoryview(buffer)
        while left:
            if self._left:
                data = self.read(min(left, piece))
                other.send(data)
                got = len(data)
            else:
                got = self.socket.recv_into(view[: min(left, len(buffer))])
                if not got:
                    raise EOFError
                other.send(view[:got])
            left -= got
            moved += got
            ahead = moved / rate - (time.monotonic() - started)
            if ahead > 0:
                time.sleep(ahead)
            started += max(-ahead - LATE_S, 0.0)
        if limit is not None and limit < length:
            raise CutOff
        return moved

    def pass_chunks(self, other: Wire, before_the_end: Callable[[], None] = lambda: None) -> int:
        """Move a chunked body, and return its length."""
        moved = 0
        while True:
            line = self._line()
            size = int(line.split(b";")[0], 16)
            if size == 0:
                before_the_end()
            other.send(line)
            moved += size
            left = size + 2
            while left:
                data = self.read(left)
                other.send(data)
                left -= len(data)
            if size == 0:
                return moved

    def _line(self) -> bytes:
        while (end := self._left.find(b"\r\n")) < 0:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self._left += more
        line, self._left = self._left[: end + 2], self._left[end + 2 :]
        return line


def split_head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    return first, {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
