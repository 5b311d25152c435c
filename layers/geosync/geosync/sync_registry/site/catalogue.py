"""The latest walk through the primary's catalogue: its progress, and the progress of the work that it caused.

Kept in the item `#site`/`catalogue`, so that a walk survives the invocation that began it (comparing/catalogue.py):

    started_at, touched_at   ms; when the walk began, when a page was last done (0: it ran out of time)
    last, repositories       the last name done, and how many were
    finished_at              ms; absent while the walk goes on
    failure                  why the registry's catalogue could not be read, absent when it could
    not_before               ms; until when the API that lists it wants to be left alone, absent when it does not
    proved_at                ms; the begin of the latest walk whose finds were all equal, or are copied since
    settled_at               ms; the same, where nothing but parked references may be left
    clean_since              ms; since when nothing else that this walk made owed was left (see note_progress)
    moved_at, moved          ms; when something was last done for the walk, and how much it was then
    paces                    [ms, compared, settled] of the last minutes in which it moved, the oldest first
    named                    how many names the catalogue had, those that are not selected included
    counted, counted_at      the same of the last walk that came to the end, and when it began (ms)
    walker                   how many invocations have taken the walk up; what an earlier one notes is dropped
    asked_for                set when somebody wants the next walk now
    asked                    set when somebody wanted this one: what it finds waits for no window (comparing/window.py)
    following                the primary that the site follows; of another one, all of this says nothing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.site import recovery, subscription
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

KEY = Key(SITE, "catalogue")
CLEAN_FOR_MS = 30_000
"""Time for which nothing that a walk made owed must be left before the walk counts as complete."""
_TROUBLE = ("failure", "not_before")


PACES = 5
"""Minutes in which it moved, of which the pace of a walk is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPace:
    """The numbers that were compared, and settled, until the moment `at` (ms)."""

    at: int
    compared: int
    settled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The latest walk, and how far it got; times in milliseconds."""

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
    asked: bool = False
    paces: tuple[WalkPace, ...] = ()
    named: int | None = None
    counted: int | None = None
    counted_at: int | None = None
    walker: int = 0

    @property
    def complete(self) -> bool:
        """True when all that this walk found different was copied since, and seen, but for what is parked."""
        return self.settled_at == self.started_at

    @property
    def is_proved(self) -> bool:
        """True when nothing that this walk found different is parked, either."""
        return self.proved_at == self.started_at

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
            asked=bool(item.get("asked", False)),
            paces=_paces(item.get("paces")),
            named=item.get("named"),
            counted=item.get("counted"),
            counted_at=item.get("counted_at"),
            walker=int(item.get("walker", 0)),
        )


def _paces(kept: object) -> tuple[WalkPace, ...]:
    """Read what is kept of the pace; what is no pace is left out."""
    triples = [one for one in kept if isinstance(one, list) and len(one) == 3] if isinstance(kept, list) else []
    return tuple(
        WalkPace(at=int(at), compared=int(compared), settled=int(settled)) for at, compared, settled in triples
    )


def walk_of(item: Item | None) -> Walk | None:
    """Read the item `catalogue`; None when there is none, or it only says that a walk is wanted."""
    return Walk.from_item(item) if item is not None and "started_at" in item else None


class WalkTakenUp(Exception):
    """Another invocation has begun a walk, or goes on with this one: note nothing more."""


class CatalogueItem:
    """Keeps the latest walk. What is noted of a walk is dropped once another one has begun.

    What an invocation notes of its own progress is dropped, too, once another one has taken the walk up.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def latest(self) -> Walk | None:
        """The latest walk, None when there was none yet."""
        return walk_of(self._store.get(KEY))

    def follow(self, primary: str, *, may_forget: Callable[[], bool] = lambda: True) -> bool:
        """Note which primary the site follows (any text that changes with it). True: another one than before.

        Then nothing is compared yet: the next walk begins at the beginning. What was proved and accounted under the
        former primary is forgotten. Where it may not be yet, nothing is noted.
        """
        item = self._store.get(KEY) or {}
        former = item.get("following")
        if former == primary or (former is not None and not may_forget()):
            return False
        change = Update(key=KEY, set={"following": primary})
        if former is not None:
            kept = {"repository", "item", "following"}
            change = replace(change, remove=tuple(item.keys() - kept))
            for key in (recovery.RECOVERY, recovery.LOST, subscription.KEY):
                self._store.write(Delete(key=key))
        self._store.write(change)
        return former is not None

    def is_asked_for(self) -> bool:
        """True when somebody wants a walk now, the first one of a site too."""
        return bool((self._store.get(KEY) or {}).get("asked_for", False))

    def ask(self) -> None:
        """Have a walk begin now, or the one that was not finished go on."""
        self._store.write(Update(key=KEY, set={"asked_for": True}))

    def doubt(self, walk: Walk) -> None:
        """Forget what `walk` and those before it proved, and have another one begin, unless one has."""
        change = Update(
            key=KEY,
            set={"asked_for": True},
            remove=("proved_at", "settled_at"),
            when=Attr("started_at").eq(walk.started_at),
        )
        with suppress(ConditionFailed):
            self._store.write(change)

    def begin(self, *, now_ms: int, after: Walk | None = None) -> Walk:
        """Begin a walk after the one that was the latest: two requests. Raises WalkTakenUp."""
        former = Attr("started_at").eq(after.started_at) if after is not None else Attr("started_at").not_exists()
        change = Update(
            key=KEY,
            set={
                "started_at": now_ms,
                "touched_at": now_ms,
                "repositories": 0,
                "named": 0,
                "walker": 0,
                "asked": self.is_asked_for(),
            },
            remove=("last", "finished_at", *_TROUBLE, "clean_since", "moved_at", "moved", "paces", "asked_for"),
            when=former | Attr("started_at").eq(now_ms),  # botocore repeats a write whose answer was lost
        )
        return self._walked(change)

    def take_up(self, walk: Walk, *, now_ms: int) -> Walk:
        """Go on with a walk in place of the invocation that began it, should it still work. Raises WalkTakenUp.

        It counts as touched: else each minute would have another invocation take it up before a page is done.
        """
        change = Update(
            key=KEY,
            set={"touched_at": now_ms},
            remove=("asked_for",),
            add={"walker": 1},
            when=Attr("started_at").eq(walk.started_at) & Attr("finished_at").not_exists(),
        )
        return self._walked(change)

    def note_page(self, walk: Walk, page: Sequence[str], *, selected: int, now_ms: int) -> Walk:
        """Note that a page of names was done, with so many selected repositories. Raises WalkTakenUp."""
        done: dict[str, Any] = {"last": page[-1]} if page else {}
        if walk.named is not None:  # a walk that the previous version began counted no names
            done["named"] = walk.named + len(page)
        return self._note(walk, {"touched_at": now_ms, **done, "repositories": walk.repositories + selected})

    def note_out_of_time(self, walk: Walk) -> None:
        """Note that no invocation works on the walk: functions/reconcile has it continued within a minute."""
        with suppress(WalkTakenUp):
            self._note(walk, {"touched_at": 0})

    def note_failure(self, walk: Walk, reason: str, *, now_ms: int, not_before_ms: int | None = None) -> None:
        """Note why the catalogue cannot be read, and until when its API wants to be left alone."""
        pause = {"not_before": not_before_ms} if not_before_ms is not None else {}
        with suppress(WalkTakenUp):
            self._note(walk, {"touched_at": now_ms, "failure": reason, **pause}, gone=())

    def note_finished(self, walk: Walk, *, now_ms: int) -> Walk:
        """Note that the walk came to the end of the catalogue and of the rows. Raises WalkTakenUp."""
        counted = {"counted": walk.named, "counted_at": walk.started_at} if walk.named is not None else {}
        return self._note(walk, {"touched_at": now_ms, "finished_at": now_ms, **counted})

    def note_progress(self, walk: Walk, pace: WalkPace, *, clean: bool, parked: bool = False) -> Walk | None:
        """Note how much is done for a finished walk, and whether nothing that it made owed is left (`clean`).

        `parked`: something is left, but parked. The walk is complete when it was clean for CLEAN_FOR_MS: the index of
        what is owed follows its table within a moment, so a single reading proves nothing. Returns the walk as it is
        now, None when another one began meanwhile.
        """
        done = pace.compared + pace.settled
        values: dict[str, Any] = {}
        if done != walk.moved or walk.moved_at is None:
            paces = [[one.at, one.compared, one.settled] for one in (*walk.paces[1 - PACES :], pace)]
            values = {"moved": done, "moved_at": pace.at, "paces": paces}
        if clean:
            values |= _settled(walk, pace.at, parked=parked)
        if not values and (walk.clean_since is None or clean):
            return walk
        is_latest = Attr("started_at").eq(walk.started_at)
        with suppress(WalkTakenUp):
            return self._walked(Update(key=KEY, set=values, remove=() if clean else ("clean_since",), when=is_latest))
        return None

    def _note(self, walk: Walk, values: Mapping[str, Any], gone: tuple[str, ...] = _TROUBLE) -> Walk:
        """Note how far its invocation got with `walk`. Raises WalkTakenUp."""
        return self._walked(Update(key=KEY, set=values, remove=(*gone, "asked_for"), when=_is_at(walk)))

    def _walked(self, change: Update) -> Walk:
        try:
            return Walk.from_item(self._store.write(change) or {})
        except ConditionFailed:
            raise WalkTakenUp from None


def _is_at(walk: Walk) -> ConditionBase:
    """`walk` is the latest, and nobody has taken it up since. The version before kept no `walker`."""
    walker = Attr("walker").eq(walk.walker)
    return Attr("started_at").eq(walk.started_at) & (walker if walk.walker else walker | Attr("walker").not_exists())


def _settled(walk: Walk, now_ms: int, *, parked: bool) -> dict[str, Any]:
    """The values of a walk with nothing left at `now_ms`: the first time that is noted, later the walk is complete."""
    if walk.clean_since is None:
        return {"clean_since": now_ms}
    if now_ms - walk.clean_since < CLEAN_FOR_MS:
        return {}
    return {"settled_at": walk.started_at} | ({} if parked else {"proved_at": walk.started_at})
