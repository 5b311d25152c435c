"""The pace of layers from one registry to another, and so the bytes that fit into the time that is left."""

from __future__ import annotations

import math
from collections.abc import Callable

from geosync.oci.deadline import Deadline
from geosync.oci.uploads import Upload, UploadLimits

MIB = 1024 * 1024

ASSUMED = 20 * MIB
"""Bytes per second of one layer while none was measured."""
WORTH_MEASURING = 8 * MIB
"""Smaller transfers measure a round trip rather than the pace (bytes)."""
SLACK = 2.0
"""A transfer fits if so many times its expected duration is left."""

CHUNK_SECONDS = 5.0
"""Time that a chunk is to take, and so the most that a broken connection or a sudden end can cost."""
MIN_CHUNK = 8 * MIB
"""More than the 5 MiB that S3 asks of a part, on which most registries keep their blobs."""
MAX_CHUNK = 512 * MIB
RESERVE_S = 2.0
"""Seconds kept free at the end, for the last chunk's answer; at most a twentieth of what the invocation was given."""
ENOUGH = 0.5
"""The share of an invocation after which a layer that got no further has failed."""


class Pace:
    """Measures the pace between two registries, and outlives a holder. Threads may race: any measurement will do.

    Nothing is expected to go faster than `bound` says (bytes per second).
    """

    def __init__(self, assumed: float = ASSUMED, *, bound: Callable[[], float] = lambda: math.inf) -> None:
        self._bound = bound
        self.rate = assumed
        """Bytes per second of one layer, lately."""
        self._measured = False

    def note(self, size: int, seconds: float) -> None:
        """Record a transfer, or a part of one: the last few count most."""
        if size >= WORTH_MEASURING and seconds > 0:
            now = size / seconds
            self.rate = (self.rate + now) / 2 if self._measured else now
            self._measured = True

    def fits(self, size: int, left_s: float) -> bool:
        """True if `size` bytes go through in `left_s` seconds, with slack."""
        return size / self._expected_rate * SLACK <= left_s

    def chunk(self, rest: int, deadline: Deadline, limits: UploadLimits, upload: Upload) -> int | None:
        """Return the size of the next chunk of `rest` bytes, None when the time left is too short for one.

        No chunk is smaller than the registry wants, the last one included: some registries make no exception for it.
        """
        most = min(limits.max_chunk or MAX_CHUNK, limits.max_body or MAX_CHUNK, rest)
        least = min(max(limits.min_chunk, upload.min_chunk, MIN_CHUNK), most)
        left_s, rate = deadline.left_s(), self._expected_rate
        if not math.isinf(left_s):
            most = min(most, int(rate * (left_s - min(RESERVE_S, deadline.given_s / 20)) / SLACK))
            if most < least:
                return None
        size = min(max(int(rate * CHUNK_SECONDS), least), most)
        if size < rest < size + least:
            return rest if rest <= most else max(rest - least, least)
        return size

    @property
    def _expected_rate(self) -> float:
        return min(self.rate, self._bound())
