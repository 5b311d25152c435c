"""Discharges of many threads in few transactions.

Every discharge checks the row's lease, and DynamoDB refuses one of two transactions that touch the same item at the
same time. So the first thread carries out, in one transaction, what the others have queued meanwhile.

A tag that is pushed again and again, before the settle time could prove one of the pushes, may leave more owed than a
transaction takes. What does not fit is written before: a digest that becomes owed too soon costs a look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from geosync.clock import Clock
from geosync.errors import ConditionFailed, Contended, GeosyncError, LeaseLost
from geosync.sync_registry import half_copies
from geosync.sync_registry.access import ATTEMPTS
from geosync.sync_registry.items import Item, Lease, Reference, named_in
from geosync.sync_registry.site.outbox import Outbox, ReplicationEvent
from geosync.sync_registry.table.attributes import texts
from geosync.sync_registry.table.changes import Change, Store, TransactionFailed, Update
from geosync.sync_registry.transitions import discharge, leases, marks
from geosync.sync_registry.transitions.discharge import Discharged
from geosync.threads import SYSTEM_THREADS, Threads

PER_TRANSACTION = 30
"""References in one transaction: two items each and the row's, of the 100 that DynamoDB allows."""
MOST_CHANGES = 96
"""Changes in one transaction beside the row's, with what the discharges leave owed. At most four are of the reference
itself: its two items, the counter of the comparison that found it, and the event that announces it."""
MOST_LEFT = 40
"""Digests that a discharge leaves owed, and as many that it leaves half copied, in its own transaction."""

Entry = TypeVar("Entry")


