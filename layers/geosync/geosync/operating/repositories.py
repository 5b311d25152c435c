"""A site's container repositories as an operator sees them: a page of rows, one row, one repository's tags.

Read from the sync registry alone. No look reads the whole table: a page of rows costs a query of names and a batch read
of rows, whatever the site holds. States are in no index (a row changes its state with every sync), so a page that is
filtered by state examines at most EXAMINED rows and says how far it got. What is not synced is owed, and what is owed
is in the index `due`: while that is short, these rows are found by it and the page is exact at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import CorruptItem
from geosync.sync_registry.browsing import KnownTag
from geosync.sync_registry.items import ABSENT, SYNCED, UNNAMED, Owed, Row, Seen
from geosync.sync_registry.measured import Tally
from geosync.sync_registry.sync_registry import SyncRegistry

EXAMINED = 500
"""Rows that one filtered page reads at most: five batch reads."""
SEARCHED = 10_000
"""Names that one page of a search looks at at most: ten queries."""
BACKLOG = 1000
"""Keys of the index `due` read at most to find the rows that are not synced."""
OWED_COUNTED = 1000
"""Owed references of one repository that are counted: of more it is said that there are more."""
TAGS_COUNTED = 1000
"""Tags of one repository that were seen here and are counted: of more it is said that there are more."""
_BATCH = 100
_SEARCH_STEP = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """Selects rows by name and by states as the rows hold them ("0" to "4"); None: any.

    `search` is any part of the name, in any case. `parked`: only repositories in which a reference is parked.
    """

    prefix: str = ""
    search: str = ""
    parked: bool = False
    state: str | None = None
    verification_state: str | None = None

    @property
    def is_anything(self) -> bool:
        """True when every row with such a name is taken."""
        return self.state is None and self.verification_state is None

    def takes_name(self, name: str) -> bool:
        """True for a name that is selected."""
        return name.startswith(self.prefix) and self.search.casefold() in name.casefold()

    def takes(self, row: Row) -> bool:
        """True for a row whose states are selected."""
        return self.state in (None, row.state) and self.verification_state in (None, row.verification_state)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """Rows by name. `examined` names were looked up; there may be more after the name `cursor`, None: the end.

    `corrupt` are the rows among those examined that cannot be read, whatever the filter asks for.
    """

    rows: tuple[Row, ...]
    cursor: str | None
    examined: int
    corrupt: tuple[CorruptItem, ...] = ()


def page(sync_registry: SyncRegistry, wanted: RowFilter, *, limit: int, after: str = "") -> RowPage:
    """The next at most `limit` rows after the name `after`."""
    step = limit if wanted.is_anything else _BATCH
    search = _Search(_names(sync_registry, wanted, after, step), wanted)
    names = iter(search)
    taken = _Taken(wanted, limit, after)
    while batch := list(islice(names, min(step, EXAMINED - taken.examined))):
        left = taken.examine(batch, sync_registry.browsing.rows(batch))
        if taken.is_full:
            more = left or next(names, None) is not None or search.stopped_at is not None
            return taken.page(taken.last if more else None)
    return taken.page(search.stopped_at)


def all_names(sync_registry: SyncRegistry, wanted: RowFilter, *, most: int) -> list[str] | None:
    """The names that may have a wanted row; None: more than `most`, or a search that looks at more than SEARCHED."""
    search = _Search(_names(sync_registry, wanted, "", most), wanted)
    names = list(islice(search, most + 1))
    return names if len(names) <= most and search.stopped_at is None else None


class _Search:
    """The wanted ones of some names; it looks at SEARCHED of them, and says after which it `stopped_at`."""

    def __init__(self, names: Iterator[str], wanted: RowFilter) -> None:
        self.stopped_at: str | None = None
        self._names = names
        self._wanted = wanted

    def __iter__(self) -> Iterator[str]:
        for looked, name in enumerate(self._names, start=1):
            if self._wanted.takes_name(name):
                yield name
            if looked == SEARCHED:
                self.stopped_at = name
                return


class _Taken:
    """The rows of a page as it is put together."""

    def __init__(self, wanted: RowFilter, limit: int, after: str) -> None:
        self.examined = 0
        self._wanted = wanted
        self._limit = limit
        self.last = after
        self._rows: list[Row] = []
        self._corrupt: list[CorruptItem] = []

    @property
    def is_full(self) -> bool:
        """True when no further name is examined."""
        return len(self._rows) == self._limit or self.examined == EXAMINED

    def examine(self, names: Sequence[str], rows: Mapping[str, Row | CorruptItem]) -> bool:
        """Take what is wanted of these names, in their order, until the page is full. True: some names are left."""
        for name in names:
            self.last = name
            self.examined += 1
            self._take(rows.get(name))
            if len(self._rows) == self._limit:
                return name != names[-1]
        return False

    def _take(self, row: Row | CorruptItem | None) -> None:
        if isinstance(row, CorruptItem):
            self._corrupt.append(row)
        elif row is not None and self._wanted.takes(row):
            self._rows.append(row)

    def page(self, cursor: str | None) -> RowPage:
        """The page; there are further names after `cursor`."""
        return RowPage(rows=tuple(self._rows), cursor=cursor, examined=self.examined, corrupt=tuple(self._corrupt))


def _names(sync_registry: SyncRegistry, wanted: RowFilter, after: str, step: int) -> Iterator[str]:
    backlog: list[str] | None = None
    if wanted.parked:
        backlog = sync_registry.owed_index.parked_names()
    elif wanted.state not in (None, SYNCED):
        backlog = sync_registry.owed_index.names(most=BACKLOG)
    if backlog is not None:
        return iter([name for name in backlog if name > after])
    step = _SEARCH_STEP if wanted.search else step
    return listed_names(sync_registry, prefix=wanted.prefix, after=after, step=step)


def listed_names(sync_registry: SyncRegistry, *, prefix: str = "", after: str = "", step: int) -> Iterator[str]:
    """Yield all names, read `step` and one at a time: the one more says whether another page follows."""
    while found := sync_registry.listing.names(prefix=prefix, after=after, limit=step + 1):
        yield from found
        if len(found) <= step:
            return
        after = found[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDetail:
    """One repository: its row, what is owed in it, oldest first, and how many tags are known.

    `more_owed`, `more_tags`: there are more than were read. `size_bytes` are those of the images that its tags were
    seen to have here (sync_registry/measured.py); None: not known of one of them, or not all were read.
    """

    row: Row
    owed: tuple[Owed, ...]
    more_owed: bool
    tags: int
    more_tags: bool
    size_bytes: int | None
    at: int

    @property
    def failed(self) -> int:
        """The number of owed references that have failed since they were last marked."""
        return sum(owed.failure is not None for owed in self.owed)

    @property
    def owed_since(self) -> int | None:
        """The first mark (ms) of the reference that is owed the longest, among those read."""
        return min((owed.owed_since for owed in self.owed), default=None)


def detail(sync_registry: SyncRegistry, repository: str, *, clock: Clock = SYSTEM_CLOCK) -> RowDetail | None:
    """One repository; None: it has no row. Raises CorruptItem when the row or an owed item cannot be read."""
    now_ms = clock.now_ms()
    row = sync_registry.row(repository)
    if row is None:
        return None
    found = sync_registry.owed(repository, limit=OWED_COUNTED + 1)
    owed = sorted(found[:OWED_COUNTED], key=lambda one: (one.owed_since, str(one.reference)))
    more_owed = len(found) > OWED_COUNTED
    seen = sync_registry.browsing.seen_tags(repository, limit=TAGS_COUNTED + 1)
    names = {*list(seen)[:TAGS_COUNTED], *(str(one.reference) for one in owed if one.reference.kind == "tag")}
    return RowDetail(
        row=row,
        owed=tuple(owed),
        more_owed=more_owed,
        tags=len(names),
        more_tags=len(seen) > TAGS_COUNTED or more_owed,
        size_bytes=_size_bytes(seen.values()) if len(seen) <= TAGS_COUNTED else None,
        at=now_ms,
    )


def _size_bytes(seen: Iterable[Seen | CorruptItem]) -> int | None:
    tally = Tally()
    for one in seen:
        if isinstance(one, CorruptItem):
            return None
        tally.add(one.digest, one.size_bytes)
    return tally.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TagState:
    """One tag on both sides as far as it is known here: what was seen of it, and what is owed of it."""

    name: str
    seen: Seen | None
    owed: Owed | None

    @property
    def primary_digest(self) -> str | None:
        """The primary's digest: the one that an event named, else the one last seen. None: missing, or not known."""
        if self.owed is None:
            seen = self.seen
            is_there = seen is not None and seen.missing_since is None and seen.gone_since is None
            return seen.digest if seen is not None and is_there else None
        named = self.owed.expects - {UNNAMED, ABSENT}
        return next(iter(named)) if len(self.owed.expects) == len(named) == 1 else None

    @property
    def secondary_digest(self) -> str | None:
        """The digest that this site was last seen to have."""
        return self.seen.digest if self.seen is not None else None

    @property
    def size_bytes(self) -> int | None:
        """The size of the image that this site was last seen to have. None: no copy has read it."""
        return self.seen.size_bytes if self.seen is not None else None


def tags(
    sync_registry: SyncRegistry, repository: str, *, limit: int, after: str = ""
) -> tuple[tuple[TagState, ...], str | None]:
    """The next at most `limit` tags after the tag `after`, by name, and after which there may be more (None: the end).

    A size that is known of one of them is known of those with the same digest: of the same tag another page may have
    none. Raises CorruptItem.
    """
    found, last = sync_registry.browsing.tags(repository, limit=limit, after=after)
    seen = [tag.seen for tag in found if tag.seen is not None]
    sizes = {one.digest: one.size_bytes for one in seen if one.size_bytes is not None}
    return tuple(_state(tag, sizes) for tag in found), last


def _state(tag: KnownTag, sizes: Mapping[str, int]) -> TagState:
    seen = replace(tag.seen, size_bytes=sizes.get(tag.seen.digest)) if tag.seen is not None else None
    return TagState(name=tag.name, seen=seen, owed=tag.owed)
