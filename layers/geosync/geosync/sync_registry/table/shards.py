"""The partitions of the index `due`: what is owed, what has failed since it was marked, what is to be verified."""

from __future__ import annotations

import zlib

SHARDS = tuple("01234567")
VERIFICATION_SHARDS = tuple(f"v{shard}" for shard in SHARDS)
"""The partitions of the index `due` that hold the rows to be verified, and when: synced, and nobody's."""
FAILED_SHARDS = tuple(f"f{shard}" for shard in SHARDS)
"""The partitions of the index `due` that hold what has failed since it was last marked: the sweep reads them after the
others, so that what was never tried comes first, and a status counts them without reading an item."""
OWED_SHARDS = (*SHARDS, *FAILED_SHARDS)
"""All that is owed, and every leased row."""


def due_shard(repository: str) -> str:
    """The partition of the index `due` that a repository's items are in."""
    return SHARDS[zlib.crc32(repository.encode()) % len(SHARDS)]


def verification_shard(repository: str) -> str:
    """The partition of the index `due` that a repository's row is in while it waits for its verification."""
    return f"v{due_shard(repository)}"


def failed_shard(repository: str) -> str:
    """The partition of the index `due` that a reference of the repository is in once an attempt at it failed."""
    return f"f{due_shard(repository)}"
