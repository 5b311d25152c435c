"""What the secondary's registry does, asked once and kept in the sync registry's table for every function."""

from __future__ import annotations

import time
from collections.abc import Callable

from geosync.oci.client import RegistryClient
from geosync.pair.capabilities import Capabilities, probe
from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import Key, Store, Update

FORGET_AFTER = 30 * 86_400
"""Seconds until a registry is asked again: it may have been upgraded."""


class KnownCapabilities:
    """The capabilities of one registry. For one thread."""

    def __init__(self, store: Store, registry: RegistryClient, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._known: Capabilities | None = None
        self._asked_at = 0.0

    def __call__(self, repository: str) -> Capabilities:
        """The capabilities: remembered, read, or asked of the registry in `repository`. Raises what `probe` raises."""
        if self._known is not None and self._clock() - self._asked_at < FORGET_AFTER:
            return self._known
        key = Key(SITE, f"capabilities#{self._registry.name}")
        item = self._store.get(key)
        asked_at = item.get("asked_at") if item is not None else None
        if item is not None and isinstance(asked_at, int) and self._clock() - asked_at < FORGET_AFTER:
            self._known, self._asked_at = Capabilities.from_dict(item), asked_at
        else:
            self._known, self._asked_at = probe(self._registry, repository), int(self._clock())
            self._store.write(Update(key=key, set={**self._known.to_dict(), "asked_at": int(self._asked_at)}))
        return self._known
