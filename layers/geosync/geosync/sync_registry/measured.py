"""The tags of a repository and the bytes of their images, as far as they were seen here.

Images are counted by their digest: tags with the same digest once, and a layer that two images share in each of them.
A verification that found a repository whole notes both in its row, in the write with which it ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geosync.sync_registry.table.attributes import AttributeReader

MOST_DIGESTS = 50_000
"""Digests that are kept to be counted once (some 8 MB); of more the bytes are not known."""
MOST_BYTES = 2**53 - 1
"""The largest number that every JSON reader keeps; no real image is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTags:
    """A repository's `tags` and `size_bytes` (None: not known of one of them) as they were `at` (ms)."""

    tags: int
    size_bytes: int | None
    at: int

    @classmethod
    def read(cls, read: AttributeReader) -> MeasuredTags | None:
        """Read the attributes of a row; None: nobody has measured it."""
        tags, at = read.optional_number("measured_tags"), read.optional_number("measured_at")
        if tags is None or at is None:
            return None
        return cls(tags=tags, size_bytes=read.optional_number("measured_bytes"), at=at)


def total_bytes(sizes: Iterable[int | None]) -> int | None:
    """Add sizes up; None: one of them is not known, or all are more than MOST_BYTES."""
    total = 0
    for size in sizes:
        if size is None or total > MOST_BYTES - size:
            return None
        total += size
    return total


class Tally:
    """Counts tags, and the bytes of their images."""

    def __init__(self) -> None:
        self.tags = 0
        self._sizes: dict[str, int | None] = {}

    def add(self, digest: str, size_bytes: int | None) -> None:
        """Count a tag; `size_bytes` of its image are known from it or from another tag with the same digest, or not."""
        self.tags += 1
        if len(self._sizes) <= MOST_DIGESTS and self._sizes.get(digest) is None:
            self._sizes[digest] = size_bytes

    @property
    def size_bytes(self) -> int | None:
        """The bytes of all images that were counted; None: not known."""
        return total_bytes(self._sizes.values()) if len(self._sizes) <= MOST_DIGESTS else None

    def measured(self, at: int) -> MeasuredTags:
        """Sum up what was counted until `at` (ms)."""
        return MeasuredTags(tags=self.tags, size_bytes=self.size_bytes, at=at)
