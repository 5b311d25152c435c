"""Tags that looked different, or had something missing below them: items `differs#<tag>` beside the row.

A difference may be a push on its way: it is looked at again after the settle time before anybody calls it one. Kept in
the table, so that a round of any length, in any number of invocations, needs no memory for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from geosync.sync_registry.items import DIFFERS_PREFIX, Item
from geosync.sync_registry.table.attributes import text_in, texts, whole_number
from geosync.sync_registry.table.changes import Delete, Key, Store, Update

PAGE = 100
"""Suspects read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A tag as it was seen at `at` (ms, before the first request): its digest on both sides, None where there is none.

    `blobs` and `manifests` below it were missing or wrong at the secondary. `confirmed`: it was still so later.
    """

    tag: str
    at: int
    primary: str | None
    secondary: str | None
    blobs: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()
    confirmed: bool = False

    @property
    def distrusted(self) -> frozenset[str]:
        """The digests that are missing or wrong below it."""
        return self.blobs | self.manifests


class Suspects:
    """Keeps the suspects of every repository."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(self, repository: str, suspect: Suspect) -> None:
        """Write one down, in place of what was known of its tag; one request."""
        values: dict[str, Any] = {"at": suspect.at, "confirmed": suspect.confirmed}
        gone = []
        for name in ("primary", "secondary", "blobs", "manifests"):
            value = getattr(suspect, name)
            if value:
                values[name] = value
            else:
                gone.append(name)
        self._store.write(Update(key=_key(repository, suspect.tag), set=values, remove=tuple(gone)))

    def drop(self, repository: str, tag: str) -> None:
        """Delete one that turned out to be no difference; one request."""
        self._store.write(Delete(key=_key(repository, tag)))

    def all(self, repository: str, after: str = "") -> Iterator[Suspect]:
        """All of a repository, sorted by tag, those after the tag `after`; read a page at a time."""
        last = DIFFERS_PREFIX + after
        while items := self._store.items(repository, DIFFERS_PREFIX, limit=PAGE, after=last):
            yield from map(_suspect, items)
            last = str(items[-1]["item"])

    def clear(self, repository: str) -> None:
        """Delete all of a repository; one request when there are none."""
        for suspect in self.all(repository):
            self.drop(repository, suspect.tag)


def _key(repository: str, tag: str) -> Key:
    return Key(repository, DIFFERS_PREFIX + tag)


def _suspect(item: Item) -> Suspect:
    return Suspect(
        tag=str(item["item"]).removeprefix(DIFFERS_PREFIX),
        at=whole_number(item, "at"),
        primary=text_in(item, "primary"),
        secondary=text_in(item, "secondary"),
        blobs=texts(item, "blobs"),
        manifests=texts(item, "manifests"),
        confirmed=item.get("confirmed") is True,
    )
