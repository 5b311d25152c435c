"""What the sync registry says, read without a lease: one event's glance, rows, what is owed and what was seen."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from geosync.errors import CorruptItem
from geosync.sync_registry import decisions
from geosync.sync_registry.access import TableAccess
from geosync.sync_registry.items import OWED_PREFIX, ROW, TAG_PREFIX, Item, Owed, Reference, Row, Seen
from geosync.sync_registry.site.holds import PAUSE, Hold, hold_key
from geosync.sync_registry.sweep import free_repositories
from geosync.sync_registry.table.changes import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What one read brought before anything is done for an event: see Readings.look.

    `holds` are those of the registries asked about, in force or run out (see holds.longest).
    """

    owed: Owed | None
    seen: Seen | None
    row: Row | None
    paused: bool
    holds: tuple[Hold, ...] = ()


class Readings(TableAccess):
    """The reads of the sync registry: true when they were made, and for nobody to rely on later without a condition."""

    def look(self, repository: str, reference: Reference, *, holds: Iterable[str] = ()) -> Glance:
        """Read, in one request, everything that an event for `reference` depends on: owed, seen, row, pause, holds.

        `holds` are registry names. Give the glance to `is_already_seen` and its row to `knock`. Raises CorruptItem.
        """
        owed_key, seen_key = Key(repository, reference.owed_key), Key(repository, reference.seen_key)
        row_key, hold_keys = Key(repository, ROW), [hold_key(registry) for registry in holds]
        found = self._store.batch_get([owed_key, seen_key, row_key, PAUSE, *hold_keys])
        seen = Seen.under(self._primary, found.get(seen_key))
        return Glance(
            owed=self._owed(found[owed_key], seen) if owed_key in found else None,
            seen=seen,
            row=Row.from_item(found[row_key]) if row_key in found else None,
            paused=PAUSE in found,
            holds=tuple(Hold.from_item(found[key]) for key in hold_keys if key in found),
        )

    def is_already_seen(self, glance: Glance, digest: str | None, received_at: int) -> bool:
        """Whether an event needs no request to either registry; see decisions.is_already_seen."""
        return decisions.is_already_seen(glance.owed, glance.seen, digest, received_at)

    def due_repositories(self, limit: int = 100, *, at_ms: int | None = None) -> list[str]:
        """Repositories with something due and no live lease at `at_ms` (now), at most `limit`.

        Those with something that was never tried come before those where all that is due has failed.

        In a shard the longest due come first. A row that cannot be read counts as free: whoever takes it says why not.
        """
        return free_repositories(self._store, self._clock.now_ms() if at_ms is None else at_ms, limit)

    def row(self, repository: str) -> Row | None:
        """The repository's row. Raises CorruptItem."""
        item = self._store.get(Key(repository, ROW))
        return Row.from_item(item) if item is not None else None

    def rows(self, repositories: Iterable[str]) -> dict[str, Row]:
        """The rows of `repositories` that there are and that can be read."""
        rows: dict[str, Row] = {}
        for key, item in self._store.batch_get(Key(repository, ROW) for repository in repositories).items():
            with suppress(CorruptItem):
                rows[key.repository] = Row.from_item(item)
        return rows

    def has_nothing_of(self, repository: str) -> bool:
        """True when nothing is owed in a repository, and no tag of it was ever seen equal."""
        return not any(self._store.items(repository, prefix, limit=1) for prefix in (OWED_PREFIX, TAG_PREFIX))

    def owed(self, repository: str, *, limit: int = 100, after: str = "") -> list[Owed]:
        """What is owed in a repository, due or not, in the order of the keys; `after` is an `owed_key`."""
        return [self._owed(item) for item in self._store.items(repository, OWED_PREFIX, limit=limit, after=after)]

    def owed_among(self, repository: str, references: Iterable[Reference]) -> set[Reference]:
        """Those of `references` that are owed."""
        keys = {Key(repository, reference.owed_key): reference for reference in references}
        return {keys[key] for key in self._store.batch_get(keys)} if keys else set()

    def owed_whole(self, repositories: Iterable[str]) -> set[str]:
        """Those of `repositories` that are owed as a whole."""
        keys = [Key(repository, Reference.whole().owed_key) for repository in repositories]
        return {key.repository for key in self._store.batch_get(keys)}

    def seen(self, repository: str, references: Iterable[Reference]) -> dict[Reference, Seen]:
        """What was last seen of those of `references` that were ever discharged."""
        keys = {Key(repository, reference.seen_key): reference for reference in references}
        read = {keys[key]: Seen.under(self._primary, item) for key, item in self._store.batch_get(keys).items()}
        return {reference: seen for reference, seen in read.items() if seen is not None}

    def seen_tags(self, repository: str, *, limit: int, after: str = "") -> list[tuple[Reference, Seen]]:
        """The tags that were ever discharged, with what was seen, in the order of the keys; `after` is a `seen_key`."""
        while items := self._store.items(repository, TAG_PREFIX, limit=limit, after=after):
            tags = [(_tag(item), seen) for item in items if (seen := Seen.under(self._primary, item)) is not None]
            if tags:
                return tags
            after = str(items[-1]["item"])
        return []


def _tag(item: Item) -> Reference:
    return Reference.tag(str(item["item"]).removeprefix(TAG_PREFIX))
