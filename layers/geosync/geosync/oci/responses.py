"""Responses of HTTP/1.1: http.client's, without two malformed kinds that it accepts."""

from __future__ import annotations

import http.client
from typing import Any

LONGEST = 2**63 - 1
"""Bytes of a chunk or a body: Python's len() takes no more, and Go's int64."""


class _Lines:
    """The lines of a head as they come, and whether the last one was the empty one that ends it."""

    def __init__(self, stream: Any) -> None:
        self.ended = False
        self.stream = stream

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self.stream.readline(limit)
        self.ended = line in (b"\r\n", b"\n")
        return line

    def close(self) -> None:
        self.stream.close()


class Response(http.client.HTTPResponse):
    """http.client's response, which refuses two things that http.client accepts.

    A chunk of a size below 0 would be read whole, however long. A head that breaks off would pass for one with fewer
    headers, or with half of a Content-Length.
    """

    def begin(self) -> None:
        """Read the status and the headers. Raises OSError or HTTPException where they break off."""
        lines = _Lines(self.fp)
        self.fp: Any = lines
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = lines.stream
        if not lines.ended:
            raise http.client.RemoteDisconnected("the connection was closed in the middle of the headers")

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if not 0 <= size <= LONGEST:
            raise ValueError("a chunk of an impossible size")  # http.client's IncompleteRead, as for what is no number
        return size
