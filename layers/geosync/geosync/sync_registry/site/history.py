"""The record of what a site measured and owed, by the minute (`#history`/`minute#…`) and by the hour (`hour#…`).

It is kept for 400 days. functions/reconcile alone writes it, two items a minute, whatever was pushed and however many
workers there are. Both items have the same attributes:

    at_most_<ms>_ms         pushes that took at most so long from the primary's event to seen (lags.py)
    minutes                 minutes that were recorded: 1, or up to 60
    unknown_minutes         of these, those in which the recovery point was not known
    at_least_minutes        of these, those in which more was owed than is read: what is owed is a lower bound
    late, lost              pushes that took longer than the target; notifications found to be lost
    synced, bytes, requests references that were discharged, bytes that were copied, requests to the two registries
    lag_ms                  the sum of the lags
    most_<gauge>            the highest value of a gauge (GAUGES); missing: it was never known

The hour's item says besides what was so before it: `month` has the counts of its month, and `total` those since the
site keeps a history, so that a month and a counter that never falls cost one read. In these two a bin has its number
for a name: what is written each minute stays small. `overdue_now` is of the last minute that could tell, and
`overdue_more` says that it was a lower bound; `last_at` (ms) is the hour's last minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.sync_registry.items import Item
from geosync.sync_registry.site.lags import BINS, Lags, bound_ms
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update

HISTORY = "#history"
MINUTE_S, HOUR_S = 60, 3_600
KEPT_S = 400 * 86_400
"""Lifetime of an item (TTL `expire_at`): 13 months, so that a month can be compared with that of the year before."""
COUNTS = (
    "minutes",
    "unknown_minutes",
    "at_least_minutes",
    "late",
    "lost",
    "synced",
    "bytes",
    "requests",
    "lag_ms",
)
GAUGES = (
    "recovery_point_age_s",
    "owed",
    "failed",
    "parked",
    "overdue",
    "failed_repositories",
    "verification_failed",
)


def bin_name(number: int) -> str:
    """The attribute that counts the pushes of a bin."""
    return f"at_most_{bound_ms(number)}_ms"


_BINS = {bin_name(number): number for number in range(BINS)}
_COUNTED = dict.fromkeys((*COUNTS, *_BINS))
_LONG = {str(_BINS.get(name, name)): name for name in _COUNTED}
"""The names of the counts by those that they have in `month` and `total`."""
_RECORDED = ("item", *_COUNTED, *(f"most_{name}" for name in GAUGES))
"""Attributes of a record: all but the words of an hour about what was before it, more than half of its item."""


def bins_of(counts: Mapping[str, int]) -> dict[int, int]:
    """The histogram of lags among some counts."""
    return {_BINS[name]: number for name, number in counts.items() if number and name in _BINS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Some time of a site, `seconds` from `at` (ms) on: its counts, and the highest value of each gauge that was known.

    `counts["minutes"]` says how many of its minutes were recorded: nothing is known of the others.
    """

    at: int
    seconds: int
    counts: Mapping[str, int] = field(default_factory=Counter)
    most: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, item: Item, seconds: int) -> Record:
        """Read an item of so many seconds; what is no number there is left out."""
        return cls(
            at=int(str(item["item"]).rpartition("#")[2]) * seconds * 1000,
            seconds=seconds,
            counts=counts_of(item),
            most={name: value for name in GAUGES if isinstance(value := item.get(f"most_{name}"), int) and value >= 0},
        )

    @classmethod
    def merged(cls, records: Iterable[Record], *, at: int, seconds: int) -> Record:
        """Put records together: counts are added, of gauges the highest stays."""
        counts: Counter[str] = Counter()
        most: dict[str, int] = {}
        for one in records:
            counts.update(one.counts)
            most |= {name: max(value, most.get(name, 0)) for name, value in one.most.items()}
        return cls(at=at, seconds=seconds, counts=counts, most=most)

    @property
    def lags(self) -> Lags:
        """The lags that were measured."""
        return Lags.of(bins_of(self.counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The counts of a month (`2026-11`) so far, and what was overdue at its last recorded minute, `last_at` (ms).

    `more`: that was a lower bound, as more was owed than was read.
    """

    name: str
    counts: Mapping[str, int] = field(default_factory=Counter)
    overdue: int = 0
    more: bool = False
    last_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The words of the newest hour: the month that it is in, and the counts since the site keeps a history."""

    month: Month
    total: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Additions of one minute: counts (COUNTS and bins, without `minutes`), and the gauges that are known."""

    counts: Mapping[str, int] = field(default_factory=Counter)
    gauges: Mapping[str, int] = field(default_factory=dict)
    is_at_least: bool = False
    """More is owed than was read."""


class HistoryItems:
    """Keeps the minutes and the hours. For one writer: functions/reconcile."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, observed: Observed, *, now_ms: int) -> None:
        """Add to the minute and to the hour that `now_ms` is in: one read and two writes.

        The first of an hour reads the hour before as well. The hour comes first: months are made of hours. Of two runs
        of a minute at once one writes the hour a second time, so that the minute counts once.
        """
        minute, hour = _minute(now_ms), _hour(now_ms)
        found = self._store.batch_get([minute, hour])
        once: dict[str, int] = {}
        if minute not in found:  # Lambda may run a minute twice
            unknown = "recovery_point_age_s" not in observed.gauges
            once = {"minutes": 1, "unknown_minutes": int(unknown), "at_least_minutes": int(observed.is_at_least)}
        carried = {} if hour in found else _carried(self._last_before(hour), now_ms)
        expires: dict[str, object] = {"expire_at": now_ms // 1000 + KEPT_S}
        more = {**carried, **expires, "last_at": now_ms}
        if (overdue := observed.gauges.get("overdue")) is not None:
            more |= {"overdue_now": overdue, "overdue_more": observed.is_at_least}
        add = partial(self._add, gauges=observed.gauges)
        first = _no_run_since_it_began(now_ms) if once else None
        try:
            add(hour, found.get(hour), Counter(observed.counts) + Counter(once), more=more, when=first)
        except ConditionFailed:  # another run of this minute was as early, and counted it
            add(hour, found.get(hour), observed.counts, more=more)
        add(minute, found.get(minute), observed.counts, more={**expires, **+Counter(once)})

    def _add(
        self,
        key: Key,
        before: Item | None,
        added: Mapping[str, int],
        *,
        gauges: Mapping[str, int],
        more: Mapping[str, object],
        when: ConditionBase | None = None,
    ) -> None:
        most = {f"most_{name}": max(value, whole_number(before, f"most_{name}")) for name, value in gauges.items()}
        counts = {name: number for name, number in added.items() if number}
        self._store.write(Update(key=key, add=counts, set={**most, **more}, when=when))

    def minutes(self, since_ms: int, until_ms: int) -> list[Record]:
        """The recorded minutes that begin at `since_ms` or later and before `until_ms`, in order: a query."""
        return self._records("minute", MINUTE_S, since_ms, until_ms)

    def hours(self, since_ms: int, until_ms: int) -> list[Record]:
        """The hours that begin at `since_ms` or later and before `until_ms`, in order: a query."""
        return self._records("hour", HOUR_S, since_ms, until_ms)

    def last_hour(self, *, now_ms: int) -> Record:
        """The last sixty minutes, put together: a query."""
        since_ms = now_ms - HOUR_S * 1000
        return Record.merged(self.minutes(since_ms, now_ms + 1), at=since_ms, seconds=HOUR_S)

    def kept(self, *, now_ms: int) -> Kept | None:
        """The current month and the counts of all time: one request, some more where an hour was not recorded.

        None: nothing was recorded in this month, nor in the hour before it.
        """
        keys = (_hour(now_ms), _hour(now_ms - HOUR_S * 1000))
        found = self._store.batch_get(keys)
        newest = next((found[key] for key in keys if key in found), None)
        name = month_name(now_ms)
        if newest is None:
            newest = self._last_of(name)
        if newest is None:
            return None
        month = _month_of(newest) if month_name(_begin_ms(newest)) == name else Month(name=name)
        return Kept(month=month, total=_mapping(newest, "total") + counts_of(newest))

    def month(self, name: str) -> Month:
        """A month (`2026-11`): a query, some more where its last hours were not recorded.

        Of a month in which nothing was recorded the counts are 0.
        """
        newest = self._last_of(name)
        return _month_of(newest) if newest is not None else Month(name=name)

    def _last_of(self, name: str) -> Item | None:
        begin_ms, end_ms = month_bounds_ms(name)
        return self._newest(begin_ms, end_ms)

    def _last_before(self, hour: Key) -> Item | None:
        """The last hour that was recorded before one: the one before it, as a rule."""
        end_ms = int(hour.item.rpartition("#")[2]) * HOUR_S * 1000
        return self._newest(end_ms - KEPT_S * 1000, end_ms)

    def _newest(self, begin_ms: int, end_ms: int) -> Item | None:
        """The last hour that begins in [begin, end): what is read is no longer than the time that nothing is of.

        An hour, then twice as long, and so on: ten queries for 400 days of which there is nothing.
        """
        span_ms, until_ms = HOUR_S * 1000, end_ms
        while until_ms > begin_ms:
            since_ms = max(until_ms - span_ms, begin_ms)
            found = self._items("hour", HOUR_S, since_ms, until_ms, limit=span_ms // (HOUR_S * 1000) + 1)
            if found:
                return found[-1]
            span_ms, until_ms = 2 * span_ms, since_ms
        return None

    def _records(self, kind: str, seconds: int, since_ms: int, until_ms: int) -> list[Record]:
        limit = max(-(-(until_ms - since_ms) // (seconds * 1000)), 0) + 1
        return [
            Record.of(item, seconds)
            for item in self._items(kind, seconds, since_ms, until_ms, limit=limit, only=_RECORDED)
        ]

    def _items(
        self, kind: str, seconds: int, since_ms: int, until_ms: int, *, limit: int, only: Sequence[str] = ()
    ) -> list[Item]:
        """Items of a kind that begin in [since, until), at most `limit`; of each what `only` names."""
        first, end = -(-since_ms // (seconds * 1000)), -(-until_ms // (seconds * 1000))
        if end <= first:
            return []
        found = self._store.items(HISTORY, f"{kind}#", limit=limit, after=_name(kind, first - 1), only=only)
        return [item for item in found if str(item["item"]) < _name(kind, end)]


def counts_of(item: Item) -> Counter[str]:
    """The counts of an item; what is no number counts as 0."""
    return Counter({name: number for name in item if name in _COUNTED and (number := whole_number(item, name)) > 0})


def month_name(at_ms: int) -> str:
    """The month of a moment (ms), in UTC: `2026-11`."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m}"


def month_bounds_ms(name: str) -> tuple[int, int]:
    """The moments (ms) at which a month begins and ends. Raises ValueError for what is no month."""
    begin = datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC)
    following = (begin + timedelta(days=32)).replace(day=1)
    return round(begin.timestamp() * 1000), round(following.timestamp() * 1000)


def _carried(before: Item | None, now_ms: int) -> dict[str, object]:
    """The words of a new hour about what was so before it."""
    if before is None:
        return {"month": {}, "total": {}, "overdue_now": 0}
    own = counts_of(before)
    is_same = month_name(_begin_ms(before)) == month_name(now_ms)
    month = _mapping(before, "month") + own if is_same else Counter[str]()
    return {
        "month": _short(month),
        "total": _short(_mapping(before, "total") + own),
        "overdue_now": whole_number(before, "overdue_now"),
        "overdue_more": before.get("overdue_more") is True,
    }


def _short(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(_BINS.get(name, name)): number for name, number in counts.items()}


def _month_of(hour: Item) -> Month:
    return Month(
        name=month_name(_begin_ms(hour)),
        counts=_mapping(hour, "month") + counts_of(hour),
        overdue=max(whole_number(hour, "overdue_now"), 0),
        more=hour.get("overdue_more") is True,
        last_at=whole_number(hour, "last_at") or None,
    )


def _mapping(item: Item, name: str) -> Counter[str]:
    """Counts that an hour carries; what is no number there counts as 0."""
    value = item.get(name)
    if not isinstance(value, Mapping):
        return Counter()
    return Counter({_LONG[one]: number for one in value if one in _LONG and (number := whole_number(value, one)) > 0})


def _begin_ms(hour: Item) -> int:
    return int(str(hour["item"]).rpartition("#")[2]) * HOUR_S * 1000


def _name(kind: str, number: int) -> str:
    return f"{kind}#{number:010}"


def _no_run_since_it_began(at_ms: int) -> ConditionBase:
    """No run has written its hour since the minute of `at_ms` began."""
    return Attr("last_at").not_exists() | Attr("last_at").lt(at_ms - at_ms % (MINUTE_S * 1000))


def _minute(at_ms: int) -> Key:
    return Key(HISTORY, _name("minute", at_ms // (MINUTE_S * 1000)))


def _hour(at_ms: int) -> Key:
    return Key(HISTORY, _name("hour", at_ms // (HOUR_S * 1000)))
