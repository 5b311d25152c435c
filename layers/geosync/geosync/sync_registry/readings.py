"""Reads without a lease: one event's glance, rows, what is owed, what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from geosync.errors import CorruptItem
from geosync.sync_registry import decisions
from geosync.sync_registry.access import TableAccess
from geosync.sync_registry.items import ABSENT, OWED_PREFIX, ROW, TAG_PREFIX, Item, Owed, Reference, Row, Seen
from geosync.sync_registry.site import pause
from geosync.sync_registry.site.holds import Hold, hold_key
from geosync.sync_registry.sweep import free_repositories, nothing
from geosync.sync_registry.table.attributes import text_in
from geosync.sync_registry.table.changes import Key

SEEN_PAGE = 500
"""Tags read at a time of all that were ever seen equal."""
OWED_PAGE = 500
"""Tags read at a time of all that are owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The answer of one read before anything is done for an event: see Readings.look.

    `holds` are those of the registries asked about, in force or run out (see holds.longest).
    """

    owed: Owed | None
    seen: Seen | None
    row: Row | None
    paused: bool
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Glances:
    """The items that one read brought for several references: see Readings.look_at. Each is parsed when asked for.

    So an item that cannot be read costs the reference that it is about, and none of the others.
    """

    items: Mapping[Key, Item]
    hold_keys: tuple[Key, ...]
    primary: str | None

    @property
    def paused(self) -> bool:
        """True while the site is paused."""
        return pause.KEY in self.items

    @property
    def holds(self) -> tuple[Hold, ...]:
        """The holds of the registries asked about, in force or run out. Raises CorruptItem."""
        return tuple(Hold.from_item(self.items[key]) for key in self.hold_keys if key in self.items)

    def of(self, repository: str, reference: Reference) -> Glance:
        """The glance at one of the references that were asked for. Raises CorruptItem."""
        row, owed = self.items.get(Key(repository, ROW)), self.items.get(Key(repository, reference.owed_key))
        before = self.items.get(Key(repository, reference.seen_key))
        seen = Seen.under(self.primary, before)
        return Glance(
            owed=self._owed(owed, seen, before) if owed is not None else None,
            seen=seen,
            row=Row.from_item(row) if row is not None else None,
            paused=self.paused,
            holds=self.holds,
        )

    def _owed(self, item: Item, seen: Seen | None, before: Item | None) -> Owed:
        return replace(Owed.from_item(item, seen, primary=self.primary), seen_digest=text_in(before, "digest"))


class Readings(TableAccess):
    """The reads of the sync registry: true when they were made; a later write that relies on one needs a condition."""

    def look(self, repository: str, reference: Reference, *, holds: Iterable[str] = ()) -> Glance:
        """Read, in one request, everything that an event for `reference` depends on: owed, seen, row, pause, holds.

        `holds` are registry names. Give the glance to `is_already_seen` and its row to `knock`. Raises CorruptItem.
        """
        return self.look_at([(repository, reference)], holds=holds).of(repository, reference)

    def look_at(
        self,
        references: Sequence[tuple[str, Reference]],
        *,
        holds: Iterable[str] = (),
        owed: Iterable[tuple[str, Reference]] = (),
    ) -> Glances:
        """The same for several references (each with its repository), in one request for up to thirty of them.

        Of the references in `owed` only the owed item is read.
        """
        hold_keys = tuple(hold_key(registry) for registry in holds)
        keys = [pause.KEY, *hold_keys]
        for repository, reference in references:
            keys += [Key(repository, name) for name in (reference.owed_key, reference.seen_key, ROW)]
        keys += [Key(repository, reference.owed_key) for repository, reference in owed]
        return Glances(items=self._store.batch_get(keys), hold_keys=hold_keys, primary=self._primary)

    def is_already_seen(self, glance: Glance, digest: str | None, received_at: int) -> bool:
        """True when an event needs no request to either registry; see decisions.is_already_seen."""
        return decisions.is_already_seen(glance.owed, glance.seen, digest, received_at)

    def due_repositories(
        self, limit: int = 100, *, at_ms: int | None = None, skip: Callable[[str], bool] = nothing
    ) -> list[str]:
        """Repositories with something due and no live lease at `at_ms` (now), at most `limit`.

        It leaves out those for which `skip` is true. What is due behind thousands of them may be left to a later call.
        Those with something that was never tried come before those where all that is due has failed.

        In a shard the longest due come first. A row that cannot be read counts as free: the worker that takes it
        reports why.
        """
        return free_repositories(self._store, self._clock.now_ms() if at_ms is None else at_ms, limit, skip)

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
        """Read what is owed in a repository, due or not, in the order of the keys; `after` is an `owed_key`."""
        return [self._owed(item) for item in self._store.items(repository, OWED_PREFIX, limit=limit, after=after)]

    def tags_owed_as(self, repository: str, digest: str, *, page: int = OWED_PAGE) -> Iterator[Reference]:
        """The owed tags for which an event named `digest`, or of which its copy was begun; a query for each page."""
        after, prefix = "", f"{OWED_PREFIX}{TAG_PREFIX}"
        while items := self._store.items(repository, prefix, limit=page, after=after):
            for owed in filter(None, map(self._readable, items)):
                if digest in owed.expects | owed.copied:
                    yield owed.reference
            after = str(items[-1]["item"])

    def owed_among(self, repository: str, references: Iterable[Reference]) -> set[Reference]:
        """Those of `references` that are owed."""
        keys = {Key(repository, reference.owed_key): reference for reference in references}
        return {keys[key] for key in self._store.batch_get(keys)} if keys else set()

    def told_deleted(self, repository: str, references: Iterable[Reference]) -> set[Reference]:
        """Those of `references` that are owed because an event said that they were deleted."""
        keys = {Key(repository, reference.owed_key): reference for reference in references}
        owed = self._store.batch_get(keys) if keys else {}
        return {keys[key] for key, item in owed.items() if ABSENT in item.get("expects", ())}

    def owed_named(self, named: Iterable[tuple[str, Reference]]) -> dict[tuple[str, Reference], Owed | None]:
        """Read those of the references named, each with its repository, that are owed; None: it cannot be read."""
        keys = {Key(repository, reference.owed_key): (repository, reference) for repository, reference in named}
        found = self._store.batch_get(keys) if keys else {}
        return {keys[key]: self._readable(item) for key, item in found.items()}

    def owed_whole(self, repositories: Iterable[str]) -> set[str]:
        """Those of `repositories` that are owed as a whole."""
        keys = [Key(repository, Reference.whole().owed_key) for repository in repositories]
        return {key.repository for key in self._store.batch_get(keys)}

    def seen(self, repository: str, references: Iterable[Reference]) -> dict[Reference, Seen]:
        """Read what was last seen of those of `references` that were ever discharged."""
        keys = {Key(repository, reference.seen_key): reference for reference in references}
        read = {keys[key]: Seen.under(self._primary, item) for key, item in self._store.batch_get(keys).items()}
        return {reference: seen for reference, seen in read.items() if seen is not None}

    def seen_digests(self, repository: str, references: Iterable[Reference]) -> dict[Reference, str]:
        """Read as which digest those of `references` were last seen, under whichever primary."""
        keys = {Key(repository, reference.seen_key): reference for reference in references}
        read = {keys[key]: text_in(item, "digest") for key, item in self._store.batch_get(keys).items()}
        return {reference: digest for reference, digest in read.items() if digest is not None}

    def seen_tags(self, repository: str, *, limit: int, after: str = "") -> list[tuple[Reference, Seen]]:
        """The tags that were ever discharged, with what was seen, in the order of the keys; `after` is a `seen_key`."""
        while items := self._store.items(repository, TAG_PREFIX, limit=limit, after=after):
            tags = [(_tag(item), seen) for item in items if (seen := Seen.under(self._primary, item)) is not None]
            if tags:
                return tags
            after = str(items[-1]["item"])
        return []

    def seen_pages(self, repository: str, *, size: int = SEEN_PAGE) -> Iterator[list[tuple[Reference, Seen]]]:
        """All tags that were ever discharged, in the order of the keys: a query for each page, made as it is taken."""
        after = ""
        while page := self.seen_tags(repository, limit=size, after=after):
            yield page
            after = page[-1][0].seen_key

    def all_seen_tags(self, repository: str, *, page: int = SEEN_PAGE) -> Iterator[tuple[Reference, Seen]]:
        """The tags of `seen_pages`, one by one."""
        return chain.from_iterable(self.seen_pages(repository, size=page))


def _tag(item: Item) -> Reference:
    return Reference.tag(str(item["item"]).removeprefix(TAG_PREFIX))
