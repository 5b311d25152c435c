"""GitLab's checksum of a container repository: sha256, in hex, over its tags sorted by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def checksum(tags: Iterable[tuple[str, str]]) -> str:
    """The checksum of (name, digest) pairs, which must come sorted by name; they are read one by one, however many.

    Names and digests follow each other without separators. Raises ValueError when they are out of order, as two sites
    would then differ over nothing.
    """
    made = hashlib.sha256()
    before = ""
    for name, digest in tags:
        if name <= before:
            raise ValueError(f"the tag {name} comes after {before}")
        before = name
        made.update(name.encode() + digest.encode())
    return made.hexdigest()
