"""The table that holders of one site share, as it counts and fails."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from botocore.exceptions import ClientError

from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Delete, Key, Update
from geosync.sync_registry.table.memory import MemoryStore


class CountingStore(MemoryStore):
    """Counts the requests, and refuses them while `is_down`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.is_down = False
        self._counting = threading.Lock()

    def _count(self, call: str) -> None:
        with self._counting:
            self.calls[call] += 1
        if self.is_down:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, call)

    def batch_get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        self._count("batch_get")
        return super().batch_get(keys)

    def batch_put(self, items: Iterable[Item]) -> None:
        self._count("batch_put")
        super().batch_put(items)

    def write(self, change: Update | Delete) -> Item | None:
        self._count("write")
        return super().write(change)
