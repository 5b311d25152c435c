"""A random sample of blobs, read back from the secondary and hashed: bit rot does not show in a size.

Bounded by bytes for the whole site and a day (UTC), reserved in one item before they are read.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update
from geosync.sync_registry.transitions.verification import DAY

KEY = Key(SITE, "verification#sample")
"""`day` (days since the epoch) and the `bytes` that were reserved on it."""

Entry = TypeVar("Entry")


class Reservoir(Generic[Entry]):
    """`size` entries drawn from any number of them, each with the same chance (Vitter's algorithm R)."""

    def __init__(self, size: int, *, randrange: Callable[[int], int] = random.randrange) -> None:
        self._size = size
        self._randrange = randrange
        self._seen = 0
        self.drawn: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Let one more take part."""
        self._seen += 1
        if len(self.drawn) < self._size:
            self.drawn.append(entry)
        elif (place := self._randrange(self._seen)) < self._size:
            self.drawn[place] = entry


def reserve(store: Store, size: int, limit: int, *, now: int) -> bool:
    """Take `size` bytes of what the site may read back today; False when less is left. One request, two at midnight."""
    today = now // DAY
    if size > limit:
        return False
    with suppress(ConditionFailed):
        store.write(Update(key=KEY, add={"bytes": size}, when=Attr("day").eq(today) & Attr("bytes").lte(limit - size)))
        return True
    with suppress(ConditionFailed):
        fresh = Attr("day").not_exists() | Attr("day").lt(today)
        store.write(Update(key=KEY, set={"day": today, "bytes": size}, when=fresh))
        return True
    return False
