"""How far a walk got through the site's rows: the item `#site`/`rows-walk`.

It has `started_at`, when the walk through the catalogue began that these rows belong to (ms), and `after`, the last
repository that is done.
"""

from __future__ import annotations

from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import Key, Store, Update

KEY = Key(SITE, "rows-walk")


class RowsWalk:
    """Keeps the cursor of the walk through the rows."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def cursor(self, started_at_ms: int) -> str:
        """The last repository done for the walk that began then; empty when none is."""
        item = self._store.get(KEY) or {}
        return str(item.get("after", "")) if item.get("started_at") == started_at_ms else ""

    def advance(self, started_at_ms: int, after: str) -> None:
        """Note that all repositories up to `after` are done."""
        self._store.write(Update(key=KEY, set={"started_at": started_at_ms, "after": after}))