def by_number(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Yield `entries`, PER_TRANSACTION at a time."""
    for start in range(0, len(entries), PER_TRANSACTION):
        yield entries[start : start + PER_TRANSACTION]


def transact_under(
    store: Store, lease: Lease, parts: Iterable[Sequence[Entry]], build: Callable[[Sequence[Entry]], list[Change]]
) -> list[Entry]:
    """Carry out `build` of each of `parts`, leaving out the entries whose own condition does not hold.

    `build` gives the lease's check, two changes for each entry, then the marks of what the entries leave owed. A mark
    that an owed item refuses is tried again once that item was changed (`_make_way`). Returns the entries that were
    carried out. Raises LeaseLost and Contended; what was carried out before stays so.
    """
    done: list[Entry] = []
    for part in parts:
        done += _transact(store, lease, part, build)
    return done


def _transact(
    store: Store, lease: Lease, part: Sequence[Entry], build: Callable[[Sequence[Entry]], list[Change]]
) -> Sequence[Entry]:
    for _ in range(len(part) + ATTEMPTS):
        if not part:
            return part
        refused = _try(store, lease, build(part), own=2 * len(part))
        if refused is None:
            return part
        out = {(position - 1) // 2 for position in refused.failed}
        part = [entry for position, entry in enumerate(part) if position not in out]
    raise _contended(lease)


def _write_under(store: Store, lease: Lease, left: Sequence[Change]) -> None:
    """Write, under the lease, what is left owed; raises LeaseLost and Contended."""
    changes = [leases.check(lease), *left]
    for _ in range(ATTEMPTS):
        if _try(store, lease, changes, own=0) is None:
            return
    raise _contended(lease)


def _try(store: Store, lease: Lease, changes: Sequence[Change], *, own: int) -> TransactionFailed | None:
    """Carry out `changes`: the lease's check, `own` changes of the entries, then marks. None: it is done.

    Otherwise the items that refused a mark are changed, so that it holds at the next try. Raises LeaseLost.
    """
    try:
        store.transact(changes)
    except TransactionFailed as refused:
        if 0 in refused.failed:
            raise leases.lost(lease.repository) from None
        _make_ways(store, changes, refused, after=own)
        return refused
    return None


def _contended(lease: Lease) -> Contended:
    return Contended(f"{lease.repository}: what a discharge leaves owed changed {ATTEMPTS} times")


def _make_ways(store: Store, changes: Sequence[Change], refused: TransactionFailed, *, after: int) -> None:
    for position, item in refused.failed.items():
        if position > after:
            _make_way(store, changes[position], item)


def _make_way(store: Store, mark: Change, item: Item | None) -> None:
    """Change the owed item of a digest so that `mark`, which it refused, holds.

    It is owed under another primary, whose events count for nothing now, or because of a later push.
    """
    assert isinstance(mark, Update), "what is left owed is marked"  # noqa: S101
    former, primary = (item or {}).get("primary"), mark.set.get("primary")
    if isinstance(former, str) and primary not in (None, former):
        changes = [marks.under_none(mark.key, former, texts(item or {}, "copied") | named_in(item or {}))]
    else:
        changes = marks.pushed_earlier(mark, item or {})
    for change in changes:
        with suppress(ConditionFailed):
            store.write(change)


def in_transactions(
    entries: Sequence[tuple[Entry, Discharged]], *, each: int = 3
) -> Iterator[Sequence[tuple[Entry, Discharged]]]:
    """Yield `entries`, of `each` changes at most, in parts that fit into a transaction, which changes no item twice.

    A digest that is discharged and one that is left owed may be the same: they come one after the other.
    """
    part: list[tuple[Entry, Discharged]] = []
    keys: set[str] = set()
    left: set[str] = set()
    half: set[str] = set()
    for entry in entries:
        one = entry[1]
        key, more = one.owed.reference.value, one.superseded
        beside = len(left | more) + len(half | one.half)
        is_full = len(part) == PER_TRANSACTION or each * (len(part) + 1) + beside > MOST_CHANGES
        if part and (is_full or key in left or not keys.isdisjoint(more)):
            yield part
            part, keys, left, half = [], set(), set(), set()
        part.append(entry)
        keys.add(key)
        left |= more
        half |= one.half
    if part:
        yield part


def _few(digests: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return MOST_LEFT of some digests, and the others."""
    few = frozenset(sorted(digests)[:MOST_LEFT])
    return few, digests - few


@dataclass(slots=True, eq=False)
class _Request:
    lease: Lease
    discharged: Sequence[Discharged]
    ended: set[Reference] = field(default_factory=set)
    done: bool = False
    error: GeosyncError | None = None


class Discharges:
    """Carries out discharges. Thread-safe."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        primary: str | None = None,
        threads: Threads = SYSTEM_THREADS,
        *,
        names: Callable[[], str],
        outbox: Outbox,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._clock = clock
        self._primary = primary
        self._names = names
        self._queue: list[_Request] = []
        self._queue_lock = threading.Lock()
        self._turn = threads.condition()  # held during a request to the table

    def discharge(self, lease: Lease, discharged: Sequence[Discharged]) -> set[Reference]:
        """Discharge `discharged`; returns the references that nobody had marked again. Raises LeaseLost, Contended."""
        request = _Request(lease, discharged)
        with self._queue_lock:
            self._queue.append(request)
        with self._turn:
            if not request.done:
                self._serve(lease)
        if request.error is not None:
            raise request.error
        return request.ended

    def _take(self, lease: Lease) -> list[_Request]:
        """Take what waits in the queue under the same lease."""
        with self._queue_lock:
            taken = [request for request in self._queue if request.lease.token == lease.token]
            self._queue = [request for request in self._queue if request.lease.token != lease.token]
        return taken

    def _serve(self, lease: Lease) -> None:
        """Carry out everything queued under the same lease, for all the threads that wait for it."""
        served = self._take(lease)
        error: GeosyncError | None = Contended(f"{lease.repository}: another thread's discharge broke off")
        try:
            todo = [entry for request in served for entry in self._prepared(lease, request)]
            build = partial(self._changes, lease)
            parts = in_transactions(todo, each=4 if self._outbox.is_on else 3)
            written = transact_under(self._store, lease, parts, build)
            for request, one in written:
                request.ended.add(one.owed.reference)
            self._outbox.note(self._events(one for _, one in written))
            error = None
        except (LeaseLost, Contended) as raised:
            error = raised
        finally:
            for request in served:
                request.error = error or request.error  # a lost lease ends all of them
                request.done = True

    def _prepared(self, lease: Lease, request: _Request) -> list[tuple[_Request, Discharged]]:
        """Return the discharges of a request as they fit into transactions; none, and its error, if Contended.

        So one tag with many overtaken digests does not end the discharges of the threads that wait beside it. Raises
        LeaseLost, which ends all of them.
        """
        try:
            return [(request, self._leaving_few(lease, one)) for one in request.discharged]
        except Contended as error:
            request.error = error
            return []

    def _leaving_few(self, lease: Lease, one: Discharged) -> Discharged:
        """Write what `one` leaves owed or half copied beyond its transaction's room; returns it with the rest of that.

        Raises LeaseLost and Contended.
        """
        owed, now_ms, primary = one.owed, self._clock.now_ms(), self._primary
        superseded, more = _few(one.superseded)
        half, more_half = _few(one.half)
        left: list[Change] = [
            marks.becomes_owed(owed, digest, name=self._names(), now_ms=now_ms, primary=primary) for digest in more
        ]
        left += half_copies.kept([(owed, more_half)])
        for start in range(0, len(left), MOST_CHANGES):
            _write_under(self._store, lease, left[start : start + MOST_CHANGES])
        return one._replace(superseded=superseded, half=half)

    def _changes(self, lease: Lease, entries: Sequence[tuple[_Request, Discharged]]) -> list[Change]:
        discharged = [one for _, one in entries]
        now_ms = self._clock.now_ms()
        changes = discharge.discharge(lease, discharged, now_ms=now_ms, primary=self._primary, names=self._names)
        return [*changes, *self._outbox.puts(self._events(discharged))]

    def _events(self, discharged: Iterable[Discharged]) -> list[ReplicationEvent | None]:
        """The events of `discharged`; none if `Arrivals` is off."""
        return [ReplicationEvent.of_discharge(one.owed, one.seen) for one in discharged] if self._outbox.is_on else []
