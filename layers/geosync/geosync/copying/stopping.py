"""The end of a transfer that nobody wants any more."""

from __future__ import annotations

from collections.abc import Callable

from geosync.errors import GeosyncError
from geosync.oci.transport import Body


class Stopped(GeosyncError):
    """Nobody wants this blob any more. It ends a transfer inside the client; no caller of the copier sees it."""


class StoppableBody:
    """A reader that gives up when nobody wants its bytes any more, and knows how many are left.

    `read` reads, as `Route.read`.
    """

    def __init__(self, reader: Body, stopped: Callable[[], bool], read: Callable[[Body, int], bytes]) -> None:
        self._reader = reader
        self._stopped = stopped
        self._read = read
        self._size = self.left = len(reader)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, b"" at the end. Raises Stopped, and what the reader raises, and OutOfTime."""
        check_stopped(self._stopped)
        block = self._read(self._reader, size)
        self.left -= len(block)
        return block


def check_stopped(stopped: Callable[[], bool]) -> None:
    """Raise Stopped when `stopped` says true."""
    if stopped():
        raise Stopped
