"""The invocations that share the site's bandwidth: an item each, renewed while bytes move, which ends by itself.

They lie in a partition of their own, since each is written every few seconds. Each count deletes those that have ended.
"""

from __future__ import annotations

from contextlib import suppress

from boto3.dynamodb.conditions import Attr

from geosync.clock import Clock
from geosync.errors import ConditionFailed
from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Delete, Key, Store, Update

PARTITION, PREFIX = "#bandwidth", "worker#"
MOST = 1000
"""Invocations that are counted: as many as one event source has at most."""
FORGOTTEN_S = 3_600
"""Time after its end from which on an item may go (TTL `expire_at`): more than clocks differ by."""
ENDED_MS = 60_000
"""Time after its end from which a count deletes it: otherwise each query would read it for an hour and more."""


class BandwidthShares:
    """Counts the invocations that share the bandwidth. Thread-safe. Raises what the table raises."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def join(self, token: str, *, lasting_s: float) -> int:
        """Share the bandwidth for so many seconds from now, and return how many do: one write, one query.

        One delete more for each that ended: once for all of them, as a rule.
        """
        now_ms = self._clock.now_ms()
        until_ms = now_ms + round(lasting_s * 1000)
        lasting = {"until": until_ms, "expire_at": until_ms // 1000 + FORGOTTEN_S}
        self._store.write(Update(key=Key(PARTITION, PREFIX + token), set=lasting))
        items = self._store.items(PARTITION, PREFIX, limit=MOST)
        for item in items:
            if int(item.get("until", 0)) < now_ms - ENDED_MS:
                self._delete(item)
        return max(sum(int(item.get("until", 0)) > now_ms for item in items), 1)

    def _delete(self, item: Item) -> None:
        """Delete an item, unless its invocation came back."""
        key = Key(PARTITION, str(item["item"]))
        with suppress(ConditionFailed):
            self._store.write(Delete(key=key, when=Attr("until").eq(item["until"])))
