"""GitLab's checksum of a container repository: sha256, in hex, over its tags sorted by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


class Checksum:
    """A checksum in the making: tags are added one by one, however many."""

    def __init__(self) -> None:
        self._made = hashlib.sha256()
        self._last = ""

    def add(self, name: str, digest: str) -> None:
        """Add a tag; names and digests follow each other without separators.

        Raises ValueError for a tag that does not come after the one before: two sites would then differ over nothing.
        """
        if name <= self._last:
            raise ValueError(f"the tag {name} comes after {self._last}")
        self._last = name
        self._made.update(name.encode() + digest.encode())

    def __str__(self) -> str:
        """The checksum of what was added."""
        return self._made.hexdigest()


def checksum(tags: Iterable[tuple[str, str]]) -> str:
    """The checksum of (name, digest) pairs, which must come sorted by name. Raises ValueError."""
    made = Checksum()
    for name, digest in tags:
        made.add(name, digest)
    return str(made)
