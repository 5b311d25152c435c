"""The breaker: stops removals when so many tags are to go that the primary, or the selection, is probably wrong.

A comparison cannot tell deleted tags from a primary that came up on an empty disk or was restored from an old backup,
nor a selection that was narrowed on purpose from a pattern with a typing error. So what comparisons find missing at the
primary, or outside the selection, is counted. Deletes by comparison are suspended when that is more than `share` of a
repository's tags, or more than `tags` of a site's within `window_s`: one item, `#site`/`deletes`, with its reasons.
They go on when an operator says that what was found is to go (`accepted_at`), or when what was found is back. What is
back is read from the findings. So a comparison notes its number of tags there before the breaker counts them.

The tags of a repository whose deletion or rename was announced as a whole count as missing: nobody named them. A tag
that an event names does not count. Such an event may still wait in the queue when a comparison misses its tag. So too
many missing tags are a doubt first (`doubted_at`), and nothing is removed by comparison from then on. The doubt is
decided once everything that was sent before it is marked (comparing/doubt.py): then deletes are suspended, or go on.

A tag is removed by comparison only in the second comparison that misses it, `window_s` after the first. By then
everything that went missing with it has been counted.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from operator import and_

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.clock import Clock
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.site.findings import Finding, Findings
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update
from geosync.sync_registry.timing import ms

KEY = Key(SITE, "deletes")
_REASON, _OUTSIDE_REASON = _REASONS = ("reason", "outside_reason")
"""Attributes: the first reason of each kind, as an operator who says that deletes may go on speaks of both."""
_STOPS = ("suspended_at", *_REASONS, "doubted_at", "doubt")
_TRIES = 3
"""Of a lift, where comparisons that go on count tags meanwhile."""
_NOTHING_FOUND = {"found": 0, "found_outside": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """More than `share` (0 to 1) of a repository's tags, or `tags` of a site's in `window_s` seconds, are too many."""

    share: float = 0.5
    tags: int = 100
    window_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The breaker as its item says; times in milliseconds.

    Since `window_started_at`, `found` tags went missing and `found_outside` left the selection. `doubted_at` and
    `doubt` say since when and why so much is missing that it is to be decided; `doubts` counts them. `counted_at` is
    when a comparison last counted anything.
    """

    suspended_at: int | None = None
    reason: str | None = None
    doubted_at: int | None = None
    doubt: str | None = None
    doubts: int = 0
    accepted_at: int = 0
    found: int = 0
    found_outside: int = 0
    window_started_at: int = 0
    counted_at: int = 0

    @property
    def suspended(self) -> bool:
        """Deletes by comparison are suspended."""
        return self.suspended_at is not None

    @property
    def stops(self) -> bool:
        """Nothing may be removed by comparison now: deletes are suspended, or that is still to be decided."""
        return self.suspended or self.doubted_at is not None

    @classmethod
    def from_item(cls, item: Item | None) -> State:
        """Read the item; none: nothing was ever found missing."""
        item = item or {}
        reasons = [item[name] for name in _REASONS if name in item]
        return cls(
            suspended_at=item.get("suspended_at"),
            reason="; ".join(reasons) or None,
            doubted_at=item.get("doubted_at"),
            doubt=item.get("doubt"),
            doubts=int(item.get("doubts", 0)),
            accepted_at=int(item.get("accepted_at", 0)),
            found=int(item.get("found", 0)),
            found_outside=int(item.get("found_outside", 0)),
            window_started_at=int(item.get("window_started_at", 0)),
            counted_at=int(item.get("counted_at", 0)),
        )


NEVER = State()
"""The breaker of a site where nothing was ever found missing."""


