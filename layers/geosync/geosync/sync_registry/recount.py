"""The recount: it compares the counters of rows with the rows themselves, so that no drift lasts.

The counters change in the transactions that change the rows (site/counters.py), so as a rule they are right. They are
wrong if somebody edited them, for rows of a version that counted no states, and for rows that were knocked at and not
taken (during a pause). One of the counters' items after the other is counted from its rows: those are read in a moment,
and what they sum up to is written only if the item did not change meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.clock import Clock
from geosync.errors import CorruptItem
from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import ROW, Item, Row
from geosync.sync_registry.site import catalogue, counters, recounts
from geosync.sync_registry.site.listing import Listing
from geosync.sync_registry.site.recounts import LastRecount, Recounts
from geosync.sync_registry.table.attributes import text_in, whole_number
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, TransactionFailed, Update
from geosync.sync_registry.transitions.leases import STATES_COUNTED

MOST_ROWS = 5_000
"""Rows read in one run: some seconds. One item's rows are read whole."""
MOST_STRAYS = 1_000
"""Rows of one item that are counted anew in one run."""
PER_TRANSACTION = 50
NAMES = 10_000
"""Names read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recounted:
    """The work of one run: `rows` read, `strays` counted as what they are, and by how much counters were `wrong`."""

    rows: int = 0
    strays: int = 0
    wrong: Mapping[str, int] = field(default_factory=dict)


class Recount:
    """Recounts the rows of a site, some each time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._listing = Listing(store)
        self._recounts = Recounts(store)

    def go_on(self) -> Recounted | None:
        """Begin a recount that is due, or go on with one; None: it is not time, which costs one request."""
        # Before the names are read: a row that comes in between is a change of the counters.
        before = self._store.batch_get([recounts.KEY, catalogue.KEY, *counters.KEYS])
        due = LastRecount.from_item(before.get(recounts.KEY)).to_go_on(
            now_ms=self._clock.now_ms(),
            finished_at=whole_number(before.get(catalogue.KEY), "finished_at"),
            broken=counters.broken(before),
        )
        if due is None:
            return None
        names = self._names()
        rows, strays, wrong, left = 0, 0, Counter[str](), list(due.left)
        for number in due.left:
            if rows and rows + len(names[number]) > MOST_ROWS:
                break
            rows += len(names[number])
            one = self._count(number, names[number], before.get(counters.key(number), {}))
            if one is None:
                continue  # somebody changed it meanwhile: the next run counts it
            strays += one.strays
            wrong.update(one.wrong)
            if one.strays < MOST_STRAYS:
                left.remove(number)
        total = sum(map(len, names.values()))
        at = due.at if left else self._clock.now_ms()
        self._recounts.record(LastRecount(at=at, left=tuple(left), rows=total))
        return Recounted(rows=rows, strays=strays, wrong={name: step for name, step in wrong.items() if step})

    def _names(self) -> dict[int, list[str]]:
        """The names of all rows, by the number of the counters that count them."""
        found: dict[int, list[str]] = {number: [] for number in range(counters.COUNTERS)}
        after = ""
        while names := self._listing.names(after=after, limit=NAMES):
            for name in names:
                found[counters.number_of(name)].append(name)
            after = names[-1]
        return found

    def _count(self, number: int, names: Sequence[str], before: Item) -> Recounted | None:
        """Count the rows of one item, then those that it does not count as what they are.

        None: it changed since it was read `before`.
        """
        items = self._store.batch_get(Key(name, ROW) for name in names)
        counted = Counter({"rows": len(names)})
        for item in items.values():
            counted.update(counters.attributes(_counted(item)))
        strays = [row for item in items.values() if (row := _stray(item, self._clock.now_ms())) is not None]
        if not self._write(number, before, counted, known=not strays):
            return None
        for start in range(0, min(len(strays), MOST_STRAYS), PER_TRANSACTION):
            self._count_strays(number, strays[start : min(start + PER_TRANSACTION, MOST_STRAYS)])
        if strays and len(strays) < MOST_STRAYS:
            self._store.write(Update(key=counters.key(number), set={"counted_at": self._clock.now_ms()}))
        return Recounted(strays=len(strays), wrong=_wrong(before, counted) if "counted_at" in before else {})

    def _write(self, number: int, before: Item, counted: Mapping[str, int], *, known: bool) -> bool:
        """Write what the rows sum up to, unless the item changed since it was read `before`."""
        values = {name: counted.get(name, 0) for name in counters.NAMES}
        stamp = {"counted_at": self._clock.now_ms()} if known else {}
        changes = {"changes": whole_number(before, "changes") + 1}
        unmoved = _as_read("changes", before.get("changes"))
        try:
            self._store.write(Update(key=counters.key(number), set={**values, **stamp, **changes}, when=unmoved))
        except ConditionFailed:
            return False
        return True

    def _count_strays(self, number: int, rows: Sequence[Row]) -> None:
        """Count rows as what they are, those that are still as they were read."""
        while rows:
            steps: Counter[str] = Counter()
            for row in rows:
                steps.update(counters.attributes(replace(row.counted, state=_state_to_count(row))))
                steps.subtract(counters.attributes(row.counted))
            try:
                self._store.transact([*map(_recounted, rows), *counters.changed(number, steps)])
            except TransactionFailed as refused:
                rows = [row for position, row in enumerate(rows) if position not in refused.failed]
            else:
                return


def _counted(item: Item) -> Counted:
    """The values that a row is counted as, whatever else in it cannot be read."""
    return Counted(state=text_in(item, "state_counted"), verification=text_in(item, "verification_counted"))


def _stray(item: Item, now_ms: int) -> Row | None:
    """The row, if it is not counted as what it is, and nobody is about to change that."""
    try:
        row = Row.from_item(item)
    except CorruptItem:
        return None
    return row if row.state_counted != _state_to_count(row) and not row.leased(now_ms) else None


def _state_to_count(row: Row) -> str | None:
    return row.state if row.state in STATES_COUNTED else None


def _recounted(row: Row) -> Update:
    """Count a row as what it is, if it is as it was read."""
    state = _state_to_count(row)
    return Update(
        key=Key(row.repository, ROW),
        set={"state_counted": state} if state is not None else {},
        remove=("state_counted",) if state is None else (),
        when=Attr("state").eq(row.state)
        & _as_read("state_counted", row.state_counted)
        & _as_read("lease_token", row.lease_token),
    )


def _as_read(name: str, value: object) -> ConditionBase:
    return Attr(name).eq(value) if value is not None else Attr(name).not_exists()


def _wrong(before: Item, counted: Mapping[str, int]) -> dict[str, int]:
    """By how much each counter was wrong."""
    return {name: abs(counted.get(name, 0) - whole_number(before, name)) for name in counters.NAMES}
