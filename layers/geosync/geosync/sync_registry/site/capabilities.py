"""The habits of each registry that is written to, asked once and kept for every function.

One item for each registry, `#site`/`capabilities#<host:port>`: a boolean for each habit, and `asked_at` (seconds).
"""

from __future__ import annotations

from collections.abc import Mapping

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.changes import Key, Store, Update


class RegistryHabits:
    """Keeps what registries answered when they were asked for their habits. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, registry: str) -> tuple[Item, int] | None:
        """The answers of `registry` and when they were given (seconds since the epoch); None: it was never asked."""
        item = self._store.get(_key(registry))
        asked_at_s = item.get("asked_at") if item is not None else None
        return (item, asked_at_s) if item is not None and isinstance(asked_at_s, int) else None

    def put(self, registry: str, habits: Mapping[str, bool], *, asked_at_s: int) -> None:
        """Keep the answers of `registry`."""
        self._store.write(Update(key=_key(registry), set={**habits, "asked_at": asked_at_s}))

    def forget(self, registry: str) -> None:
        """Have the answers of `registry` count as too old, so that it is asked again."""
        self._store.write(Update(key=_key(registry), set={"asked_at": 0}))


def _key(registry: str) -> Key:
    return Key(SITE, f"capabilities#{registry}")