class Breaker:
    """Counts what comparisons find missing, and says whether they may delete. Thread-safe."""

    def __init__(self, store: Store, limits: Limits, clock: Clock) -> None:
        self._store = store
        self.limits = limits
        self._clock = clock

    def state(self) -> State:
        """The breaker now."""
        return State.from_item(self._store.get(KEY))

    def resume(self) -> bool:
        """Accept that what comparisons found missing or outside until now is to go: the next comparison removes it.

        What is found later is counted anew. False: nothing was suspended; what was found is accepted nevertheless.
        """
        stopped = self.state().stops
        now_ms = self._clock.now_ms()
        self._store.write(
            Update(
                key=KEY,
                set={"accepted_at": now_ms, **_NOTHING_FOUND, "window_started_at": now_ms},
                remove=_STOPS,
            )
        )
        return stopped

    def count_missing(self, repository: str, *, new: int, missing: int, of: int) -> None:
        """Count `new` tags that a comparison misses for the first time, before anything is recorded of them.

        `missing` of the repository's `of` tags are missing by now, without those that were accepted.
        """
        now_ms = self._clock.now_ms()
        state = self._count("found", new, now_ms)
        reason = self.too_many(repository, missing=missing, of=of) or self.too_many_in_all(state, repository)
        if reason is not None:
            self._store.write(Update(key=KEY, set_once={"doubted_at": now_ms, "doubt": reason}, add={"doubts": 1}))

    def too_many(self, repository: str, *, missing: int, of: int) -> str | None:
        """The reason why `missing` of a repository's `of` tags are too many; None: they are not."""
        if missing <= self.limits.share * of:
            return None
        return f"{missing} of the {of} tags of {repository} are missing at the primary"

    def too_many_in_all(self, state: State, last: str) -> str | None:
        """The reason why what `state` counts is too much, `last` being the last repository that added to it."""
        return self._reason_for_all(state, last) if self._are_too_many(state) else None

    def suspend(self, doubted: State, reason: str) -> None:
        """Decide the doubt that `doubted` says: deletes by comparison are suspended. The first reason is kept."""
        at_ms = doubted.doubted_at or self._clock.now_ms()
        self._suspend(_REASON, reason, at_ms, remove=("doubted_at", "doubt"))

    def dismiss(self, doubted: State, *, found: int) -> None:
        """Decide the doubt that `doubted` says: `found` tags are missing, and deletes go on.

        Not if anything was counted since.
        """
        with suppress(ConditionFailed):
            self._store.write(
                Update(
                    key=KEY,
                    set={"found": found},
                    remove=("doubted_at", "doubt"),
                    when=_nothing_counted_since(doubted),
                )
            )

    def count_outside(self, repository: str, *, new: int, outside: int, of: int) -> None:
        """Count `new` tags that a comparison finds outside the selection for the first time, before they are recorded.

        `outside` of the repository's `of` tags have left the selection by now, without those that were accepted.
        """
        now_ms = self._clock.now_ms()
        state = self._count("found_outside", new, now_ms)
        if outside > self.limits.share * of:
            reason = f"{outside} of the {of} tags of {repository} are outside the selection"
            self._suspend(_OUTSIDE_REASON, reason, now_ms)
        elif self._are_too_many(state):
            self._suspend(_OUTSIDE_REASON, self._reason_for_all(state, repository), now_ms)

    def may_remove(self, since: int, state: State) -> bool:
        """True when a tag that is missing, or outside, for at least the second time (first at `since`) may be removed.

        Times are in milliseconds.
        """
        if state.stops:
            return False
        return since <= state.accepted_at or since + ms(self.limits.window_s) <= self._clock.now_ms()

    def resume_if_back(self) -> None:
        """Lift the suspension when what would still go no longer justifies it: a repository has its tags again.

        Not while there is a doubt, which is decided first (comparing/doubt.py). If anything is counted meanwhile, all
        is read again.
        """
        for _ in range(_TRIES):
            state = self.state()
            if not state.suspended or state.doubted_at is not None or self._has_too_many_left():
                return
            with suppress(ConditionFailed):
                self._lift(state)
                return

    def _has_too_many_left(self) -> bool:
        left = Findings(self._store).going(limit=self.limits.tags + 1)
        too_many = sum(one.goes for one in left) > self.limits.tags
        return too_many or any(self._is_beyond(one) for one in left)

    def _lift(self, state: State) -> None:
        """Lift the suspension of `state`. Raises ConditionFailed where anything was counted since."""
        self._store.write(
            Update(
                key=KEY,
                set={**_NOTHING_FOUND, "window_started_at": self._clock.now_ms()},
                remove=("suspended_at", *_REASONS),
                when=_nothing_counted_since(state) & Attr("suspended_at").eq(state.suspended_at),
            )
        )

    def _is_beyond(self, found: Finding) -> bool:
        """More than the share of a repository's tags are missing, or are outside the selection."""
        share = self.limits.share
        return found.missing > share * found.of or found.outside > share * (found.of + found.outside)

    def _are_too_many(self, state: State) -> bool:
        return state.found + state.found_outside > self.limits.tags

    def _reason_for_all(self, state: State, repository: str) -> str:
        """Name the number of tags of the whole site as the reason; `repository` was the last that added to it."""
        what = [(state.found, "missing at the primary"), (state.found_outside, "outside the selection")]
        told = " and ".join(f"{number} tags were found {where}" for number, where in what if number)
        return f"{told} within {self.limits.window_s:g} s, last in {repository}"

    def _count(self, name: str, new: int, now_ms: int) -> State:
        """Add to the window's count `name`, or begin a new window; returns the breaker with its counts."""
        at = {"counted_at": now_ms}
        in_window = Attr("window_started_at").gt(now_ms - ms(self.limits.window_s))
        with suppress(ConditionFailed):
            return State.from_item(self._store.write(Update(key=KEY, set=at, add={name: new}, when=in_window)))
        begun = Update(key=KEY, set={**at, **_NOTHING_FOUND, name: new, "window_started_at": now_ms}, when=~in_window)
        with suppress(ConditionFailed):
            return State.from_item(self._store.write(begun))
        return State.from_item(self._store.write(Update(key=KEY, set=at, add={name: new})))

    def _suspend(self, kind: str, reason: str, at_ms: int, *, remove: tuple[str, ...] = ()) -> None:
        """Suspend deletes by comparison; the first reason of each kind is kept."""
        self._store.write(Update(key=KEY, set_once={"suspended_at": at_ms, kind: reason}, remove=remove))


def _nothing_counted_since(state: State) -> ConditionBase:
    """True of the item while no comparison has counted anything, nor raised a doubt, since `state` was read."""
    counts = (
        ("doubts", state.doubts),
        ("found", state.found),
        ("found_outside", state.found_outside),
        ("window_started_at", state.window_started_at),
    )
    unchanged = [Attr(name).eq(count) | Attr(name).not_exists() for name, count in counts]
    return reduce(and_, unchanged)
