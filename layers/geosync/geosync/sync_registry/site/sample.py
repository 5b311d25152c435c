"""The bytes that a site may read back from its registry in a day (UTC), reserved before they are read.

The item `#site`/`verification#sample` has `day` (days since the epoch) and the `bytes` that were reserved on it.
"""

from __future__ import annotations

from contextlib import suppress

from boto3.dynamodb.conditions import Attr

from geosync.clock import DAY_MS
from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update

KEY = Key(SITE, "verification#sample")


class SampleBudget:
    """Counts the bytes that are read back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reserve(self, size_bytes: int, limit_bytes: int, *, now_ms: int) -> bool:
        """Take some of what may be read back today; False when less is left. One request, two at midnight."""
        today = now_ms // DAY_MS
        if size_bytes > limit_bytes:
            return False
        with suppress(ConditionFailed):
            left = Attr("day").eq(today) & Attr("bytes").lte(limit_bytes - size_bytes)
            self._store.write(Update(key=KEY, add={"bytes": size_bytes}, when=left))
            return True
        with suppress(ConditionFailed):
            fresh = Attr("day").not_exists() | Attr("day").lt(today)
            self._store.write(Update(key=KEY, set={"day": today, "bytes": size_bytes}, when=fresh))
            return True
        return False
