"""Drills of this site: who carries one out now, and how the last one ended.

    #drill / drilling   owner, who, began_at, until (ms): nobody else begins a drill before then
    #drill / drill      id, at (ms), verdict, why, and what was measured (recovery_point_age_ms, recovery_time_ms):
                        the last one, whose report is in the event log; report_id, the newest report that is kept

They have a partition of their own: the role for drills (docs/operations/drills.yaml) may write to this one, and to no
token, breaker or pause, which `#site` has. A version before kept the last one there: it is read until there is another.

A drill that was killed lets go when its time is over: the next one takes over.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from boto3.dynamodb.conditions import Attr

from geosync.clock import Clock
from geosync.errors import ConditionFailed, Contended
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Delete, Key, Store, Update

DRILL = "#drill"
_DRILLING = Key(DRILL, "drilling")
_LAST = Key(DRILL, "drill")
_FORMER = Key(SITE, "drill")
KEYS = (_LAST, _FORMER)
"""Of the last drill, as this version keeps it and as one before did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillUnderWay:
    """A drill that somebody carries out: `who`, since `began_at`, at most `until` (ms)."""

    who: str
    began_at: int
    until: int

    @classmethod
    def from_item(cls, item: Item) -> DrillUnderWay:
        """Read the item `drilling`."""
        return cls(
            who=str(item.get("who", "")), began_at=whole_number(item, "began_at"), until=whole_number(item, "until")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDrill:
    """The last drill that ended, at `at` (ms). `why` says what kept it from passing; empty where nothing did.

    `recovery_point_age_ms` and `recovery_time_ms` (from the command to a primary) were measured by it; None: it could
    not tell, or is one of the version before.

    `report_id` is the id of the newest report that is kept, and names the one before: this drill's, as a rule. None:
    whatever the item has.
    """

    id: str
    at: int
    verdict: str
    why: str
    recovery_point_age_ms: int | None = None
    recovery_time_ms: int | None = None
    report_id: str | None = None

    @classmethod
    def among(cls, found: Mapping[Key, Item]) -> LastDrill | None:
        """Read the last drill among the items that were found of KEYS; None: there was no drill."""
        item = found.get(_LAST, found.get(_FORMER))
        if item is None:
            return None
        return cls(
            id=str(item.get("id", "")),
            at=whole_number(item, "at"),
            verdict=str(item.get("verdict", "")),
            why=str(item.get("why", "")),
            report_id=str(item.get("report_id", item.get("id", ""))),
            **{name: whole_number(item, name) for name in _MEASURED if name in item},
        )


_MEASURED = ("recovery_point_age_ms", "recovery_time_ms")


class Drills:
    """Lets one drill be carried out at a time, and keeps how the last one ended."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def begin(self, owner: str, *, who: str, lasts_ms: int) -> DrillUnderWay | None:
        """Begin a drill that lasts at most so long; returns the one that is under way, None: `owner` has begun.

        Raises Contended.
        """
        now_ms = self._clock.now_ms()
        mine = {"owner": owner, "who": who, "began_at": now_ms, "until": now_ms + lasts_ms}
        is_free = Attr("owner").not_exists() | Attr("until").lte(now_ms)
        try:
            self._store.write(Update(key=_DRILLING, set=mine, when=is_free))
        except ConditionFailed:
            found = self._store.get(_DRILLING)
            if found is None:
                raise Contended("a drill ended just now: try again") from None
            return DrillUnderWay.from_item(found)
        return None

    def end(self, owner: str) -> None:
        """End the drill of `owner`; without effect where somebody has taken over."""
        with suppress(ConditionFailed):
            self._store.write(Delete(key=_DRILLING, when=Attr("owner").eq(owner)))

    def record(self, drill: LastDrill) -> None:
        """Record how a drill ended, unless a later one has ended."""
        with suppress(ConditionFailed):
            is_later = Attr("at").not_exists() | Attr("at").lt(drill.at)
            known = {name: value for name, value in asdict(drill).items() if value is not None}
            unknown = tuple(name for name in _MEASURED if name not in known)
            self._store.write(Update(key=_LAST, set=known, remove=unknown, when=is_later))

    def last(self) -> LastDrill | None:
        """The last drill that ended, None: there was none."""
        return LastDrill.among(self._store.batch_get(KEYS))
