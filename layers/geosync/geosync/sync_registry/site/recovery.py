"""The recovery point: everything pushed before it is here and was seen. What is kept for it, and how it follows.

```
recovery point = min(accounted, the earliest push that is owed)
accounted      = max(newest accounted heartbeat, proved_at); proved_at alone while notifications are known to be lost
```

A heartbeat that arrived says little: a queue delivers in any order, so an event that was sent before it may still wait.
It is *accounted* when the events queue was seen empty, nothing visible and nothing in flight, a minute or more after it
arrived (SQS counts are right only after a minute), and the DLQ held nothing but references that are parked. From then
on everything that was sent before it is marked, or was. As functions/sync deletes an event's message as soon as it is
marked, a queue that copies keep busy is empty again and again.

None of this sees a registry that posts nothing. The next comparison does: what it has to copy though nobody announced
it is a *lost notification*. Until a later comparison is complete without one, and an event has come since, heartbeats
prove nothing here, and the recovery point is what the comparisons prove.

Kept in the partition `#site`:

    recovery   sent_at, at: the accounted heartbeat, and when it was; heartbeats: those that wait for it, as
               [sent_at, arrived_at]; point, point_but_parked: the recovery point as last known; why: what keeps it
    lost       count, first_at, last_at, repository, reference: notifications known to be lost; the latest
    refused    since, last_at, count: messages that could not be marked, and are in the DLQ
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from geosync.clock import Clock
from geosync.sync_registry.items import SITE, Item, Owed, Reference
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

RECOVERY, LOST, REFUSED = Key(SITE, "recovery"), Key(SITE, "lost"), Key(SITE, "refused")
COUNTS_SETTLE = 60_000
"""Milliseconds after which the counts of an SQS queue have seen what was sent to it."""
MOST_HEARTBEATS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What functions/reconcile last made of the heartbeats; times in milliseconds."""

    sent_at: int | None = None
    at: int | None = None
    heartbeats: tuple[tuple[int, int], ...] = ()
    point: int | None = None
    point_but_parked: int | None = None
    why: str | None = None

    @classmethod
    def from_item(cls, item: Item | None) -> Recovery:
        """Read the item `recovery`; what cannot be read counts as not known."""
        item = item or {}
        pairs = item.get("heartbeats", [])
        return cls(
            sent_at=_number(item, "sent_at"),
            at=_number(item, "at"),
            heartbeats=tuple((int(one[0]), int(one[1])) for one in pairs) if isinstance(pairs, list) else (),
            point=_number(item, "point"),
            point_but_parked=_number(item, "point_but_parked"),
            why=item.get("why"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Notifications known to be lost: how many, since when, and the latest that a comparison found."""

    count: int
    first_at: int
    last_at: int
    repository: str
    reference: str

    @classmethod
    def from_item(cls, item: Item | None) -> Lost | None:
        """Read the item `lost`; None when every one of them has come after all."""
        if item is None or (_number(item, "count") or 0) <= 0:
            return None
        return cls(
            count=_number(item, "count") or 0,
            first_at=_number(item, "first_at") or 0,
            last_at=_number(item, "last_at") or 0,
            repository=str(item.get("found_in", "")),
            reference=str(item.get("reference", "")),
        )


def heard(recovery: Recovery, heartbeat: tuple[int, int] | None) -> tuple[tuple[int, int], ...]:
    """The heartbeats that wait to be accounted, with the newest that arrived (`sent_at`, `arrived_at`)."""
    known = recovery.heartbeats
    if heartbeat is None or heartbeat[0] <= max((sent_at for sent_at, _ in known), default=recovery.sent_at or 0):
        return known
    return (*known, heartbeat)[-MOST_HEARTBEATS:]


def accounted(heartbeats: Iterable[tuple[int, int]], *, empty_at: int, settle: int = COUNTS_SETTLE) -> int | None:
    """The newest heartbeat that the queue, seen empty at `empty_at`, accounts for."""
    return max((sent_at for sent_at, arrived_at in heartbeats if arrived_at + settle <= empty_at), default=None)


def point(*, sent_at: int | None, proved_at: int | None, is_losing: bool, pushes: Iterable[int]) -> int | None:
    """The recovery point, None before the first comparison was complete: nobody knows yet what is missing.

    `pushes` are the moments of what is owed. See the module.
    """
    if proved_at is None:
        return None
    base = proved_at if is_losing else max(sent_at or 0, proved_at)
    return min([base, *pushes])


def lost(store: Store, owed: Owed, *, now: int) -> None:
    """Count a notification that did not come: a comparison found `owed` different, and it had to be copied."""
    values = {"last_at": now, "found_in": owed.repository, "reference": str(owed.reference)}
    store.write(Update(key=LOST, set=values, set_once={"first_at": now}, add={"count": 1}))


def came_late(store: Store, repository: str, reference: Reference) -> None:
    """Take back one that was counted as lost: it was only slower than the comparison."""
    unmarked = Attr("unannounced").exists()
    with suppress(ConditionFailed):
        store.write(Update(key=Key(repository, reference.seen_key), remove=("unannounced",), when=unmarked))
        store.write(Update(key=LOST, add={"count": -1}, when=Attr("count").gt(0)))


def regained(store: Store, known: Lost) -> None:
    """Forget what was lost: a later comparison found nothing more, and events come. Unless more was lost meanwhile."""
    with suppress(ConditionFailed):
        store.write(Delete(key=LOST, when=Attr("last_at").eq(known.last_at)))


def refused(store: Store, *, now: int) -> None:
    """Say that a message could not be marked: what it spoke of is not known here."""
    store.write(Update(key=REFUSED, set={"last_at": now}, set_once={"since": now}, add={"count": 1}))


def replayed(store: Store, *, before: int) -> None:
    """Forget what was refused before `before` (ms): the DLQ was seen empty then."""
    with suppress(ConditionFailed):
        store.write(Delete(key=REFUSED, when=Attr("last_at").lt(before)))


def _number(item: Item, name: str) -> int | None:
    value = item.get(name)
    return value if isinstance(value, int) else None


class RecoveryItems:
    """The items that the recovery point is made of."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def read(self) -> Recovery:
        """What functions/reconcile last made of the heartbeats."""
        return Recovery.from_item(self._store.get(RECOVERY))

    def write(self, known: Recovery) -> None:
        """Keep what functions/reconcile made of the heartbeats."""
        values = {
            "sent_at": known.sent_at,
            "at": known.at,
            "heartbeats": [list(one) for one in known.heartbeats],
            "point": known.point,
            "point_but_parked": known.point_but_parked,
            "why": known.why,
        }
        kept = {name: value for name, value in values.items() if value is not None}
        self._store.write(Update(key=RECOVERY, set=kept, remove=tuple(values.keys() - kept.keys())))

    def record_lost(self, owed: Owed) -> None:
        """Count a notification that did not come: a comparison found `owed` different, and it had to be copied."""
        lost(self._store, owed, now=self._clock.now_ms())

    def take_back_lost(self, repository: str, reference: Reference) -> None:
        """Take back one that was counted as lost: it was only slower than the comparison."""
        came_late(self._store, repository, reference)

    def forget_lost(self, known: Lost) -> None:
        """Forget the lost notifications that `known` counts, unless more were lost meanwhile."""
        regained(self._store, known)

    def record_refused(self) -> None:
        """Note that a message could not be marked: what it names is not known here."""
        refused(self._store, now=self._clock.now_ms())

    def forget_refused(self, *, before: int) -> None:
        """Forget what was refused before `before` (ms): the DLQ was seen empty then."""
        replayed(self._store, before=before)

    def forget(self) -> None:
        """Forget the recovery point and the lost notifications: the site follows another primary."""
        for key in (RECOVERY, LOST):
            self._store.write(Delete(key=key))
