"""A mark says that a reference is owed. It is always written first, before anything is done about the reference.

A mark is a new unique value in the owed item: whoever read another value before read an older state. What the holder of
a whole repository marks is due since the repository was marked, so every later push goes before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.sync_registry.items import ABSENT, UNNAMED, Item, Owed, Reference
from geosync.sync_registry.pushes import announced_at
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.shards import due_shard

UNDER_A_PRIMARY = ("expects", "told_at", "if_absent", "copied", "shown")
"""Fields of an owed reference that mean nothing under another primary."""
MOST_EXPECTED = 16
"""Digests kept in `expects`. Two are enough to be never exact; a further one becomes owed by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The comparison that marks: its `walk`, and whether the difference should have been announced."""

    walk: int
    unannounced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Everything that is known of a reference when it is marked.

    `expects` is the digest that an event named, ABSENT for a deletion, UNNAMED when the event named no digest, None
    when nobody but ourselves asked (backfill, resync, comparison, verification). `pushed_at` (ms) is when it was
    pushed, as far as anybody knows; `told_at` (ms) when an event said so of an overtaken push, where that differs.
    `correlation_id` is the event's.

    `distrust` is what verification found missing or wrong below the reference. `if_absent` is what may become of the
    secondary's tag (see Owed). `comparison` found the reference different. `since` (ms) is the mark of the whole
    repository with which it becomes owed, or of the tag of which it is an earlier push: whatever is marked later goes
    before it.

    `pushed_as` is the tag under which a manifest by digest was pushed (see Owed). `keeps_superseded`: digests that the
    item of a tag does not hold become owed by themselves. It is False where superseded images are skipped.
    `half_copied` are digests of which half a copy may be here (see Owed).
    `renamed_to` is the new name of a whole repository that is marked under its former one. `asked`: somebody asked for
    what led to this mark, so that it waits for no window of a backfill (see Owed).
    """

    expects: str | None = None
    correlation_id: str | None = None
    distrust: frozenset[str] = frozenset()
    if_absent: frozenset[str] = frozenset()
    pushed_at: int | None = None
    told_at: int | None = None
    comparison: Comparison | None = None
    since: int | None = None
    pushed_as: str | None = None
    keeps_superseded: bool = True
    half_copied: frozenset[str] = frozenset()
    renamed_to: str | None = None
    asked: bool = False

    @property
    def is_a_push(self) -> bool:
        """An event told of a push."""
        return self.expects not in (None, ABSENT)

    @property
    def announced_at(self) -> int | None:
        """The push (ms) that an event told of; None: none did, or when that was is not known."""
        if not self.is_a_push:
            return None
        return self.pushed_at if self.told_at is None else self.told_at


ASKED = Mark(asked=True)
"""Somebody asked for the sync, and nothing else is known."""


def mark(
    repository: str, reference: Reference, said: Mark, *, name: str, now_ms: int, primary: str | None = None
) -> Update:
    """Make a reference owed under the unique `name` of this mark: because of an event, or because somebody asked.

    A mark starts afresh: no failure, no attempts, not parked, no cursor. `distrust` and `if_absent` stay until a
    discharge, so that a late event of a deletion does not undo what an operator said. With `said.since`, that is its
    `due`: as a holder takes the newest first, every push since then goes before it.

    The condition fails in three cases. `expects` holds MOST_EXPECTED digests: mark the new one by itself, then again
    with UNNAMED. The item was marked under another primary than `primary` (None: by somebody who follows none): then
    `under_another`. A push that came after `since` would lose its place: mark again without `since`.

    `pushed_at` is kept from the mark that made it owed, `told_at` from the first that told of a push; whoever brings an
    earlier one writes `pushed_before` as well.
    """
    due = now_ms if said.since is None else min(said.since, now_ms)
    grows = {
        "expects": frozenset({said.expects} if said.expects is not None else ()),
        "distrust": said.distrust,
        "if_absent": said.if_absent,
        "half_copied": said.half_copied,
    }
    return Update(
        key=Key(repository, reference.owed_key),
        set={
            "mark": name,
            "marked_at": now_ms,
            "due": due,
            "due_shard": due_shard(repository),
            "attempts": 0,
            **_told(said, primary),
        },
        set_once={"owed_since": due, **_moments(said, now_ms)},
        union={field: texts for field, texts in grows.items() if texts},
        remove=(
            "failure",
            "failed_at",
            "parked",
            "deaths",
            "doubts",
            "absences",
            "unanswered",
            "cursor",
            *(("unannounced",) if said.expects is not None else ()),
        ),
        when=_fits(said, due, primary),
    )


def _moments(said: Mark, now_ms: int) -> dict[str, int]:
    """The moments (ms) of pushes that a mark tells of; now where it does not say when."""
    moments = {"pushed_at": now_ms if said.pushed_at is None else said.pushed_at}
    if said.is_a_push:
        moments["told_at"] = moments["pushed_at"] if said.told_at is None else said.told_at
    return moments


def _told(said: Mark, primary: str | None) -> dict[str, Any]:
    """The attributes that a mark sets only where it knows them."""
    told: dict[str, Any] = {}
    if said.correlation_id:
        told["correlation_id"] = said.correlation_id
    if said.pushed_as is not None:
        told["pushed_as"] = said.pushed_as
    if said.renamed_to is not None:
        told["renamed_to"] = said.renamed_to
    if primary is not None:
        told["primary"] = primary
    if said.comparison is not None:
        told["walk"] = said.comparison.walk
        if said.comparison.unannounced:
            told["unannounced"] = True
    if said.asked:
        told["asked"] = True
    return told


