"""At a secondary: the name up to which its rows were reported to the primary (`after`): `#site`/`rows-reported`."""

from __future__ import annotations

from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import Key, Store, Update

KEY = Key(SITE, "rows-reported")


class RowsReportCursor:
    """Keeps the name up to which the rows are reported."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def after(self) -> str:
        """The name after which the next page begins."""
        return str((self._store.get(KEY) or {}).get("after", ""))

    def record(self, after: str) -> None:
        """Note that the primary took a page."""
        self._store.write(Update(key=KEY, set={"after": after}))
