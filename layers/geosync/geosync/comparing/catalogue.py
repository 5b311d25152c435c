"""The primary's catalogue, gone through page by page: every repository in it becomes owed as a whole (`owed#*`).

It finds what was on the primary before Geosync came (backfill), and what no notification told of (comparison): a
registry keeps its notifications in memory, and loses them with its process. How far a walk got is kept in the item
`#site`/`catalogue`, so that it survives the invocation that began it:

    started_at, touched_at   ms; when the walk began, when a page was last done (0: it ran out of time)
    last, repositories       the last name done, and how many were
    finished_at              ms; absent while the walk goes on
    failure                  why the registry's catalogue could not be read, absent when it could
    not_before               ms; until when the API that lists it wants to be left alone, absent when it does not
    proved_at                ms; when the latest walk began of which everything was found equal, or copied since
    settled_at               ms; the same, where nothing but parked references may be left
    clean_since              ms; since when nothing else that this walk made owed was left (see note_progress)
    moved_at, moved          ms; when something was last done for the walk, and how much it was then
    asked_for                set when somebody wants the next walk now
    following                the primary that the site follows; of another one, all of this says nothing
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from boto3.dynamodb.conditions import Attr

from geosync.comparing.rows import Rows
from geosync.errors import OutOfTime, RegistryError, RegistryUnavailable
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry
from geosync.sync_registry.items import SITE, Item, Reference
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.site import recovery
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update
from geosync.sync_registry.timing import ms
from geosync.sync_registry.transitions.marks import Comparison, Mark

KEY = Key(SITE, "catalogue")
MARKERS = 8
"""Marks written side by side."""
CLEAN_FOR = 30_000
"""Milliseconds for which nothing that a walk made owed must be left before it counts as complete."""
STALLED_AFTER = 10 * 60_000
"""Milliseconds without anything done for a walk after which the next one does not wait for it: what it still owes has
failed, or waits for a registry."""
ABANDONED_AFTER = 15 * 60_000
"""Milliseconds without a page done after which a walk is taken up again: the length of an invocation."""
_TROUBLE = ("failure", "not_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far the latest walk got; times in milliseconds."""

    started_at: int
    touched_at: int
    repositories: int = 0
    last: str | None = None
    finished_at: int | None = None
    failure: str | None = None
    not_before: int | None = None
    proved_at: int | None = None
    settled_at: int | None = None
    clean_since: int | None = None
    moved_at: int | None = None
    moved: int = 0
    asked_for: bool = False

    @property
    def complete(self) -> bool:
        """Whether all that this walk found different was copied since, and seen, but for what is parked."""
        return self.settled_at == self.started_at

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
            not_before=item.get("not_before"),
            proved_at=item.get("proved_at"),
            settled_at=item.get("settled_at"),
            clean_since=item.get("clean_since"),
            moved_at=item.get("moved_at"),
            moved=int(item.get("moved", 0)),
            asked_for=bool(item.get("asked_for", False)),
        )


def latest(store: Store) -> Walk | None:
    """The latest walk, None when there was none yet."""
    return walk_of(store.get(KEY))


def walk_of(item: Item | None) -> Walk | None:
    """Read the item `catalogue`; None when there is none, or it only says that a walk is wanted."""
    return Walk.from_item(item) if item is not None and "started_at" in item else None


def is_due(walk: Walk | None, *, now: int, every: float) -> bool:
    """Whether a walk should begin or go on: the first, an abandoned one, and one `every` seconds (0: never again).

    While the work that the last one made moves, no other begins: where a comparison takes longer than `every`, they
    follow one another. Nor does one begin, or go on, before the pause is over that the API asked for that lists the
    catalogue.
    """
    if walk is not None and walk.not_before is not None and now < walk.not_before:
        return False
    if walk is None or walk.asked_for:
        return True
    if walk.finished_at is None:
        return now - walk.touched_at >= ABANDONED_AFTER
    if not walk.complete and walk.moved_at is not None and now - walk.moved_at < STALLED_AFTER:
        return False
    return every > 0 and now - walk.started_at >= every * 1000


def follow(store: Store, primary: str) -> bool:
    """Note which primary the site follows (any text that changes with it). True: another one than before.

    Then nothing is compared yet: the next walk begins at the beginning, and what was proved and accounted is forgotten.
    """
    item = store.get(KEY) or {}
    former = item.get("following")
    if former == primary:
        return False
    change = Update(key=KEY, set={"following": primary})
    if former is not None:
        kept = {"repository", "item", "following"}
        change = replace(change, remove=tuple(item.keys() - kept))
        for key in (recovery.RECOVERY, recovery.LOST):
            store.write(Delete(key=key))
    store.write(change)
    return former is not None


