"""DynamoDB as the sync registry uses it: conditions and transactions at once, a global index that follows, throttling.

The items are those of the store in memory, which the tests of the store hold to DynamoDB's behaviour. What this adds is
what a table far away does: it refuses, it answers late or not at all, and its index lags.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import TypeVar

from botocore.exceptions import ClientError, ReadTimeoutError
from tests.simulation.calls import Calls, Weather
from tests.simulation.scheduler import Scheduler

from geosync.errors import Contended
from geosync.sync_registry.items import Item
from geosync.sync_registry.site.outbox import SPREAD
from geosync.sync_registry.table.changes import Change, Delete, Key, Update
from geosync.sync_registry.table.memory import MemoryStore, part_of

LAG_S = 0.4
"""The index follows its table within that; the product leaves it 0.5 s."""
LATE_S = 0.5
"""A write of a dead client lands within that."""
PAUSES_S = 2.0
"""What the store waits in all, at most, for a batch to be done or for other writes to end."""
Part = TypeVar("Part")
Listener = Callable[[Key, Item | None, Item | None], None]
"""Told of each write: the key, the item before it and after it."""


class Table(MemoryStore):
    """The items of one site, by partition, with the index `due` as it was a moment ago."""

    def __init__(self, scheduler: Scheduler, random: Random) -> None:
        super().__init__()
        self.partitions: dict[str, dict[str, Item]] = {}
        self.listeners: list[Listener] = []
        self._scheduler = scheduler
        self._random = random
        self._index: dict[str, dict[Key, int]] = {}
        self._behind: dict[Key, list[tuple[float, Item | None]]] = {}

    def _apply(self, change: Update | Delete) -> Item | None:
        before = self.table.get(change.key)
        item = super()._apply(change)
        repository, name = change.key
        if item is None:
            self.partitions.get(repository, {}).pop(name, None)
        else:
            self.partitions.setdefault(repository, {})[name] = item
        if "due_shard" in (before or ()) or "due_shard" in (item or ()):
            behind = self._behind.setdefault(change.key, [])
            seen_at = self._scheduler.now_s + self._random.random() * LAG_S
            behind.append((max(seen_at, behind[-1][0] if behind else 0.0), item))
        for listener in self.listeners:
            listener(change.key, before, item)
        return item

    def batch_get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items that exist among `keys`."""
        return {key: self.table[key] for key in keys if key in self.table}

    def items(
        self, repository: str, prefix: str, *, limit: int, after: str = "", only: Collection[str] = ()
    ) -> list[Item]:
        """Items whose sort key begins with `prefix` and comes after `after`, in its order."""
        found = self.partitions.get(repository, {})
        names = sorted(name for name in found if name.startswith(prefix) and name > after)
        return [part_of(found[name], only) for name in names[:limit]]

    def due(self, repository: str, at: int, limit: int, *, untried: bool = False) -> list[Item]:
        """Items of one repository with `due` <= `at`, newest first; `untried`: none that failed."""
        found = [
            item
            for item in self.partitions.get(repository, {}).values()
            if item.get("due", at + 1) <= at and not (untried and item.get("attempts"))
        ]
        return sorted(found, key=lambda item: (item["due"], item["item"]), reverse=True)[:limit]

    def due_keys(self, shard: str, until: int, *, start: int = 0) -> Iterator[Key]:
        """Keys of the items in one shard with `start` <= `due` <= `until`, oldest first, as the index has them now."""
        self._follow()
        found = self._index.get(shard)
        if not found:
            return iter(())
        keys = sorted((due, key) for key, due in found.items() if start <= due <= until)
        return iter([key for _, key in keys])

    def first_due(self, shard: str, limit: int) -> list[tuple[Key, int]]:
        """Keys of the first items in one shard, each with its `due`, as the index has them now."""
        self._follow()
        entries = self._index.get(shard)
        if not entries:
            return []
        found = sorted((due, key) for key, due in entries.items())
        return [(key, due) for due, key in found[:limit]]

    def _follow(self) -> None:
        """Bring the index up to the present."""
        if not self._behind:
            return
        now_s = self._scheduler.now_s
        for key in [key for key, behind in self._behind.items() if behind[0][0] <= now_s]:
            behind = self._behind[key]
            item = None
            while behind and behind[0][0] <= now_s:
                item = behind.pop(0)[1]
            if not behind:
                del self._behind[key]
            for keys in self._index.values():
                keys.pop(key, None)
            if item is not None and "due_shard" in item and isinstance(item.get("due"), int):
                self._index.setdefault(item["due_shard"], {})[key] = item["due"]


