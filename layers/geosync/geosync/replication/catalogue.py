"""The primary's catalogue, gone through page by page: every repository in it becomes owed as a whole (`owed#*`).

It finds what was on the primary before Geosync came (backfill), and what no notification told of (comparison): a
registry keeps its notifications in memory, and loses them with its process. How far a walk got is kept in the item
`#site`/`catalogue`, so that it survives the invocation that began it:

    started_at, touched_at   ms; when the walk began, when a page was last done (0: it ran out of time)
    last, repositories       the last name done, and how many were
    finished_at              ms; absent while the walk goes on
    failure                  why the registry's catalogue could not be read, absent when it could
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.conditions import Attr

from geosync.errors import OutOfTime, RegistryError, RegistryUnavailable
from geosync.registries.registry import Registry
from geosync.sync_registry.changes import ConditionFailed, Key, Store, Update
from geosync.sync_registry.items import SITE, Item, Reference
from geosync.sync_registry.registry import SyncRegistry, wall_clock

KEY = Key(SITE, "catalogue")
MARKERS = 8
"""Marks written side by side."""
ABANDONED_AFTER = 15 * 60_000
"""Milliseconds without a page done after which a walk is taken up again: the length of an invocation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far the latest walk got; times in milliseconds."""

    started_at: int
    touched_at: int
    repositories: int = 0
    last: str | None = None
    finished_at: int | None = None
    failure: str | None = None

    @classmethod
    def from_item(cls, item: Item) -> Walk:
        """Read the item `catalogue`."""
        return cls(
            started_at=int(item.get("started_at", 0)),
            touched_at=int(item.get("touched_at", 0)),
            repositories=int(item.get("repositories", 0)),
            last=item.get("last"),
            finished_at=item.get("finished_at"),
            failure=item.get("failure"),
        )


def latest(store: Store) -> Walk | None:
    """The latest walk, None when there was none yet."""
    item = store.get(KEY)
    return Walk.from_item(item) if item is not None else None


def is_due(walk: Walk | None, *, now: int, every: float) -> bool:
    """Whether a walk should begin or go on: the first, an abandoned one, and one `every` seconds (0: never again)."""
    if walk is None:
        return True
    if walk.finished_at is None:
        return now - walk.touched_at >= ABANDONED_AFTER
    return every > 0 and now - walk.started_at >= every * 1000


class Catalogue:
    """Goes through the primary's catalogue."""

    def __init__(
        self,
        store: Store,
        registry: SyncRegistry,
        primary: Registry,
        *,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._store = store
        self._registry = registry
        self._primary = primary
        self._clock = clock

    def walk(self) -> Walk:
        """Begin a walk, or go on with the one that was not finished, to the end of the catalogue.

        Raises OutOfTime between pages, RegistryUnavailable, and RegistryError where the catalogue cannot be read: both
        leave the walk where it is, the latter with its reason.
        """
        walk = latest(self._store)
        if walk is None or walk.finished_at is not None:
            walk = self._begin()
        try:
            for page in self._primary.repositories(last=walk.last):
                self._mark(page)
                done = {"last": page[-1]} if page else {}
                walk = self._write(walk, {**done, "repositories": walk.repositories + len(page)}) or walk
        except OutOfTime:
            self._write(walk, {"touched_at": 0})  # nobody is at it any more: the next minute goes on
            raise
        except RegistryUnavailable:
            raise
        except RegistryError as error:
            self._write(walk, {"failure": str(error)})
            raise
        return self._write(walk, {"finished_at": self._clock()}) or walk

    def _begin(self) -> Walk:
        now = self._clock()
        item = self._store.write(
            Update(
                key=KEY,
                set={"started_at": now, "touched_at": now, "repositories": 0},
                remove=("last", "finished_at", "failure"),
            )
        )
        return Walk.from_item(item or {})

    def _write(self, walk: Walk, values: dict[str, Any]) -> Walk | None:
        """Note how far `walk` got; None when another one has begun meanwhile, whose notes these are not."""
        change = Update(
            key=KEY,
            set={"touched_at": self._clock(), **values},
            remove=() if "failure" in values else ("failure",),
            when=Attr("started_at").eq(walk.started_at),
        )
        with suppress(ConditionFailed):
            return Walk.from_item(self._store.write(change) or {})
        return None

    def _mark(self, repositories: list[str]) -> None:
        """Mark whole repositories; the sweep wakes them, as many at a time as the work queue has room for."""
        with ThreadPoolExecutor(MARKERS, thread_name_prefix="mark") as pool:
            for _ in pool.map(lambda name: self._registry.mark(name, Reference.whole()), repositories):
                pass