def ask(store: Store) -> None:
    """Have a walk begin now, or the one that was not finished go on."""
    store.write(Update(key=KEY, set={"asked_for": True}))


def note_progress(store: Store, walk: Walk, done: int, *, clean: bool, parked: bool = False, now: int) -> Walk | None:
    """Note how much was done for a finished walk, and whether nothing that it made owed is left (`clean`).

    `parked`: something is left, but parked. The walk is complete when it was clean for CLEAN_FOR: the index of what is
    owed follows its table within a moment, so a single reading proves nothing. Returns the walk as it is now, None when
    another one began meanwhile.
    """
    values: dict[str, Any] = {}
    gone: tuple[str, ...] = ()
    if done != walk.moved or walk.moved_at is None:
        values = {"moved": done, "moved_at": now}
    if not clean:
        gone = ("clean_since",)
    elif walk.clean_since is None:
        values["clean_since"] = now
    elif now - walk.clean_since >= CLEAN_FOR:
        values |= {"settled_at": walk.started_at} | ({} if parked else {"proved_at": walk.started_at})
    if not values and (walk.clean_since is None or clean):
        return walk
    with suppress(ConditionFailed):
        change = Update(key=KEY, set=values, remove=gone, when=Attr("started_at").eq(walk.started_at))
        return Walk.from_item(store.write(change) or {})
    return None


class Catalogue:
    """Goes through the primary's catalogue."""

    def __init__(
        self,
        store: Store,
        registry: SyncRegistry,
        primary: Registry,
        rows: Rows,
        selection: Selection,
        *,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._store = store
        self._registry = registry
        self._primary = primary
        self._rows = rows
        self._selection = selection
        self._clock = clock

    def walk(self) -> Walk:
        """Begin a walk, or go on with the one that was not finished, to the end of the catalogue and of the rows.

        Raises OutOfTime between pages, RegistryUnavailable, and RegistryError where the catalogue cannot be read: both
        leave the walk where it is, the latter with its reason. So does the former where it is about another host than
        the registry's: a vendor's API that lists its catalogue.
        """
        walk = latest(self._store)
        if walk is None or walk.finished_at is not None:
            walk = self._begin()
        try:
            for page in self._primary.repositories(last=walk.last):
                selected = [name for name in page if self._selection.has_repository(name)]
                self._mark(walk, selected)
                done = {"last": page[-1]} if page else {}
                walk = self._write(walk, {**done, "repositories": walk.repositories + len(selected)}) or walk
            self._rows.walk(walk.started_at, settled_at=walk.settled_at or 0)
        except OutOfTime:
            self._write(walk, {"touched_at": 0})  # nobody is at it any more: the next minute goes on
            raise
        except RegistryUnavailable as error:
            if error.registry != self._primary.name:
                pause = {"not_before": self._clock() + ms(error.retry_after)} if error.retry_after is not None else {}
                self._write(walk, {"failure": str(error), **pause})
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
                remove=("last", "finished_at", *_TROUBLE, "clean_since", "moved_at", "moved", "asked_for"),
            )
        )
        return Walk.from_item(item or {})

    def _write(self, walk: Walk, values: dict[str, Any]) -> Walk | None:
        """Note how far `walk` got; None when another one has begun meanwhile, whose notes these are not."""
        change = Update(
            key=KEY,
            set={"touched_at": self._clock(), **values},
            remove=("asked_for",) if "failure" in values else (*_TROUBLE, "asked_for"),
            when=Attr("started_at").eq(walk.started_at),
        )
        with suppress(ConditionFailed):
            return Walk.from_item(self._store.write(change) or {})
        return None

    def _mark(self, walk: Walk, repositories: list[str]) -> None:
        """Mark whole repositories; the sweep wakes them, as many at a time as the work queue has room for.

        Each says until when all of it is known to have been equal: the last complete comparison, or never (0).
        """
        comparison = Comparison(walk=walk.started_at)

        def mark(name: str) -> None:
            self._registry.mark(name, Reference.whole(), Mark(pushed_at=walk.settled_at or 0, comparison=comparison))

        with ThreadPoolExecutor(MARKERS, thread_name_prefix="mark") as pool:
            for _ in pool.map(mark, repositories):
                pass