def _fits(said: Mark, due: int, primary: str | None) -> ConditionBase | None:
    """The condition of a mark: the item that is there takes it in this form."""
    conditions: list[ConditionBase] = []
    if said.expects not in (None, ABSENT, UNNAMED):
        conditions.append(Attr("expects").not_exists() | Attr("expects").size().lt(MOST_EXPECTED))
    if primary is not None:
        conditions.append(_is_under(primary))
    if said.since is not None:
        conditions.append(_is_behind(due))
    return reduce(and_, conditions) if conditions else None


def _is_under(primary: str) -> ConditionBase:
    """The reference is not owed, or what is known of it says nothing of another primary."""
    return Attr("primary").not_exists() | Attr("primary").eq(primary)


def _is_behind(due: int) -> ConditionBase:
    """The reference is not owed, or not because of something that came after `due` and has not failed."""
    return Attr("mark").not_exists() | Attr("due").lte(due) | Attr("failure").exists()


def becomes_owed(tag: Owed, digest: str, *, name: str, now_ms: int, primary: str | None = None) -> Update:
    """Mark the digest of an earlier push of `tag`, in the transaction that discharges the tag.

    It is due since the tag's first mark, so that the tag goes first. Its push is the earliest that the tag stands for:
    which of them it was is not known. It names the tag, by which it is selected (pair/selection.py).

    The condition fails only where the digest is owed because of a later push than that, or under another primary: then
    `pushed_earlier`, or `under_none`, first.
    """
    said = Mark(
        expects=digest,
        correlation_id=tag.correlation_id,
        pushed_at=tag.pushed_at,
        told_at=announced_at(tag),
        since=tag.owed_since,
        pushed_as=tag.reference.value,
    )
    change = mark(tag.repository, Reference.digest(digest), said, name=name, now_ms=now_ms, primary=primary)
    conditions: list[ConditionBase] = [
        Attr(name).not_exists() | Attr(name).lte(change.set_once[name]) for name in _pushes(change)
    ]
    if primary is not None:
        conditions.append(_is_under(primary))
    return replace(change, when=reduce(and_, conditions))


def _pushes(mark: Update) -> list[str]:
    """The attributes of a mark that are moments of pushes: the earliest of several marks is kept."""
    return [name for name in ("pushed_at", "told_at") if name in mark.set_once]


def under_another(mark: Update, primary: str, half_copied: frozenset[str]) -> Update:
    """The same mark over an item that was marked under the primary `primary`, whose events count for nothing now.

    The digests that it named are marked by themselves first: a push that was accepted stays owed. What may be
    `half_copied` is so under any primary.
    """
    said: dict[str, Any] = {**mark.union, **mark.set_once}
    anew = {name: said[name] for name in UNDER_A_PRIMARY if name in said}
    half_copied |= mark.union.get("half_copied", frozenset())
    return replace(
        mark,
        set={**mark.set, **anew},
        set_once={name: value for name, value in mark.set_once.items() if name not in anew},
        union={
            **{name: values for name, values in mark.union.items() if name not in anew},
            **({"half_copied": half_copied} if half_copied else {}),
        },
        remove=(*mark.remove, *(name for name in UNDER_A_PRIMARY if name not in anew)),
        when=Attr("primary").eq(primary),
    )


def under_none(key: Key, primary: str, half_copied: frozenset[str]) -> Update:
    """Let what is owed say nothing of the primary `primary` any more, under which it was marked: it stays owed.

    What may be `half_copied` is so under any primary.
    """
    return Update(
        key=key,
        union={"half_copied": half_copied} if half_copied else {},
        remove=("primary", "cursor", *UNDER_A_PRIMARY),
        when=Attr("primary").eq(primary),
    )


def pushed_before(owed: Owed, said: Mark) -> list[Update]:
    """Keep what `said` tells of earlier pushes that an owed reference stands for, too: queues deliver in any order."""
    key = Key(owed.repository, owed.reference.owed_key)
    both = (("pushed_at", said.pushed_at, owed.pushed_at), ("told_at", said.announced_at, owed.told_at))
    return [_earlier(key, name, new) for name, new, old in both if new is not None and old is not None and new < old]


def found_different(owed: Owed, since: int) -> Update:
    """Note that a comparison found different what is owed already, `since` when (ms) at the earliest: see Owed.

    The condition fails where nothing is owed any more, or an earlier moment is noted.
    """
    key, name = Key(owed.repository, owed.reference.owed_key), "differs_since"
    is_earlier = Attr(name).not_exists() | Attr(name).gt(since)
    return Update(key=key, set={name: since}, when=Attr("mark").exists() & is_earlier)


def pushed_earlier(mark: Update, item: Item) -> list[Update]:
    """The same for a mark that met `item`, which is owed because of a later push."""
    return [_earlier(mark.key, one, mark.set_once[one]) for one in _pushes(mark) if item.get(one) != mark.set_once[one]]


def _earlier(key: Key, name: str, at: int) -> Update:
    return Update(key=key, set={name: at}, when=Attr(name).gt(at))


def afresh(broken: Update) -> Update:
    """The same mark over an item that cannot be read or added to: nothing is kept of what it was.

    The digests that it named are marked by themselves first, as far as they can be read (`named_in`).
    """
    values = {
        "correlation_id": None,
        "walk": None,
        "told_at": None,
        **broken.set,
        **broken.set_once,
        "expects": frozenset({UNNAMED}),
    }
    gone = [name for name, value in values.items() if value is None]
    kept = {name: value for name, value in values.items() if value is not None}
    return replace(broken, set=kept, set_once={}, union={}, remove=(*broken.remove, *gone), when=None)
