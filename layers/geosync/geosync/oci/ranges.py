"""One range of a blob (RFC 9110, "Range Requests"): exactly the bytes that were asked for, or none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from geosync.errors import GeosyncError
from geosync.oci.answers import broken
from geosync.oci.blobs import MAX_REOPENED, BlobSource
from geosync.oci.transport import Broken, HttpAnswer

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")


class RangeRefused(GeosyncError):
    """The registry gives no ranges, or gave another one than it was asked for; no caller of the copier sees it."""


@dataclass(frozen=True, slots=True)
class Range:
    """The bytes from `start` up to, and without, `end`."""

    start: int
    end: int

    def header(self) -> str:
        """The request's Range."""
        return f"bytes={self.start}-{self.end - 1}"

    def misfit(self, answer: HttpAnswer, size: int) -> str | None:
        """Return why an answer is not this range of a blob of `size` bytes; None where it is."""
        if answer.status != 206:
            return f"it answers {answer.status} to a range"
        given = answer.header("Content-Range") or "none"
        found = _CONTENT_RANGE.fullmatch(given.strip())
        if found is None or (int(found[1]), int(found[2])) != (self.start, self.end - 1):
            return f"it gives another range than it was asked for: {given[:60]!r} for {self.header()}"
        if found[3] not in ("*", str(size)):
            return f"it says that a blob of {size} bytes has {found[3]}"
        if answer.length not in (None, self.end - self.start):
            return f"it announces {answer.length} bytes for a range of {self.end - self.start}"
        return None


class RangeReader:
    """The bytes of a range as they come. When a connection breaks, the rest is requested again, a few times.

    `ask` requests the bytes from an offset to the range's end; it raises RangeRefused and what a request raises.
    """

    def __init__(self, ask: Callable[[int], HttpAnswer], wanted: Range, source: BlobSource) -> None:
        self._ask = ask
        self._at, self._end = wanted.start, wanted.end
        self.length = wanted.end - wanted.start
        """The bytes of the range."""
        self._source = source
        self._reopened = 0
        self._answer = ask(wanted.start)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        Raises OutOfTime, RangeRefused when the range ends early, RegistryUnavailable when it breaks off too often.
        """
        self._source.deadline.check()
        wanted = min(size, self._end - self._at)
        if not wanted:
            return b""
        data = self._read(wanted)
        if not data:
            raise RangeRefused(f"a range ended {self._end - self._at} bytes short")
        self._at += len(data)
        return data

    def close(self) -> None:
        """Give the connection back, or close it when bytes are left."""
        self._answer.close()

    def _read(self, size: int) -> bytes:
        while True:
            try:
                return self._answer.read(size)
            except Broken as error:
                self._source.deadline.check()
                if self._reopened >= MAX_REOPENED:
                    raise broken(self._source.registry, self._source.request, error, write=False) from error
                self._reopened += 1
                self._answer = self._ask(self._at)
