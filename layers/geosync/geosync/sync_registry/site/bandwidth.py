"""The invocations that share the site's bandwidth: an item each, renewed while bytes move, which ends by itself."""

from __future__ import annotations

from geosync.clock import Clock
from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import Key, Store, Update

PREFIX = "bandwidth#"
MOST = 1000
"""Invocations that are counted: as many as one event source has at most."""
FORGOTTEN_S = 3_600
"""Time after its end from which on an item may go (TTL `expire_at`): more than clocks differ by."""


class BandwidthShares:
    """Counts who shares the bandwidth. Thread-safe. Raises what the table raises."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def join(self, token: str, *, lasting_s: float) -> int:
        """Share the bandwidth for so many seconds from now, and return how many do: one write, one query."""
        now_ms = self._clock.now_ms()
        until_ms = now_ms + round(lasting_s * 1000)
        lasting = {"until": until_ms, "expire_at": until_ms // 1000 + FORGOTTEN_S}
        self._store.write(Update(key=Key(SITE, PREFIX + token), set=lasting))
        items = self._store.items(SITE, PREFIX, limit=MOST)
        return max(sum(int(item.get("until", 0)) > now_ms for item in items), 1)