class RemoteStore:
    """The table as one function reaches it."""

    def __init__(self, table: Table, calls: Calls, weather: Weather) -> None:
        self._table = table
        self._calls = calls
        self._weather = weather

    def get(self, key: Key) -> Item | None:
        """One item."""
        return self._calls.make(lambda: self._table.get(key), self._weather, refused=_throttled, lost=_silent)

    def batch_get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items that exist among `keys`."""
        wanted = list(keys)
        return {key: item for part in self._parts(wanted) for key, item in self._batch_get(part).items()}

    def _batch_get(self, wanted: list[Key]) -> dict[Key, Item]:
        return self._calls.make(lambda: self._table.batch_get(wanted), self._weather, refused=_throttled, lost=_silent)

    def _parts(self, wanted: list[Part]) -> Iterator[list[Part]]:
        """A batch as it is done: at once, or a part, and the rest after a while. Raises Contended between the two."""
        if not wanted:
            return
        if len(wanted) < 2 or not self._calls.is_in_part(self._weather):
            yield wanted
            return
        first = 1 + self._calls.below(len(wanted) - 1)
        yield wanted[:first]
        self._unhinder()
        yield wanted[first:]

    def _unhinder(self) -> None:
        """Try again, as the store does. Raises Contended."""
        if self._calls.gives_up(PAUSES_S):
            raise Contended("sync registry: it was throttled too many times in a row")

    def items(
        self, repository: str, prefix: str, *, limit: int, after: str = "", only: Collection[str] = ()
    ) -> list[Item]:
        """Items of one partition."""
        with self._noting(repository):
            return self._calls.make(
                lambda: self._table.items(repository, prefix, limit=limit, after=after, only=only),
                self._weather,
                refused=_throttled,
                lost=_silent,
            )

    def _noting(self, *partitions: str) -> AbstractContextManager[None]:
        """Note an error of a read of the outbox, or of a delete of announced events."""
        return self._calls.noting("not told") if {*partitions} & {*SPREAD} else nullcontext()

    def due(self, repository: str, at: int, limit: int, *, untried: bool = False) -> list[Item]:
        """Items of one repository that are due."""
        return self._calls.make(
            lambda: self._table.due(repository, at, limit, untried=untried),
            self._weather,
            refused=_throttled,
            lost=_silent,
        )

    def due_keys(self, shard: str, until: int, *, start: int = 0) -> Iterator[Key]:
        """Keys of the index, read when the first is taken. A reader asks two dozen shards: few of them take time."""
        if self._weather.is_calm and self._calls.is_instant():
            yield from list(self._table.due_keys(shard, until, start=start))
            return
        keys = self._calls.make(
            lambda: list(self._table.due_keys(shard, until, start=start)),
            self._weather,
            refused=_throttled,
            lost=_silent,
        )
        if keys and self._calls.is_in_part(self._weather):
            yield from keys[: self._calls.below(len(keys))]
            raise _throttled()  # the next page
        yield from keys

    def first_due(self, shard: str, limit: int) -> list[tuple[Key, int]]:
        """Keys of the index; few of the shards take time, as above."""
        if self._weather.is_calm and self._calls.is_instant():
            return self._table.first_due(shard, limit)
        return self._calls.make(
            lambda: self._table.first_due(shard, limit), self._weather, refused=_throttled, lost=_silent
        )

    def write(self, change: Update | Delete) -> Item | None:
        """Carry out one change; where the answer is lost, boto3 sends it a second time, or gives up."""

        def once_or_twice() -> Item | None:
            result = self._table.write(change)
            if self._calls.is_repeated(self._weather):
                result = self._table.write(change)
            return result

        self._meet_others()
        return self._calls.make(once_or_twice, self._weather, refused=_throttled, lost=_silent, late_s=LATE_S)

    def batch_put(self, items: Iterable[Item]) -> None:
        """Put whole items; one that is sent twice is there once."""
        for part in self._parts(list(items)):
            self._make_late(lambda part=part: self._table.batch_put(part))  # type: ignore[misc]

    def batch_delete(self, keys: Iterable[Key]) -> None:
        """Delete items; one that is deleted twice is gone."""
        wanted = list(keys)
        with self._noting(*(key.repository for key in wanted)):
            for part in self._parts(wanted):
                self._make_late(lambda part=part: self._table.batch_delete(part))  # type: ignore[misc]

    def transact(self, changes: Sequence[Change]) -> None:
        """Carry out all or none; a second sending carries the token of the first, and changes nothing."""
        self._meet_others()
        self._make_late(lambda: self._table.transact(changes))

    def _meet_others(self) -> None:
        """Meet another write of the same item, which is in the way for a while. Raises Contended."""
        if self._calls.is_in_part(self._weather):
            self._unhinder()

    def _make_late(self, effect: Callable[[], None]) -> None:
        self._calls.make(effect, self._weather, refused=_throttled, lost=_silent, late_s=LATE_S)


def _throttled() -> Exception:
    return ClientError(
        {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "throttled"}}, "UpdateItem"
    )


def _silent() -> Exception:
    return ReadTimeoutError(endpoint_url="https://dynamodb.invalid")
