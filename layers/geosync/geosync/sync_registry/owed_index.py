"""Everything that is owed at a site, read from the index `due` for status and actions.

Parked references are in the index too, far in the future. So a reading costs a query for each partition, a second one
for each that holds more than is read, and a batch read for each hundred items. Queries and batches go side by side. No
read touches a row that owes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

from geosync.errors import CorruptItem
from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import OWED_PREFIX, PARKED_DUE_MS, ROW, Item, Owed, Row, Seen
from geosync.sync_registry.site import counters
from geosync.sync_registry.sweep import in_turn
from geosync.sync_registry.table.changes import Key, Store
from geosync.sync_registry.table.shards import FAILED_SHARDS, OWED_SHARDS, SHARDS
from geosync.sync_registry.table.tables import DUE_INDEX as DUE_INDEX  # noqa: PLC0414 - its name, for whoever measures it
from geosync.sync_registry.transitions.leases import writes_land_until
from geosync.threads import Threads

AT_ONCE = 28
"""Requests side by side: twenty batches of items, and eight partitions. A client has as many connections."""
IN_A_BATCH = 100
"""Items that DynamoDB reads in one request."""
LONGEST_LEASE_MS = 600_000
"""The template takes no longer LeaseSeconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedItem:
    """One owed item: what it says, or (`corrupt`) why it cannot be read.

    `is_here`: what was announced was seen here already, and nothing else was announced since. A registry that waits too
    long for an answer announces a push again.
    """

    key: Key
    owed: Owed | None
    is_parked: bool
    corrupt: str | None = None
    is_here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedItems:
    """The owed items that one reading found. `more_waiting` and `more_parked`: there are more than it read."""

    items: tuple[OwedItem, ...]
    more_waiting: bool
    more_parked: bool
    repositories: frozenset[str]
    """The repositories of the items."""
    leased: tuple[str, ...]
    """Repositories that somebody holds, of those whose rows were among what was read."""
    moving: Mapping[str, int]
    """What the rows among what was read are, beyond what the site's counters count them as (site/counters.py).

    A row that was knocked at, or that is worked on, counts as what it was when it was last let go.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItems:
    """The references that have failed since they were marked. `more`: there is more; `corrupt` items cannot be read."""

    owed: tuple[Owed, ...]
    more: bool
    corrupt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagWriters:
    """The repositories in which tags of this site may be written now, or may yet come to be.

    `held` somebody holds. In the `left` ones a write may still land whose holder vanished, or had no answer and let go:
    at most until the moment (ms) that stands beside the name.
    """

    held: tuple[str, ...]
    left: Mapping[str, int]


class OwedIndex:
    """Reads what is owed at the whole site."""

    def __init__(self, store: Store, threads: Threads) -> None:
        self._store = store
        self._threads = threads

    def read(self, *, most: int, now_ms: int, leases: bool = False) -> OwedItems:
        """Read what is owed: at most `most` items that are tried again by themselves, and as many that are parked.

        With `leases` the rows that somebody holds are read as well, where more waits than is read. A leased row is in
        the index when its lease expires: what is due later is gone through, the first `most` keys of each partition.
        """
        with self._threads.pool(AT_ONCE, name="owed") as pool:
            shards = list(pool.map(partial(self._first_of, most=most), OWED_SHARDS))
            waiting, parked = (
                list(islice(in_turn([iter(one) for one in some]), most + 1)) for some in zip(*shards, strict=True)
            )
            keys = [*waiting[:most], *parked[:most]]
            more_waiting, more_parked = len(waiting) > most, len(parked) > most
            all_leases = leases and more_waiting
            held = pool.map(partial(self._leased_in, now_ms=now_ms, most=most), SHARDS if all_leases else ())
            found = self._found(pool, keys)
            items = tuple(self._owed_items(pool, found))
            leased = sorted(chain.from_iterable(held)) if all_leases else _leased(found, now_ms)
        return OwedItems(
            items=items,
            more_waiting=more_waiting,
            more_parked=more_parked,
            repositories=frozenset(key.repository for key in keys if _is_owed(key)),
            leased=tuple(leased),
            moving=_moving(found),
        )

    def _first_of(self, shard: str, *, most: int) -> tuple[list[Key], list[Key]]:
        """The first keys of one partition: those that wait, and those that are parked, behind all others."""
        entries = self._store.first_due(shard, most + 1)
        waiting = [key for key, due in entries if due < PARKED_DUE_MS]
        if len(entries) <= most:
            return waiting, [key for key, due in entries if due >= PARKED_DUE_MS]
        return waiting, list(islice(self._store.due_keys(shard, PARKED_DUE_MS, start=PARKED_DUE_MS), most + 1))

    def _leased_in(self, shard: str, *, now_ms: int, most: int) -> list[str]:
        return _leased(self._rows([shard], start=now_ms, until=now_ms + LONGEST_LEASE_MS, most=most), now_ms)

    def _found(self, pool: Executor, keys: Sequence[Key]) -> dict[Key, Item]:
        """Read items, each batch beside the others."""
        batches = [keys[start : start + IN_A_BATCH] for start in range(0, len(keys), IN_A_BATCH)]
        return {key: item for found in pool.map(self._store.batch_get, batches) for key, item in found.items()}

    def tag_writers(self, *, now_ms: int, suspect_ms: int) -> TagWriters:
        """Find out where tags may still be written at `now_ms` (ms): a query for each partition, and the rows in it.

        `suspect_ms` is how long after its holder vanished a write may land. A row is in the index when its lease
        expires, also after that, and, let go under a suspicion, when that ends.
        """
        items = self._rows(SHARDS, start=now_ms - suspect_ms, until=now_ms + LONGEST_LEASE_MS)
        held = _leased(items, now_ms)
        left = {key.repository: _may_land_until(item, suspect_ms) for key, item in items.items()}
        return TagWriters(
            held=tuple(held),
            left={name: until for name, until in sorted(left.items()) if until > now_ms and name not in held},
        )

    def _rows(self, shards: Sequence[str], *, start: int, until: int, most: int | None = None) -> dict[Key, Item]:
        """The rows that are in the index between two moments, among the first `most` keys of each partition."""
        keys = [key for shard in shards for key in islice(self._store.due_keys(shard, until, start=start), most)]
        return self._store.batch_get(key for key in keys if key.item == ROW)

    def parked(self) -> int:
        """The number of parked references: a query for each thousand of them."""
        return sum(1 for _ in self._parked())

    def _parked(self) -> Iterator[Key]:
        shards = (self._store.due_keys(shard, PARKED_DUE_MS, start=PARKED_DUE_MS) for shard in OWED_SHARDS)
        return filter(_is_owed, chain.from_iterable(shards))

    def names(self, *, most: int) -> list[str] | None:
        """The repositories with anything owed or a lease, by name; None: the index has more than `most` keys."""
        keys = self._first(OWED_SHARDS, most + 1)
        return sorted({key.repository for key in keys}) if len(keys) <= most else None

    def parked_names(self) -> list[str]:
        """The repositories in which a reference is parked, by name: a query for each thousand parked references."""
        return sorted({key.repository for key in self._parked()})

    def failed(self, *, most: int) -> FailedItems:
        """Read what has failed, parked or waiting for its next attempt: at most `most` items."""
        keys = self._first(FAILED_SHARDS, most + 1)
        items = self._store.batch_get(key for key in keys[:most] if _is_owed(key))
        owed, corrupt = [], 0
        for item in items.values():
            try:
                owed.append(Owed.from_item(item))
            except CorruptItem:
                corrupt += 1
        failed = tuple(one for one in owed if one.failure is not None)
        return FailedItems(owed=failed, more=len(keys) > most, corrupt=corrupt)

    def _first(self, shards: Iterable[str], most: int) -> list[Key]:
        """The first `most` keys of these partitions, one partition after the other."""
        keys: list[Key] = []
        for shard in shards:
            if len(keys) < most:
                keys += islice(self._store.due_keys(shard, PARKED_DUE_MS), most - len(keys))
        return keys

    def _owed_items(self, pool: Executor, items: Mapping[Key, Item]) -> Iterator[OwedItem]:
        """Read the owed ones among `items`.

        It costs a batch read for each hundred of them that may have been announced again though they are here.
        """
        read = [_owed_item(key, item) for key, item in items.items() if _is_owed(key)]
        seen_keys = {one.key: _seen_key(one.owed) for one in read if one.owed is not None and _names_one(one.owed)}
        seen = self._found(pool, list(dict.fromkeys(seen_keys.values())))
        for one in read:
            before = seen.get(seen_keys[one.key]) if one.key in seen_keys else None
            yield replace(one, is_here=_is_as_announced(before, one.owed, items[one.key]))


def _is_owed(key: Key) -> bool:
    return key.item.startswith(OWED_PREFIX)


def _owed_item(key: Key, item: Item) -> OwedItem:
    """Read one item; one that cannot be read still counts as owed."""
    try:
        owed = Owed.from_item(item)
    except CorruptItem as corrupt:
        return OwedItem(key=key, owed=None, is_parked=item.get("due") == PARKED_DUE_MS, corrupt=str(corrupt))
    return OwedItem(key=key, owed=owed, is_parked=owed.parked)


def _seen_key(owed: Owed) -> Key:
    return Key(owed.repository, owed.reference.seen_key)


def _names_one(owed: Owed) -> bool:
    """True when one digest was announced, and nothing has failed or was found broken since."""
    return len(owed.expects) == 1 and not owed.attempts and not owed.distrust


def _is_as_announced(before: Item | None, owed: Owed | None, item: Item) -> bool:
    """True when the digest announced is the one that was seen here before, under the same primary."""
    if before is None or owed is None:
        return False
    try:
        seen = Seen.under(str(item.get("primary", "")), before)
    except CorruptItem:
        return False
    return seen is not None and seen.digest in owed.expects


def _moving(items: Mapping[Key, Item]) -> Mapping[str, int]:
    """The states of rows beyond those that they are counted as; a row without an id is not counted yet."""
    moving: Counter[str] = Counter()
    for key, item in items.items():
        if key.item == ROW:
            with suppress(CorruptItem):
                row = Row.from_item(item)
                if row.id is not None:
                    moving.update(counters.attributes(Counted(state=row.state)))
                    moving.subtract(counters.attributes(Counted(state=row.state_counted)))
    return moving


def _leased(items: Mapping[Key, Item], now_ms: int) -> list[str]:
    return sorted(key.repository for key, item in items.items() if key.item == ROW and _is_leased(item, now_ms))


def _is_leased(item: Item, now_ms: int) -> bool:
    try:
        return Row.from_item(item).leased(now_ms)
    except CorruptItem:
        return False


def _may_land_until(item: Item, suspect_ms: int) -> int:
    """As leases.writes_land_until; 0 for a row that cannot be read."""
    try:
        return writes_land_until(Row.from_item(item), suspect_ms)
    except CorruptItem:
        return 0
