"""What says that a reference is owed: always written first, before anything is done about it.

A mark is a new unique value in the owed item; whoever read another one before has read what is out of date. What a
whole repository's holder marks is due since the repository was, behind every later push.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.sync_registry.items import UNNAMED, Owed, Reference
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.shards import due_shard

UNDER_A_PRIMARY = ("expects", "if_absent")
"""What an owed reference has that means nothing under another primary."""
MOST_EXPECTED = 16
"""Digests kept in `expects`: two are enough to be never exact, more only help to know our own tags again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """On whose behalf a comparison marks: its `walk`, and whether the difference should have been announced."""

    walk: int
    unannounced: bool = False


def mark(
    repository: str,
    reference: Reference,
    *,
    mark: str,
    now: int,
    expects: str | None,
    correlation_id: str | None = None,
    distrust: frozenset[str] = frozenset(),
    if_absent: frozenset[str] = frozenset(),
    primary: str | None = None,
    pushed_at: int | None = None,
    comparison: Comparison | None = None,
    since: int | None = None,
) -> Update:
    """Say that a reference is owed: because of an event that named `expects`, or (None) because somebody asked.

    A mark starts afresh: no failure, no attempts, not parked, no cursor; `distrust` and `if_absent` stay until a
    discharge, so that a late event of a deletion does not undo what an operator said.
    `since` (ms): its whole repository was marked then, and it with it. That is its `due`: as a holder takes the newest
    first, every push since then goes before it.
    The condition fails when `expects` holds MOST_EXPECTED digests (then mark again with UNNAMED), when the item was
    marked under another primary than `primary` (then `under_another`; None: by somebody who follows none), and
    when a push that came after `since` would lose its place (then mark again without `since`).
    `pushed_at` is kept from the mark that made it owed; whoever brings an earlier one writes `pushed_before` as well.
    """
    found: dict[str, Any] = {"walk": comparison.walk} if comparison is not None else {}
    if comparison is not None and comparison.unannounced:
        found["unannounced"] = True
    gone = ("failure", "failed_at", "parked", "cursor", *(("unannounced",) if expects is not None else ()))
    named = expects is not None and expects != UNNAMED
    grows = {
        "expects": frozenset({expects} if expects is not None else ()),
        "distrust": distrust,
        "if_absent": if_absent,
    }
    due = now if since is None else min(since, now)
    return Update(
        key=Key(repository, reference.owed_key),
        set={
            "mark": mark,
            "marked_at": now,
            "due": due,
            "due_shard": due_shard(repository),
            "attempts": 0,
            **({"correlation_id": correlation_id} if correlation_id else {}),
            **({"primary": primary} if primary is not None else {}),
            **found,
        },
        set_once={"owed_since": due, "pushed_at": now if pushed_at is None else pushed_at},
        union={name: texts for name, texts in grows.items() if texts},
        remove=gone,
        when=_all(
            Attr("expects").not_exists() | Attr("expects").size().lt(MOST_EXPECTED) if named else None,
            Attr("primary").not_exists() | Attr("primary").eq(primary) if primary is not None else None,
            _is_behind(due) if since is not None else None,
        ),
    )


def _is_behind(due: int) -> ConditionBase:
    """Whether it is not owed, or not since something that came after `due` and has not failed."""
    return Attr("mark").not_exists() | Attr("due").lte(due) | Attr("failure").exists()


def _all(*conditions: ConditionBase | None) -> ConditionBase | None:
    """The conjunction of those that are there."""
    present = [condition for condition in conditions if condition is not None]
    return reduce(and_, present) if present else None


def under_another(mark: Update, primary: str) -> Update:
    """The same mark over an item that was marked under the primary `primary`, whose events count for nothing now."""
    anew = {name: mark.union[name] for name in UNDER_A_PRIMARY if name in mark.union}
    return replace(
        mark,
        set={**mark.set, **anew},
        union={name: values for name, values in mark.union.items() if name not in anew},
        remove=(*mark.remove, *(name for name in UNDER_A_PRIMARY if name not in anew)),
        when=Attr("primary").eq(primary),
    )


def pushed_before(owed: Owed, pushed_at: int) -> Update:
    """Say that an owed reference stands for an earlier push, too: queues deliver in any order."""
    key = Key(owed.repository, owed.reference.owed_key)
    return Update(key=key, set={"pushed_at": pushed_at}, when=Attr("pushed_at").gt(pushed_at))


def afresh(broken: Update) -> Update:
    """The same mark over an item that cannot be read or added to: nothing is kept of what it was."""
    values = {"correlation_id": None, "walk": None, **broken.set, **broken.set_once, "expects": frozenset({UNNAMED})}
    gone = [name for name, value in values.items() if value is None]
    kept = {name: value for name, value in values.items() if value is not None}
    return replace(broken, set=kept, set_once={}, union={}, remove=(*broken.remove, *gone), when=None)
