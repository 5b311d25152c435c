"""Rows and tags by name, page by page, for lists of a site."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geosync.errors import CorruptItem
from geosync.sync_registry.items import OWED_PREFIX, ROW, TAG_PREFIX, Item, Owed, Row, Seen
from geosync.sync_registry.table.changes import Key, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTag:
    """The items of one tag: what was seen of it, and what is owed of it."""

    name: str
    seen: Seen | None
    owed: Owed | None


class Browsing:
    """Reads rows and tags by name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rows(self, repositories: Iterable[str]) -> dict[str, Row | CorruptItem]:
        """The rows of those of these repositories that have one, or why a row cannot be read; one batch read."""
        found = self._store.batch_get(Key(name, ROW) for name in repositories)
        return {key.repository: _row(item) for key, item in found.items()}

    def tags(self, repository: str, *, limit: int, after: str = "") -> tuple[tuple[KnownTag, ...], str | None]:
        """The next at most `limit` tags after the tag `after`, by name, and the last of them if there may be more.

        Two queries, of what was seen and of what is owed. Raises CorruptItem.
        """
        seen = self._after(repository, TAG_PREFIX, after, limit)
        owed = self._after(repository, OWED_PREFIX + TAG_PREFIX, after, limit)
        names = sorted({*seen, *owed})
        found = tuple(
            KnownTag(
                name=name,
                seen=Seen.from_item(seen[name]) if name in seen else None,
                owed=Owed.from_item(owed[name]) if name in owed else None,
            )
            for name in names[:limit]
        )
        return found, (names[limit - 1] if len(names) > limit else None)

    def seen_tags(self, repository: str, *, limit: int) -> dict[str, Seen | CorruptItem]:
        """The first at most `limit` tags that were seen at this site, or why one cannot be read; one query."""
        items = self._store.items(repository, TAG_PREFIX, limit=limit)
        return {str(item["item"]).removeprefix(TAG_PREFIX): _seen(item) for item in items}

    def _after(self, repository: str, prefix: str, after: str, limit: int) -> dict[str, Item]:
        items = self._store.items(repository, prefix, limit=limit + 1, after=prefix + after if after else "")
        return {str(item["item"]).removeprefix(prefix): item for item in items}


def _seen(item: Item) -> Seen | CorruptItem:
    try:
        return Seen.from_item(item)
    except CorruptItem as corrupt:
        return corrupt


def _row(item: Item) -> Row | CorruptItem:
    try:
        return Row.from_item(item)
    except CorruptItem as corrupt:
        return corrupt
