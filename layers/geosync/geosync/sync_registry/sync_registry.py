"""The sync registry as the rest of Geosync uses it: the protocol's transitions, carried out on a store.

Every method takes its times itself, before its first request. Calls to the table in the usual case: `look` 1, `mark` 1,
`knock` 1 (2 when what `look` saw of the row has changed), `acquire` 1, `renew` 1, `due` 2, `discharge` 1 (for those of
several threads together), `postpone`, `hold_back`, `fail` 1, `suspect` 0, `finish` 2. Thread-safe.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import Contended, LeaseLost, OutOfTime
from geosync.sync_registry import decisions
from geosync.sync_registry.access import ATTEMPTS
from geosync.sync_registry.attempts import Attempts
from geosync.sync_registry.deaths import Deaths
from geosync.sync_registry.discharges import Discharges, by_number, transact_under
from geosync.sync_registry.forgetting import Forgetting
from geosync.sync_registry.item_access import ItemAccess
from geosync.sync_registry.items import (
    OWED_PREFIX,
    PENDING,
    ROW,
    STARTED,
    SYNCED,
    Lease,
    Owed,
    Reference,
    Row,
    Seen,
)
from geosync.sync_registry.marking import Marks
from geosync.sync_registry.numbering import number
from geosync.sync_registry.readings import Readings
from geosync.sync_registry.site import findings
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.site.outbox import Outbox, ReplicationEvent
from geosync.sync_registry.switches import Switches
from geosync.sync_registry.table.changes import Change, ConditionFailed, Delete, Key, Store, TransactionFailed, Update
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.sync_registry.timing import Timing
from geosync.sync_registry.transitions import discharge, leases
from geosync.sync_registry.transitions.discharge import Discharged
from geosync.sync_registry.uploads import KeptUpload
from geosync.threads import SYSTEM_THREADS, Threads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REMAINING_READ = 1000
"""Owed references that `finish` reads to find what failed."""


def unique() -> str:
    """A new name for a mark or a lease, as nobody else chooses."""
    return uuid.uuid4().hex


class SyncRegistry(ItemAccess, Readings, Switches, Marks, Attempts, Deaths):
    """One site's sync registry.

    `primary` names the primary that the site follows (any text that changes with it): what was seen equal, or expected,
    under another one counts for nothing. None for who only asks for references to be synced, or only looks. `tells`:
    somebody listens to what arrives, and fails (site/outbox.py).
    """

    def __init__(  # noqa: PLR0913 - the last three are the world, and a simulation replaces each alone
        self,
        store: Store,
        *,
        primary: str | None = None,
        timing: Timing | None = None,
        limits: Limits | None = None,
        clock: Clock = SYSTEM_CLOCK,
        threads: Threads = SYSTEM_THREADS,
        names: Callable[[], str] = unique,
        tells: bool = False,
    ) -> None:
        super().__init__(store, primary=primary, timing=timing or Timing(), clock=clock, names=names)
        self.threads = threads
        """What reads side by side, where several requests need not wait for each other."""
        self._open_items(store, clock, limits or Limits(), threads)
        self.outbox = Outbox(store, clock, names, is_on=tells)
        self._discharges = Discharges(store, clock, primary, threads, names=names, outbox=self.outbox)
        self._forgetting = Forgetting(store, self._readable)

    @classmethod
    def open(  # noqa: PLR0913 - what a function knows of its site
        cls,
        client: DynamoDBClient,
        table: str,
        *,
        primary: str | None = None,
        timing: Timing | None = None,
        limits: Limits | None = None,
        clock: Clock = SYSTEM_CLOCK,
        tells: bool = False,
    ) -> Self:
        """Open the sync registry that is kept in the DynamoDB table `table`."""
        store = DynamoStore(client, table, clock=clock)
        return cls(store, primary=primary, timing=timing, limits=limits, clock=clock, tells=tells)

    def under(self, primary: str | None) -> SyncRegistry:
        """The same sync registry for somebody to whom only what was seen under `primary` counts."""
        return SyncRegistry(self._store, primary=primary, timing=self.timing, clock=self._clock, threads=self.threads)

    # -------------------------------------------------------------------------------------------------- mark and knock

    def knock(self, repository: str, *, believed: Row | None = None, take: bool = True) -> Lease | None:
        """Tell the holder that something was marked; acquire the repository if nobody holds it.

        `believed` saves a call: the row as `look` saw it. None: the holder will see it, or (with `take` False: paused,
        registry held) nobody until the sweep. Raises CorruptItem and Contended.
        """
        return self._enter(
            repository,
            believed,
            lambda row, now_ms, token: leases.knock(
                row, repository, now_ms=now_ms, token=token, timing=self.timing, take=take
            ),
        )

    def tell(self, repository: str, *, believed: Row | None = None) -> bool:
        """Knock without taking the repository. True: somebody holds it, and sees the knock at the next renewal.

        Raises as `knock`.
        """
        row = self._entered(
            repository,
            believed,
            lambda row, now_ms, token: leases.knock(
                row, repository, now_ms=now_ms, token=token, timing=self.timing, take=False
            ),
            self._names(),
        )
        return row is not None and row.leased(self._clock.now_ms())

    def acquire(self, repository: str, *, believed: Row | None = None) -> Lease | None:
        """Take the repository for what was marked before (a wake); None: somebody holds it."""
        return self._enter(
            repository,
            believed,
            lambda row, now_ms, token: leases.acquire(row, repository, now_ms=now_ms, token=token, timing=self.timing),
        )

    def acquire_settled(self, repository: str, *, believed: Row | None = None) -> Lease | None:
        """Take the repository to forget it; None: somebody holds it, or a tag write at its secondary may still land."""
        return self._enter(
            repository,
            believed,
            lambda row, now_ms, token: leases.acquire_settled(
                row, repository, now_ms=now_ms, token=token, timing=self.timing
            ),
        )

    def _enter(
        self, repository: str, believed: Row | None, build: Callable[[Row | None, int, str], Update | None]
    ) -> Lease | None:
        """Carry out what `build` makes of the row; the lease if it was taken."""
        token, monotonic = self._names(), self._clock.monotonic_s()
        row = self._entered(repository, believed, build, token)
        return _lease(row, monotonic) if row is not None and row.lease_token == token else None

    def _entered(
        self, repository: str, believed: Row | None, build: Callable[[Row | None, int, str], Update | None], token: str
    ) -> Row | None:
        """Carry out what `build` makes of the row, again for the row that was there instead, until one holds.

        Returns the row as it is then, None when `build` made nothing of it.
        """
        for _ in range(ATTEMPTS):
            change = build(believed, self._clock.now_ms(), token)
            if change is None:
                return None
            try:
                row = Row.from_item(self._written(change))
            except ConditionFailed as failed:
                believed = Row.from_item(failed.item) if failed.item is not None else None
                # A write that was repeated after its answer got lost finds itself: the lease is ours already.
                if believed is None or believed.lease_token != token:
                    continue
                row = believed
            return row if row.id is not None else number(self._store, row)
        raise Contended(f"{repository}: the row changed {ATTEMPTS} times while it was to be taken")

    # ------------------------------------------------------------------------------------------------ under the lease

    def renew(self, lease: Lease, working_on: frozenset[str] | None = None) -> Lease:
        """Keep the repository; a `revision` that moved says that references came in. Raises LeaseLost.

        `working_on` as in leases.renew.
        """
        now_ms, monotonic = self._clock.now_ms(), self._clock.monotonic_s()
        return _lease(
            self._mine(leases.renew(lease, now_ms=now_ms, timing=self.timing, working_on=working_on)), monotonic
        )

    def suspect(self, lease: Lease) -> Lease:
        """The lease of a holder that suspects a tag write may still land: the next write of the row says so."""
        return leases.suspect(lease, now_ms=self._clock.now_ms(), timing=self.timing)

    def may_write_tag(self, lease: Lease) -> bool:
        """True while a tag may be written or removed; if not, renew first. Ask before every such request."""
        return decisions.may_write_tag(lease.renewed_at, self._clock.monotonic_s(), self.timing)

    def _mine(self, change: Update) -> Row:
        try:
            return Row.from_item(self._written(change))
        except ConditionFailed as failed:
            raise leases.lost(failed.repository) from None

    def discharge(
        self,
        lease: Lease,
        owed: Owed,
        seen: Seen | None,
        *,
        superseded: frozenset[str] = frozenset(),
        half: frozenset[str] = frozenset(),
    ) -> bool:
        """Discharge a reference and record what was seen (None: gone). False: marked again meanwhile. Raises LeaseLost.

        Digests of earlier pushes of the tag (`superseded`) become owed by themselves in the same transaction; those of
        which `half` a copy stays here are kept in mind. Threads that discharge at the same time share a transaction.
        """
        return bool(self._discharges.discharge(lease, [Discharged(owed, seen, superseded, half)]))

    def record(self, lease: Lease, seen: Sequence[tuple[Reference, Seen]]) -> set[Reference]:
        """Record what a comparison saw (equal, or missing) of what nobody owes; returns those recorded."""
        events: dict[Reference, ReplicationEvent | None] = {}
        if self.outbox.is_on:
            before = self.seen_digests(lease.repository, (reference for reference, _ in seen))
            events = self.outbox.of_record(lease.repository, seen, before)

        def build(some: Sequence[tuple[Reference, Seen]]) -> list[Change]:
            changes = discharge.record(lease, some, now_ms=self._clock.now_ms(), primary=self._primary)
            return [*changes, *self.outbox.puts(events.get(reference) for reference, _ in some)]

        recorded = {reference for reference, _ in transact_under(self._store, lease, by_number(seen), build)}
        self.outbox.note(events.get(reference) for reference in recorded)
        return recorded

    def owe(self, lease: Lease) -> Lease:
        """Note that something is owed in a row that is synced, before it is marked or worked on. Raises LeaseLost."""
        change = leases.owe(lease)
        beside = leases.counters_of(lease, change)
        if not beside:
            return _lease(self._mine(change), lease.renewed_at)
        try:
            self._store.transact([change, *beside])
        except TransactionFailed:
            raise leases.lost(lease.repository) from None
        return replace(lease, state=STARTED, counted=replace(lease.counted, state=None))

    def note_missing_on_primary(self, lease: Lease, *, missing: bool) -> None:
        """Note in the row that the primary does not know the repository at all, or does. Raises LeaseLost."""
        self._mine(leases.note_missing_on_primary(lease, missing=missing))

    def record_finding(self, lease: Lease, finding: Finding, before: Finding | None) -> None:
        """Record what the comparison of a repository found, in place of what the one `before` it did.

        One write, none if nothing changed. Raises LeaseLost.
        """
        change = findings.change(finding, before)
        if change is not None:
            self._write_finding(lease, change)

    def note_going(self, lease: Lease, *, missing: int | None = None, outside: int | None = None, of: int) -> None:
        """Note in the finding how many tags go, before the breaker counts them. Raises LeaseLost."""
        now_ms = self._clock.now_ms()
        change = findings.note_going(lease.repository, missing=missing, outside=outside, of=of, at_ms=now_ms)
        self._write_finding(lease, change)

    def _write_finding(self, lease: Lease, change: Update | Delete) -> None:
        try:
            self._store.transact([leases.check(lease), change])
        except TransactionFailed:
            raise leases.lost(lease.repository) from None

    def finish(self, lease: Lease, leaving: Sequence[KeptUpload] = ()) -> bool:
        """Let the repository go; its state follows from what is still owed.

        `lease` must be from before the call of `due` that found nothing. `leaving` are the uploads that the next holder
        may go on with. False: something is due or somebody knocked since: renew and look again. Raises LeaseLost.
        """
        remaining = self._store.items(lease.repository, OWED_PREFIX, limit=REMAINING_READ)
        if len(remaining) < REMAINING_READ:
            now_ms = self._clock.now_ms()
            if any(isinstance(due := item.get("due"), int) and due <= now_ms for item in remaining):
                return False
        elif self.due(lease.repository, 1):
            return False
        change = leases.finish(lease, leases.Remaining.of(remaining), now_ms=self._clock.now_ms())
        beside: list[Change] = [*self.uploads.kept(lease, leaving), *leases.counters_of(lease, change)]
        return self._let_go(lease, change, beside)

    def _let_go(self, lease: Lease, change: Update, beside: Sequence[Change]) -> bool:
        """Write the end of a lease; False: somebody knocked since. Raises LeaseLost."""
        try:
            if beside:
                self._store.transact([change, *beside])
            else:
                self._store.write(change)
        except (ConditionFailed, TransactionFailed) as refused:
            item = refused.item if isinstance(refused, ConditionFailed) else refused.failed.get(0)
            if item is not None and item.get("lease_token") == lease.token:
                return False
            raise leases.lost(lease.repository) from None
        return True

    def release(self, lease: Lease, leaving: Sequence[KeptUpload] = ()) -> None:
        """Let the repository go with work left in it (time is short); the sweep wakes the next. Raises LeaseLost.

        `leaving` are the uploads that the next holder may go on with.
        """
        try:
            self._release(lease, leaving)
        except TransactionFailed:
            if lease.state != SYNCED:
                raise leases.lost(lease.repository) from None
            # Somebody knocked at the holder that only looked again, or the repository is lost.
            try:
                self._release(replace(lease, state=PENDING), leaving)
            except TransactionFailed:
                raise leases.lost(lease.repository) from None

    def _release(self, lease: Lease, leaving: Sequence[KeptUpload]) -> None:
        change = leases.release(lease, now_ms=self._clock.now_ms())
        beside = [*self.uploads.kept(lease, leaving), *leases.counters_of(lease, change)]
        self._store.transact([change, *beside])

    def forget(self, lease: Lease, *, check: Callable[[], None]) -> bool:
        """Delete all that the sync registry has of the lease's repository, except for its half copies.

        `check` may raise OutOfTime between.

        False: not now, and the repository is let go. Somebody took it, or a write to its secondary may still land.
        After OutOfTime it is let go as well, with what is left of it.
        """

        def renew(held: Lease) -> Lease:
            check()
            return self.renew(held)

        with suppress(LeaseLost):
            if lease.suspect_until > self._clock.now_ms():
                self.release(lease)
                return False
            try:
                return self._forgetting.forget(lease, renew=renew)
            except OutOfTime:
                self.release(lease)  # else whoever comes next counts a death
                raise
        return False

    def drop(self, lease: Lease) -> bool:
        """Let the repository go, and delete its row, if nothing is owed in it and no tag of it was ever seen equal.

        `lease` must be from before the call of `due` that found nothing. False: that is not so, somebody knocked or
        took it, or a write to its secondary may still land; then nothing was done.
        """
        if lease.suspect_until > self._clock.now_ms() or not self.has_nothing_of(lease.repository):
            return False
        return self._forgetting.drop(lease)

    # -------------------------------------------------------------------------------------------------- without a lease

    def note_rename(self, repository: str, former: str) -> None:
        """Note that `repository` was called `former`: its holders mount the secondary's blobs from there."""
        self._store.write(Update(key=Key(repository, ROW), set={"renamed_from": former}))


def _lease(row: Row, renewed_at: float) -> Lease:
    return Lease(
        repository=row.repository,
        token=row.lease_token or "",
        revision=row.revision,
        suspect_until=row.suspect_until,
        renewed_at=renewed_at,
        expires=row.lease_expires or 0,
        state=row.state,
        counted=row.counted,
        listed=row.id is not None,
        renamed_from=row.renamed_from,
        is_first=row.is_first_hold,
        working_on=row.working_on,
        deaths=row.deaths,
    )
