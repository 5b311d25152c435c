"""Responses of HTTP/1.1 as http.client reads them, but for what it takes and must not."""

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
    """http.client's, but for two things that it takes.

    A chunk of a size below 0 would be read whole, however long. A head that breaks off would be one with fewer headers,
    or with half of a Content-Length.
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
