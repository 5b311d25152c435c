"""The site's counters of verified rows, changed in the transaction that changes the row: nobody ever counts rows.

A row says in `verification_counted` as what it is counted: VERIFIED, FAILED (with a checksum) or UNREADABLE (failed
before there was one). The counters `counter#verification#<shard>` are eight, as verifications and syncs of different
repositories end at the same time, and DynamoDB refuses one of two transactions on the same item.
"""

from __future__ import annotations

from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.shards import SHARDS, due_shard

VERIFIED, FAILED, UNREADABLE = "verified", "failed", "unreadable"
"""As what a row is counted."""


def key(shard: str) -> Key:
    """The counters of one shard: the attributes VERIFIED, FAILED and UNREADABLE."""
    return Key(SITE, f"counter#verification#{shard}")


KEYS = tuple(map(key, SHARDS))


def moved(repository: str, before: str | None, after: str | None) -> list[Update]:
    """The change of the counters when `repository` was counted as `before` and is now as `after` (None: not at all)."""
    if before == after:
        return []
    steps = {name: step for name, step in ((before, -1), (after, 1)) if name is not None}
    return [Update(key=key(due_shard(repository)), add=steps)]
