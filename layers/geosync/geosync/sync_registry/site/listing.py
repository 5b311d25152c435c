"""The list of a site's rows: by name, page by page, and by id, without reading a row that is not asked for.

Two small items for each row in a partition of their own, `#rows`, written with the row's id in one transaction and
never again:

    name#group/app   id
    id#42            name

A row changes with every sync, this list only with a new repository: so a page of it is one query and no index has to
follow the rows. A partition takes a thousand writes a second, and a write of a transaction counts as two: 250 new
repositories.
"""

from __future__ import annotations

from collections.abc import Iterable

from geosync.sync_registry.table.changes import Key, Store, Update

ROWS = "#rows"
_NAME, _ID = "name#", "id#"


def entries(repository: str, number: int) -> list[Update]:
    """The two items of a new row."""
    return [
        Update(key=Key(ROWS, _NAME + repository), set={"id": number}),
        Update(key=Key(ROWS, f"{_ID}{number}"), set={"name": repository}),
    ]


class Listing:
    """The names and ids of the site's rows."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def names(self, *, prefix: str = "", after: str = "", limit: int) -> list[str]:
        """Names of repositories that begin with `prefix` and come after `after` (a name), in order, at most `limit`."""
        items = self._store.items(ROWS, _NAME + prefix, limit=limit, after=_NAME + after if after else "")
        return [str(item["item"]).removeprefix(_NAME) for item in items]

    def ids(self, repositories: Iterable[str]) -> dict[str, int]:
        """The ids of those of these repositories that have a row with one."""
        found = self._store.batch_get(Key(ROWS, _NAME + name) for name in repositories)
        return {key.item.removeprefix(_NAME): int(item["id"]) for key, item in found.items()}

    def name_of(self, number: int) -> str | None:
        """The repository whose row has this id; None: there is none."""
        item = self._store.get(Key(ROWS, f"{_ID}{number}"))
        return str(item["name"]) if item is not None else None
