"""The sync registry as the rest of Geosync uses it: the protocol's transitions, carried out on a store.

Every method takes its times itself, before its first request. Calls to the table in the usual case: `look` 1, `mark` 1,
`knock` 1 (2 when what `look` saw of the row has changed), `acquire` 1, `renew` 1, `due` 2, `discharge` 1 (for those of
several threads together), `postpone`, `fail`, `suspect` 1, `finish` 2. Thread-safe.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from boto3.dynamodb.conditions import Attr

from geosync.errors import Contended, CorruptItem, LeaseLost
from geosync.sync_registry import decisions
from geosync.sync_registry.access import ATTEMPTS
from geosync.sync_registry.discharges import Discharges, transact_under
from geosync.sync_registry.failures import cut
from geosync.sync_registry.items import (
    OWED_PREFIX,
    PARKED_DUE,
    ROW,
    SITE,
    UNNAMED,
    Item,
    Lease,
    Owed,
    Reference,
    Row,
    Seen,
)
from geosync.sync_registry.readings import Readings
from geosync.sync_registry.site import counters, listing, recovery, walks
from geosync.sync_registry.switches import Switches
from geosync.sync_registry.table.changes import Change, ConditionFailed, Key, Store, TransactionFailed, Update
from geosync.sync_registry.table.shards import failed_shard
from geosync.sync_registry.timing import Timing, ms
from geosync.sync_registry.transitions import marks, protocol
from geosync.sync_registry.uploads import KeptUpload, UploadItems

REMAINING_READ = 1000
"""Owed references that `finish` reads to find what failed."""


def unique() -> str:
    """A new name for a mark or a lease, as nobody else chooses."""
    return uuid.uuid4().hex


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class SyncRegistry(Readings, Switches):
    """One site's sync registry.

    `primary` names the primary that the site follows (any text that changes with it): what was seen equal, or expected,
    under another one counts for nothing. None for who only asks for references to be synced, or only looks.
    """

    def __init__(
        self,
        store: Store,
        *,
        primary: str | None = None,
        timing: Timing | None = None,
        clock: Callable[[], int] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
        names: Callable[[], str] = unique,
    ) -> None:
        super().__init__(store, primary=primary, clock=clock)
        self.timing = timing or Timing()
        self._monotonic = monotonic
        self._names = names
        self._discharges = Discharges(store, clock, primary)
        self.uploads = UploadItems(store, clock)
        """The uploads that one holder leaves under way for the next."""

    # -------------------------------------------------------------------------------------------------- mark and knock

    def mark(
        self,
        repository: str,
        reference: Reference,
        *,
        expects: str | None = None,
        correlation_id: str | None = None,
        distrust: frozenset[str] = frozenset(),
        if_absent: frozenset[str] = frozenset(),
        pushed_at: int | None = None,
        comparison: marks.Comparison | None = None,
        since: int | None = None,
    ) -> Owed:
        """Say that `reference` is owed. Always first: before `knock`, and before the message is done.

        `expects` is the digest that an event named, ABSENT for a deletion, UNNAMED when the event named no digest, None
        when nobody but ourselves asked (backfill, resync, comparison, verification). `distrust` is what verification
        found missing or wrong below it, `if_absent` what may become of the secondary's tag (see Owed). `pushed_at` (ms)
        is when it was pushed, as far as anybody knows; a second write keeps the earliest, should events come in another
        order. `since` (ms) is when the whole repository was marked with which it becomes owed: whatever is marked later
        goes before it.
        """
        now = self._clock()

        def build(named: str | None, since: int | None) -> Update:
            name = self._names()
            return marks.mark(
                repository,
                reference,
                mark=name,
                now=now,
                expects=named,
                correlation_id=correlation_id,
                distrust=distrust,
                primary=self._primary,
                if_absent=if_absent,
                pushed_at=pushed_at,
                comparison=comparison,
                since=since,
            )

        owed = self._marked(build, expects, since)
        if pushed_at is not None and pushed_at < owed.pushed_at:
            with suppress(ConditionFailed):
                self._store.write(marks.pushed_before(owed, pushed_at))
        return owed

    def _marked(
        self, build: Callable[[str | None, int | None], Update], expects: str | None, since: int | None
    ) -> Owed:
        """Carry out a mark, in the form that fits the item that is there."""
        change = build(expects, since)
        for _ in range(ATTEMPTS):
            try:
                return self._owed(self._written(change))
            except ConditionFailed as failed:
                former = failed.item.get("primary") if failed.item is not None else None
                if former is not None and former != self._primary:
                    change = marks.under_another(build(expects, since), former)
                elif since is not None:
                    since = None
                    change = build(expects, since)
                else:
                    change = build(UNNAMED, since)
            except CorruptItem:
                return self._owed(self._written(marks.afresh(build(UNNAMED, since))))
        raise Contended(f"{change.key}: it changed {ATTEMPTS} times while it was to be marked")

    def knock(self, repository: str, *, believed: Row | None = None, take: bool = True) -> Lease | None:
        """Say that something was marked; acquire the repository unless somebody holds it.

        `believed` saves a call: the row as `look` saw it. None: the holder will see it, or (with `take` False: paused,
        registry held) nobody until the sweep. Raises CorruptItem and Contended.
        """
        return self._enter(
            repository,
            believed,
            lambda row, now, token: protocol.knock(
                row, repository, now=now, token=token, timing=self.timing, take=take
            ),
        )

    def tell(self, repository: str, *, believed: Row | None = None) -> bool:
        """Knock without taking the repository. True: somebody holds it, and sees the knock at the next renewal.

        Raises as `knock`.
        """
        row = self._entered(
            repository,
            believed,
            lambda row, now, token: protocol.knock(
                row, repository, now=now, token=token, timing=self.timing, take=False
            ),
            self._names(),
        )
        return row is not None and row.leased(self._clock())

    def acquire(self, repository: str, *, believed: Row | None = None) -> Lease | None:
        """Take the repository for what was marked before (a wake); None: somebody holds it."""
        return self._enter(
            repository,
            believed,
            lambda row, now, token: protocol.acquire(row, repository, now=now, token=token, timing=self.timing),
        )

    def _enter(
        self, repository: str, believed: Row | None, build: Callable[[Row | None, int, str], Update | None]
    ) -> Lease | None:
        """Carry out what `build` makes of the row; the lease if it was taken."""
        token, monotonic = self._names(), self._monotonic()
        row = self._entered(repository, believed, build, token)
        return _lease(row, monotonic) if row is not None and row.lease_token == token else None

    def _entered(
        self, repository: str, believed: Row | None, build: Callable[[Row | None, int, str], Update | None], token: str
    ) -> Row | None:
        """Carry out what `build` makes of the row, again for the row that was there instead, until one holds.

        Returns the row as it is then, None when `build` made nothing of it.
        """
        for _ in range(ATTEMPTS):
            change = build(believed, self._clock(), token)
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
            if row.id is None:
                self._number(repository)
            return row
        raise Contended(f"{repository}: the row changed {ATTEMPTS} times while it was to be taken")

    def _number(self, repository: str) -> None:
        """Give a new row its id, from the site's counter, count it and list it (see `listing`).

        What fails here is made up for next time. A holder that dies between the two leaves a gap in the ids; the number
        of rows and their list stay true.
        """
        number = self._written(Update(key=Key(SITE, "counter#ids"), add={"value": 1}))["value"]
        row = Update(
            key=Key(repository, ROW),
            set={"id": number, "container_repository_id": number},
            when=Attr("id").not_exists() & Attr("created_at").exists(),
        )
        with suppress(TransactionFailed, Contended):
            self._store.transact(
                [row, Update(key=Key(SITE, "counter#rows"), add={"value": 1}), *listing.entries(repository, number)]
            )

    # ------------------------------------------------------------------------------------------------ under the lease

    def renew(self, lease: Lease) -> Lease:
        """Keep the repository; a `revision` that moved says that references came in. Raises LeaseLost."""
        now, monotonic = self._clock(), self._monotonic()
        return _lease(self._mine(protocol.renew(lease, now=now, timing=self.timing)), monotonic)

    def suspect(self, lease: Lease) -> Lease:
        """Say that a tag write may still land, before anything else is done about it. Raises LeaseLost."""
        now, monotonic = self._clock(), self._monotonic()
        return _lease(self._mine(protocol.suspect(lease, now=now, timing=self.timing)), monotonic)

    def may_write_tag(self, lease: Lease) -> bool:
        """Whether a tag may be written or removed now; if not, renew first. Ask before every such request."""
        return decisions.may_write_tag(lease.renewed_at, self._monotonic(), self.timing)

    def _mine(self, change: Update) -> Row:
        try:
            return Row.from_item(self._written(change))
        except ConditionFailed as failed:
            raise LeaseLost(f"{failed.key.repository}: another holder has the repository") from None

    def due(self, repository: str, limit: int = 100, *, ahead: float = 0, untried: bool = False) -> list[Owed]:
        """What is due in the repository, newest first, with what was `seen` of each. Only a holder's answer stays true.

        `ahead` (seconds) takes in what will be due by then, `untried` leaves out what has failed. An owed item that
        cannot be read is parked with the reason, and left out.
        """
        until = self._clock() + ms(ahead)
        # One more: a leased row may be due as well.
        items = self._store.due(repository, until, limit + 1, untried=untried)
        owed = []
        for item in items:
            if not str(item["item"]).startswith(OWED_PREFIX):
                continue
            try:
                owed.append(self._owed(item))
            except CorruptItem as corrupt:
                self._park(item, str(corrupt))
        return self._with_seen(repository, owed[:limit])

    def _with_seen(self, repository: str, owed: list[Owed]) -> list[Owed]:
        keys = {one.reference: Key(repository, one.reference.seen_key) for one in owed}
        found = self._store.batch_get(keys.values()) if keys else {}
        return [replace(one, seen=Seen.under(self._primary, found.get(keys[one.reference]))) for one in owed]

    def _park(self, item: Item, reason: str) -> None:
        key = Key(str(item["repository"]), str(item["item"]))
        shard = failed_shard(key.repository)
        values = {"failure": cut(reason), "parked": True, "due": PARKED_DUE, "due_shard": shard}
        with suppress(ConditionFailed):
            self._store.write(Update(key=key, set=values, when=Attr("due").eq(item["due"])))

    def discharge(self, lease: Lease, owed: Owed, seen: Seen | None) -> bool:
        """Pay what is owed and record what was seen (None: gone). False: marked again meanwhile. Raises LeaseLost.

        Threads that discharge at the same time share a transaction.
        """
        return bool(self._discharges.pay(lease, [(owed, seen)]))

    def record(self, lease: Lease, seen: Sequence[tuple[Reference, Seen]]) -> set[Reference]:
        """Record what a comparison saw (equal, or missing) of what nobody owes; returns those recorded."""

        def build(some: Sequence[tuple[Reference, Seen]]) -> list[Change]:
            return protocol.record(lease, some, now=self._clock(), primary=self._primary)

        return {reference for reference, _ in transact_under(self._store, lease, seen, build)}

    def note_missing_on_primary(self, lease: Lease, *, missing: bool) -> None:
        """Say in the row whether the primary knows the repository at all. Raises LeaseLost."""
        self._mine(protocol.note_missing_on_primary(lease, missing=missing))

    def postpone(self, owed: Owed, due: int, *, failure: str | None = None) -> bool:
        """Make `owed` due later (ms) without counting an attempt. False: marked again meanwhile, so it is due now."""
        return self._unmarked(owed, protocol.postpone(owed, due, now=self._clock(), failure=failure)) is not None

    def fail(self, owed: Owed, failure: str, *, parked: bool = False) -> Owed | None:
        """Count a failed attempt of one reference, with backoff or parked. None: marked again meanwhile."""
        jitter = random.randrange(30)  # noqa: S311 - spreads retries, guards nothing
        change = protocol.fail(owed, failure, now=self._clock(), jitter=jitter, timing=self.timing, parked=parked)
        return self._unmarked(owed, change)

    def advance(self, owed: Owed, cursor: str, *, due: int | None = None) -> Owed | None:
        """Move the cursor of `owed#*`, due again at once (or at `due`). None: marked again, so start anew."""
        return self._unmarked(owed, protocol.advance(owed, cursor, due=self._clock() if due is None else due))

    def _unmarked(self, owed: Owed, change: Update) -> Owed | None:
        try:
            return self._owed(self._written(change), owed.seen)
        except ConditionFailed:
            return None

    def finish(self, lease: Lease, leaving: Sequence[KeptUpload] = ()) -> bool:
        """Let the repository go; its state follows from what is still owed.

        `lease` must be from before the call of `due` that found nothing. `leaving` are the uploads that the next holder
        may go on with. False: something is due or somebody knocked since: renew and look again. Raises LeaseLost.
        """
        remaining = self._store.items(lease.repository, OWED_PREFIX, limit=REMAINING_READ)
        if len(remaining) < REMAINING_READ:
            now = self._clock()
            if any(isinstance(due := item.get("due"), int) and due <= now for item in remaining):
                return False
        elif self.due(lease.repository, 1):
            return False
        change = protocol.finish(lease, protocol.Remaining.of(remaining), now=self._clock())
        beside: list[Change] = [*self.uploads.kept(lease, leaving)]
        if lease.counted is not None and remaining:
            beside += counters.moved(lease.repository, lease.counted, None)
        try:
            if beside:
                self._store.transact([change, *beside])
            else:
                self._store.write(change)
        except (ConditionFailed, TransactionFailed) as refused:
            item = refused.item if isinstance(refused, ConditionFailed) else refused.failed.get(0)
            if item is not None and item.get("lease_token") == lease.token:
                return False
            raise LeaseLost(f"{lease.repository}: another holder has the repository") from None
        return True

    def release(self, lease: Lease, leaving: Sequence[KeptUpload] = ()) -> None:
        """Let the repository go with work left in it (time is short); the sweep wakes the next. Raises LeaseLost.

        `leaving` are the uploads that the next holder may go on with.
        """
        try:
            self._store.transact([protocol.release(lease), *self.uploads.kept(lease, leaving)])
        except TransactionFailed:
            raise LeaseLost(f"{lease.repository}: another holder has the repository") from None

    # ------------------------------------------------------------------------------------------------------ the sweep

    def note_rename(self, repository: str, former: str) -> None:
        """Say that `repository` was called `former`: its holders mount the secondary's blobs from there."""
        self._store.write(Update(key=Key(repository, ROW), set={"renamed_from": former}))

    def lost_notification(self, owed: Owed) -> None:
        """Count a notification that did not come, before what it should have told of is discharged (recovery.py)."""
        recovery.lost(self._store, owed, now=self._clock())

    def count_page(self, owed: Owed, *, tags: int, found: int) -> None:
        """Count a page of a whole repository for the comparison that asked for it: tags listed, and found different."""
        if owed.walk is not None:
            counts = {walks.TAGS: tags, walks.FOUND: found}
            self._store.write(walks.count(owed.walk, owed.repository, counts, now=self._clock()))


def _lease(row: Row, renewed_at: float) -> Lease:
    return Lease(
        repository=row.repository,
        token=row.lease_token or "",
        revision=row.revision,
        suspect_until=row.suspect_until,
        renewed_at=renewed_at,
        expires=row.lease_expires or 0,
        counted=row.verification_counted,
        renamed_from=row.renamed_from,
    )
