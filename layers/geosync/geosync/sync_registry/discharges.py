"""Discharges of many threads in few transactions.

Every discharge checks the row's lease, and DynamoDB refuses one of two transactions that touch the same item at the
same time. So whoever comes first carries out, in one transaction, what the others have queued meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from geosync.clock import Clock
from geosync.errors import Contended, GeosyncError, LeaseLost
from geosync.sync_registry.items import Lease, Owed, Reference, Seen
from geosync.sync_registry.table.changes import Change, Store, TransactionFailed
from geosync.sync_registry.transitions import discharge
from geosync.threads import SYSTEM_THREADS, Threads

PER_TRANSACTION = 30
"""References in one transaction: two items each and the row's, of the 100 that DynamoDB allows."""

Payment: TypeAlias = tuple[Owed, Seen | None]
Entry = TypeVar("Entry")


def transact_under(
    store: Store, lease: Lease, entries: Sequence[Entry], build: Callable[[Sequence[Entry]], list[Change]]
) -> list[Entry]:
    """Carry out `build(entries)`, PER_TRANSACTION at a time, leaving out those whose own condition does not hold.

    `build` gives the lease's check, then two changes for each entry. Returns the entries that were carried out. Raises
    LeaseLost and Contended; what was carried out before stays so.
    """
    done: list[Entry] = []
    for start in range(0, len(entries), PER_TRANSACTION):
        chunk = list(entries[start : start + PER_TRANSACTION])
        while chunk:
            try:
                store.transact(build(chunk))
            except TransactionFailed as refused:
                if 0 in refused.failed:
                    raise LeaseLost(f"{lease.repository}: another holder has the repository") from None
                out = {(position - 1) // 2 for position in refused.failed}
                chunk = [entry for position, entry in enumerate(chunk) if position not in out]
            else:
                done += chunk
                break
    return done


@dataclass(slots=True, eq=False)
class _Request:
    lease: Lease
    payments: Sequence[Payment]
    paid: set[Reference] = field(default_factory=set)
    done: bool = False
    error: GeosyncError | None = None


class Discharges:
    """Carries out discharges. Thread-safe."""

    def __init__(
        self, store: Store, clock: Clock, primary: str | None = None, threads: Threads = SYSTEM_THREADS
    ) -> None:
        self._store = store
        self._clock = clock
        self._primary = primary
        self._queue: list[_Request] = []
        self._queue_lock = threading.Lock()
        self._turn = threads.condition()  # held during a request to the table

    def pay(self, lease: Lease, payments: Sequence[Payment]) -> set[Reference]:
        """Discharge `payments`; returns the references that nobody had marked again. Raises LeaseLost, Contended."""
        request = _Request(lease, payments)
        with self._queue_lock:
            self._queue.append(request)
        with self._turn:
            if not request.done:
                self._serve(lease)
        if request.error is not None:
            raise request.error
        return request.paid

    def _serve(self, lease: Lease) -> None:
        """Carry out everything queued under the same lease, for all the threads that wait for it."""
        with self._queue_lock:
            served = [request for request in self._queue if request.lease.token == lease.token]
            self._queue = [request for request in self._queue if request.lease.token != lease.token]
        error: GeosyncError | None = Contended(f"{lease.repository}: another thread's discharge broke off")
        try:
            todo = [(request, payment) for request in served for payment in request.payments]
            for request, (owed, _) in transact_under(self._store, lease, todo, lambda some: self._changes(lease, some)):
                request.paid.add(owed.reference)
            error = None
        except (LeaseLost, Contended) as raised:
            error = raised
        finally:
            for request in served:
                request.error = error
                request.done = True

    def _changes(self, lease: Lease, entries: Sequence[tuple[_Request, Payment]]) -> list[Change]:
        payments = [payment for _, payment in entries]
        return discharge.discharge(lease, payments, now_ms=self._clock.now_ms(), primary=self._primary)
