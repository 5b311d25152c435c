"""A site's container repositories as an operator sees them: a page of rows, one row, one repository's tags.

Read from the sync registry alone. No look reads the whole table: a page of rows costs a query of names and a batch read
of rows, whatever the site holds. States are in no index (a row changes its state with every sync), so a page that is
filtered by state examines at most EXAMINED rows and says how far it got. What is not synced is owed, and what is owed
is in the index `due`: while that is short, these rows are found by it and the page is exact at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from geosync.errors import CorruptItem
from geosync.sync_registry.items import (
    ABSENT,
    OWED_PREFIX,
    PARKED_DUE,
    ROW,
    SYNCED,
    TAG_PREFIX,
    UNNAMED,
    Item,
    Owed,
    Row,
    Seen,
)
from geosync.sync_registry.registry import wall_clock
from geosync.sync_registry.site import listing
from geosync.sync_registry.table.changes import Key, Store
from geosync.sync_registry.table.shards import OWED_SHARDS

EXAMINED = 500
"""Rows that one filtered page reads at most: five batch reads."""
BACKLOG = 1000
"""Keys of the index `due` read at most to find the rows that are not synced."""
OWED_COUNTED = 1000
"""Owed references of one repository that are counted: of more it is said that there are more."""
_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows: by the beginning of the name, and by states as the rows hold them ("0" to "4"); None: any."""

    prefix: str = ""
    state: str | None = None
    verification_state: str | None = None

    @property
    def is_anything(self) -> bool:
        """Whether every row with such a name is taken."""
        return self.state is None and self.verification_state is None

    def takes(self, row: Row) -> bool:
        """Whether a row is one of those."""
        return self.state in (None, row.state) and self.verification_state in (None, row.verification_state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows by name. `examined` rows were read for them; there may be more after the name `cursor`, None: no more.

    `corrupt` are the rows among those examined that cannot be read, whatever the filter asks for.
    """

    rows: tuple[Row, ...]
    cursor: str | None
    examined: int
    corrupt: tuple[CorruptItem, ...] = ()


def page(store: Store, wanted: Filter, *, limit: int, after: str = "") -> Page:
    """The next at most `limit` rows after the name `after`."""
    step = limit if wanted.is_anything else _BATCH
    names = _names(store, wanted, after, step)
    rows: list[Row] = []
    corrupt: list[CorruptItem] = []
    last, examined = after, 0
    while batch := list(islice(names, min(step, EXAMINED - examined))):
        found = store.batch_get(Key(name, ROW) for name in batch)
        for name in batch:
            last, examined = name, examined + 1
            item = found.get(Key(name, ROW))
            if item is None:
                continue
            try:
                row = Row.from_item(item)
            except CorruptItem as error:
                corrupt.append(error)
                continue
            if wanted.takes(row):
                rows.append(row)
            if len(rows) == limit:
                break
        if len(rows) == limit or examined == EXAMINED:
            more = next(names, None) is not None or name != batch[-1]
            return Page(rows=tuple(rows), cursor=last if more else None, examined=examined, corrupt=tuple(corrupt))
    return Page(rows=tuple(rows), cursor=None, examined=examined, corrupt=tuple(corrupt))


def _names(store: Store, wanted: Filter, after: str, step: int) -> Iterator[str]:
    if wanted.state not in (None, SYNCED):
        backlog = _backlog(store)
        if backlog is not None:
            return iter([name for name in backlog if name > after and name.startswith(wanted.prefix)])
    return _listed(store, wanted.prefix, after, step)


def _listed(store: Store, prefix: str, after: str, step: int) -> Iterator[str]:
    """All names, read `step` and one at a time: the one more says whether another page follows."""
    while found := listing.names(store, prefix=prefix, after=after, limit=step + 1):
        yield from found
        if len(found) <= step:
            return
        after = found[-1]


def _backlog(store: Store) -> list[str] | None:
    """The repositories with anything owed or a lease, by name; None: more keys than are worth reading for a page."""
    keys: list[Key] = []
    for shard in OWED_SHARDS:
        keys += islice(store.due_keys(shard, PARKED_DUE), BACKLOG + 1 - len(keys))
        if len(keys) > BACKLOG:
            return None
    return sorted({key.repository for key in keys})


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One repository: its row, and what is owed in it, oldest first. `more_owed`: there is more than was read."""

    row: Row
    owed: tuple[Owed, ...]
    more_owed: bool
    at: int

    @property
    def failed(self) -> int:
        """How many of the owed references have failed since they were last marked."""
        return sum(owed.failure is not None for owed in self.owed)

    @property
    def owed_since(self) -> int | None:
        """When the reference that is owed the longest was first marked (ms), of what was read."""
        return min((owed.owed_since for owed in self.owed), default=None)


def detail(store: Store, repository: str, *, clock: Callable[[], int] = wall_clock) -> Detail | None:
    """One repository; None: it has no row. Raises CorruptItem when the row or an owed item cannot be read."""
    now = clock()
    item = store.get(Key(repository, ROW))
    if item is None:
        return None
    found = store.items(repository, OWED_PREFIX, limit=OWED_COUNTED + 1)
    owed = sorted(map(Owed.from_item, found[:OWED_COUNTED]), key=lambda one: (one.owed_since, str(one.reference)))
    return Detail(row=Row.from_item(item), owed=tuple(owed), more_owed=len(found) > OWED_COUNTED, at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One tag on both sides as far as it is known here: what was seen of it, and what is owed of it."""

    name: str
    seen: Seen | None
    owed: Owed | None

    @property
    def primary_digest(self) -> str | None:
        """What the primary has: as an event named it if it named one thing, else as it was last seen; None: missing."""
        if self.owed is None:
            return self.seen.digest if self.seen is not None and self.seen.missing_since is None else None
        named = self.owed.expects - {UNNAMED, ABSENT}
        return next(iter(named)) if len(self.owed.expects) == len(named) == 1 else None

    @property
    def secondary_digest(self) -> str | None:
        """What this site was last seen to have."""
        return self.seen.digest if self.seen is not None else None


def tags(store: Store, repository: str, *, limit: int, after: str = "") -> tuple[tuple[Tag, ...], str | None]:
    """The next at most `limit` tags after the tag `after`, by name, and after which there may be more (None: no more).

    Two queries, of what was seen and of what is owed. Raises CorruptItem.
    """
    owed_prefix = OWED_PREFIX + TAG_PREFIX
    seen_items = _after(store, repository, TAG_PREFIX, after, limit)
    owed_items = _after(store, repository, owed_prefix, after, limit)
    names = sorted({*seen_items, *owed_items})
    found = tuple(
        Tag(
            name=name,
            seen=Seen.from_item(seen_items[name]) if name in seen_items else None,
            owed=Owed.from_item(owed_items[name]) if name in owed_items else None,
        )
        for name in names[:limit]
    )
    return found, (names[limit - 1] if len(names) > limit else None)


def _after(store: Store, repository: str, prefix: str, after: str, limit: int) -> dict[str, Item]:
    items = store.items(repository, prefix, limit=limit + 1, after=prefix + after if after else "")
    return {str(item["item"]).removeprefix(prefix): item for item in items}
