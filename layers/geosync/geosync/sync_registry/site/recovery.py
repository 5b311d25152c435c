"""The items that the recovery point is made of; what they mean stands in recovery/point.py.

Kept in the partition `#site`:

    recovery   sent_at, at: the accounted heartbeat, and when it was accounted; heartbeats: those that wait for it, as
               [sent_at, arrived_at]; point, point_but_parked: the recovery point as last known; why: what keeps
               heartbeats from being accounted; undecided: finds of which it is not known yet whether they were lost
    lost       count, first_at, last_at, found_in, reference: notifications known to be lost; the latest. The item of
               each such reference says `counted_at`: an event that comes after all is taken out of the item that has it
    refused    since, last_at, count: messages that could not be marked, and are in the DLQ
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from geosync.clock import Clock
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

RECOVERY, LOST, REFUSED = Key(SITE, "recovery"), Key(SITE, "lost"), Key(SITE, "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The accounted heartbeat and the recovery point, as functions/reconcile last knew them; times in milliseconds."""

    sent_at: int | None = None
    at: int | None = None
    heartbeats: tuple[tuple[int, int], ...] = ()
    point: int | None = None
    point_but_parked: int | None = None
    why: str | None = None
    undecided: int = 0
    """Notifications of which it is not known yet whether they were lost or are on their way."""

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
            undecided=_number(item, "undecided") or 0,
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


class RecoveryItems:
    """The items that the recovery point is made of."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def read(self) -> Recovery:
        """Read what functions/reconcile last made of the heartbeats."""
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
            "undecided": known.undecided,
        }
        kept = {name: value for name, value in values.items() if value is not None}
        self._store.write(Update(key=RECOVERY, set=kept, remove=tuple(values.keys() - kept.keys())))

    def lost(self) -> Lost | None:
        """Read the notifications known to be lost, None when there are none (suspected.py counts them)."""
        return Lost.from_item(self._store.get(LOST))

    def forget_lost(self, known: Lost) -> None:
        """Forget the lost notifications that `known` counts, unless more were lost meanwhile."""
        with suppress(ConditionFailed):
            self._store.write(Delete(key=LOST, when=Attr("last_at").eq(known.last_at)))

    def record_refused(self) -> None:
        """Note that a message could not be marked: what it names is not known here."""
        now_ms = self._clock.now_ms()
        self._store.write(Update(key=REFUSED, set={"last_at": now_ms}, set_once={"since": now_ms}, add={"count": 1}))

    def forget_refused(self, *, before: int) -> bool:
        """Forget what was refused before `before` (ms): the DLQ was seen without it then. False: something since."""
        with suppress(ConditionFailed):
            self._store.write(Delete(key=REFUSED, when=Attr("last_at").lt(before)))
            return True
        return False


def _number(item: Item, name: str) -> int | None:
    value = item.get(name)
    return value if isinstance(value, int) else None
