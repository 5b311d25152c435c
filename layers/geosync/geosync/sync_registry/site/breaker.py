"""The breaker: when so much is missing at the primary that the primary is the one to be doubted.

A comparison cannot tell deleted tags from a primary that came up on an empty disk or was restored from an old backup.
So what comparisons find missing is counted. The same holds for the tags of a repository whose deletion or rename was
announced as a whole: nobody named them. Deletes by comparison are suspended when that is more than `share` of a
repository's tags, or more than `tags` of a site's within `window_s`: one item, `#site`/`deletes`, with its reason. They
go on when an operator says that what was found is gone for good (`accepted_at`), or when what was found is back.

What was deleted on purpose may still be announced by an event that waits in the queue. So too many are a doubt first
(`doubted_at`). Nothing is removed by comparison from then on. The doubt is decided once everything that was sent before
it is marked (comparing/doubt.py): then deletes are suspended, or go on.

A tag is removed by comparison only in the second comparison that misses it, `window_s` after the first. By then
everything that went missing with it has been counted.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from geosync.clock import Clock
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.site.findings import Findings
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update
from geosync.sync_registry.timing import ms

KEY = Key(SITE, "deletes")
STOPS = ("suspended_at", "reason", "doubted_at", "doubt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """More than `share` (0 to 1) of a repository's tags, or `tags` of a site's in `window_s` seconds, are too many."""

    share: float = 0.5
    tags: int = 100
    window_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The breaker as its item says; times in milliseconds. `found` tags went missing since `window_started_at`.

    `doubted_at` and `doubt` say since when and why so much is missing that it is to be decided; `doubts` counts them.
    """

    suspended_at: int | None = None
    reason: str | None = None
    doubted_at: int | None = None
    doubt: str | None = None
    doubts: int = 0
    accepted_at: int = 0
    found: int = 0
    window_started_at: int = 0

    @property
    def suspended(self) -> bool:
        """Deletes by comparison are suspended."""
        return self.suspended_at is not None

    @property
    def stops(self) -> bool:
        """Nothing may be removed by comparison now: deletes are suspended, or it is to be decided if they are."""
        return self.suspended or self.doubted_at is not None

    @classmethod
    def from_item(cls, item: Item | None) -> State:
        """Read the item; none: nothing was ever found missing."""
        item = item or {}
        return cls(
            suspended_at=item.get("suspended_at"),
            reason=item.get("reason"),
            doubted_at=item.get("doubted_at"),
            doubt=item.get("doubt"),
            doubts=int(item.get("doubts", 0)),
            accepted_at=int(item.get("accepted_at", 0)),
            found=int(item.get("found", 0)),
            window_started_at=int(item.get("window_started_at", 0)),
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
        """Accept what comparisons found missing until now as gone for good: the next comparison removes it.

        What is found missing later is counted anew. False: nothing was suspended; what was found is accepted all the
        same.
        """
        was = self.state().stops
        now_ms = self._clock.now_ms()
        self._store.write(
            Update(
                key=KEY,
                set={"accepted_at": now_ms, "found": 0, "window_started_at": now_ms},
                remove=STOPS,
            )
        )
        return was

    def count_missing(self, repository: str, *, new: int, missing: int, of: int) -> None:
        """Count `new` tags that a comparison misses for the first time, before anything is recorded of them.

        `missing` of the repository's `of` tags are missing by now, without those that were accepted.
        """
        now_ms = self._clock.now_ms()
        found = self._count(new, now_ms)
        if (reason := self.too_many(repository, missing=missing, of=of)) is not None:
            self._doubt(reason, now_ms)
        elif found > self.limits.tags:
            self._doubt(self.too_many_in_all(found, repository), now_ms)

    def too_many(self, repository: str, *, missing: int, of: int) -> str | None:
        """The reason why `missing` of a repository's `of` tags are too many; None: they are not."""
        if missing <= self.limits.share * of:
            return None
        return f"{missing} of the {of} tags of {repository} are missing at the primary"

    def too_many_in_all(self, found: int, last: str) -> str:
        """The reason why `found` tags of the site, the last of them in the repository `last`, are too many."""
        return f"{found} tags were found missing at the primary within {self.limits.window_s:g} s, last in {last}"

    def suspend(self, doubted: State, reason: str) -> None:
        """Decide the doubt that `doubted` says: deletes by comparison are suspended. The first reason is kept."""
        at_ms = doubted.doubted_at or self._clock.now_ms()
        self._store.write(
            Update(key=KEY, set_once={"suspended_at": at_ms, "reason": reason}, remove=("doubted_at", "doubt"))
        )

    def dismiss(self, doubted: State, *, found: int) -> None:
        """Decide the doubt that `doubted` says: `found` tags are missing, and deletes go on. Not if it was renewed."""
        with suppress(ConditionFailed):
            self._store.write(
                Update(
                    key=KEY,
                    set={"found": found},
                    remove=("doubted_at", "doubt"),
                    when=Attr("doubts").eq(doubted.doubts),
                )
            )

    def may_remove(self, missing_since: int, state: State) -> bool:
        """True when a tag that is missing for at least the second time may be removed."""
        if state.stops:
            return False
        return missing_since <= state.accepted_at or missing_since + ms(self.limits.window_s) <= self._clock.now_ms()

    def resume_if_back(self) -> None:
        """Lift the suspension when what is still missing is no reason for one: a repository has its tags again."""
        state = self.state()
        if not state.stops:
            return
        left = Findings(self._store).missing(limit=self.limits.tags + 1)
        too_many = sum(one.missing for one in left) > self.limits.tags
        if not too_many and all(one.missing <= self.limits.share * one.of for one in left):
            self._store.write(
                Update(
                    key=KEY,
                    set={"found": 0, "window_started_at": self._clock.now_ms()},
                    remove=STOPS,
                )
            )

    def _count(self, new: int, now_ms: int) -> int:
        """Add to the window's count, or begin a new window; returns the count."""
        in_window = Attr("window_started_at").gt(now_ms - ms(self.limits.window_s))
        with suppress(ConditionFailed):
            return State.from_item(self._store.write(Update(key=KEY, add={"found": new}, when=in_window))).found
        begun = Update(key=KEY, set={"found": new, "window_started_at": now_ms}, when=~in_window)
        with suppress(ConditionFailed):
            return State.from_item(self._store.write(begun)).found
        return State.from_item(self._store.write(Update(key=KEY, add={"found": new}))).found

    def _doubt(self, reason: str, now_ms: int) -> None:
        """Have nothing removed by comparison until it is decided; the first reason is kept."""
        self._store.write(Update(key=KEY, set_once={"doubted_at": now_ms, "doubt": reason}, add={"doubts": 1}))
