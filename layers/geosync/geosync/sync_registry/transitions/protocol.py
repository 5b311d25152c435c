"""The transitions of what is owed and of the lease, as pure functions from values and a time to conditional writes.

```
mark       owed item: a new unique mark, expects += the event's digest, due = now     (`marks`; always first)
knock      row: revision += 1; state 0 unless leased; with no live lease, acquire in the same write
acquire    a new token each time; over an EXPIRED lease suspect_until = its expiry + suspect
renew      while working; if the revision it returns moved, references came in
discharge  transaction {row.lease = me; owed.mark = what I read}: delete owed, put tag#…
postpone   that reference: due later; only if it was not marked again, as fail and advance
fail       that reference: attempts, failure, due = backoff; the others go on
advance    the whole repository: cursor
suspect    a tag write of unknown outcome: suspect_until = now + suspect
finish     lease mine and revision unchanged since the query that found nothing due: release
```

A knock, and a discharge of anything but the whole repository, take away the row's `verification_state` and
`verification_due`: what was verified is not what is there now. A finish that leaves the row synced makes it due for
verification (at once, or when it was due before), in shards of the index `due` that no sweep reads.

Each rule in here, in `marks` and in `decisions` is held by the model in the tests: without it, a violation comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.errors import CorruptItem
from geosync.sync_registry.failures import cut, retry_at
from geosync.sync_registry.items import (
    FAILED,
    PARKED_DUE,
    PENDING,
    ROW,
    STARTED,
    SYNCED,
    VERIFICATION_PENDING,
    Item,
    Lease,
    Owed,
    Reference,
    Row,
    Seen,
)
from geosync.sync_registry.site import walks
from geosync.sync_registry.table.changes import Change, Check, Delete, Key, Update
from geosync.sync_registry.table.shards import due_shard, failed_shard, verification_shard
from geosync.sync_registry.timing import Timing, ms

UNVERIFIED = ("verification_state", "verification_due")
"""What a row has not while something is owed in it."""
DIGEST_MEMORY = 30 * 86_400
"""Seconds for which a discharged reference by digest is remembered (TTL `expire_at`)."""


def knock(believed: Row | None, repository: str, *, now: int, token: str, timing: Timing, take: bool = True) -> Update:
    """Tell whoever holds the repository that something was marked, and with no live lease acquire it.

    `believed` is the row as last read, None when not known: when the condition fails, build it again from the row that
    was there. With `take` False (somebody else is to be woken, or nobody yet) nothing is acquired, and the row is due:
    should the wake be lost, the sweep finds a row that says pending, even if nothing is owed in it any more. The knock
    acquired if the row that it returns has `token`.
    """
    if believed is not None and believed.leased(now):
        return Update(
            key=Key(repository, ROW),
            add={"revision": 1},
            remove=UNVERIFIED,
            when=Attr("lease_token").eq(believed.lease_token) & Attr("lease_expires").gt(now),
        )
    pending = {"retry_count": 0}
    if take:
        taken = _take(believed, repository, now=now, token=token, timing=timing)
        return replace(taken, set={**taken.set, **pending}, add={"revision": 1}, remove=("retry_at", *UNVERIFIED))
    return Update(
        key=Key(repository, ROW),
        set={"state": PENDING, **pending, "due": now, "due_shard": due_shard(repository)},
        set_once={"created_at": now},
        add={"revision": 1},
        remove=("retry_at", *UNVERIFIED),
        when=_not_taken_since(believed),
    )


def acquire(believed: Row | None, repository: str, *, now: int, token: str, timing: Timing) -> Update | None:
    """Take the repository for work that was marked before (a wake); None: `believed` says somebody holds it."""
    if believed is not None and believed.leased(now):
        return None
    return _take(believed, repository, now=now, token=token, timing=timing)


def _take(believed: Row | None, repository: str, *, now: int, token: str, timing: Timing) -> Update:
    """Acquire a lease that nobody holds; the expiry of one that was left behind says until when its writes may land."""
    suspect = {}
    if believed is not None and believed.lease_expires is not None:
        suspect = {"suspect_until": max(believed.suspect_until, believed.lease_expires + ms(timing.suspect))}
    return Update(
        key=Key(repository, ROW),
        set={
            "state": STARTED,
            "last_synced_at": now,
            "lease_token": token,
            **_lease_time(repository, now, timing),
            **suspect,
        },
        set_once={"created_at": now},
        when=_not_taken_since(believed),
    )


def _not_taken_since(believed: Row | None) -> ConditionBase:
    if believed is None or believed.lease_token is None:
        return Attr("lease_token").not_exists()
    return Attr("lease_token").eq(believed.lease_token) & Attr("lease_expires").eq(believed.lease_expires)


def _lease_time(repository: str, now: int, timing: Timing) -> dict[str, Any]:
    """A leased row is due when its lease expires, so that the sweep finds a holder that vanished."""
    expires = now + ms(timing.lease)
    return {"lease_expires": expires, "due": expires, "due_shard": due_shard(repository)}


def is_mine(lease: Lease) -> ConditionBase:
    """The row's condition that nobody else has the repository."""
    return Attr("lease_token").eq(lease.token)


def renew(lease: Lease, *, now: int, timing: Timing) -> Update:
    """Keep the repository for another lease, if nobody took it."""
    return Update(key=Key(lease.repository, ROW), set=_lease_time(lease.repository, now, timing), when=is_mine(lease))


def suspect(lease: Lease, *, now: int, timing: Timing) -> Update:
    """Say that a tag write may still land: nothing seen before `now` + suspect is proof. Renews the lease as well."""
    until = max(lease.suspect_until, now + ms(timing.suspect))
    return Update(
        key=Key(lease.repository, ROW),
        set={"suspect_until": until, **_lease_time(lease.repository, now, timing)},
        when=is_mine(lease),
    )


def discharge(
    lease: Lease, references: Sequence[tuple[Owed, Seen | None]], *, now: int, primary: str | None = None
) -> list[Change]:
    """The transaction that pays what is owed: first the lease, then for each reference its owed and its seen item.

    `primary` is the one under which it was seen.

    The positions matter to whoever reads a TransactionFailed: 0 is the lease, 1 + 2i the mark of reference i. What
    comes after them are the counters of the comparisons that found them, without a condition.
    """
    row = Key(lease.repository, ROW)
    if any(owed.reference.kind != "repository" for owed, _ in references):
        changes: list[Change] = [Update(key=row, remove=UNVERIFIED, when=is_mine(lease))]
    else:
        changes = [Check(key=row, when=is_mine(lease))]
    for owed, seen in references:
        changes.append(Delete(key=Key(owed.repository, owed.reference.owed_key), when=_is_unmarked(owed)))
        changes.append(_record(owed.repository, owed.reference, seen, now, primary))
    return changes + walks.discharged((owed for owed, _ in references), now=now)


def _is_unmarked(owed: Owed) -> ConditionBase:
    """Nobody marked it again since it was read (and nobody discharged it)."""
    return Attr("mark").eq(owed.mark)


def _record(repository: str, reference: Reference, seen: Seen | None, now: int, primary: str | None) -> Update | Delete:
    key = Key(repository, reference.seen_key)
    if seen is None or reference.kind == "repository":
        return Delete(key=key)
    values: dict[str, Any] = {"digest": seen.digest, "looked_at": seen.looked_at, "seen_at": seen.seen_at}
    if primary is not None:
        values["primary"] = primary
    if reference.kind == "digest":
        values["expire_at"] = now // 1000 + DIGEST_MEMORY
    noted = {"unannounced": seen.unannounced or None, "missing_since": seen.missing_since}
    values |= {name: value for name, value in noted.items() if value is not None}
    return Update(key=key, set=values, remove=tuple(name for name, value in noted.items() if value is None))


def record(
    lease: Lease, seen: Iterable[tuple[Reference, Seen]], *, now: int, primary: str | None = None
) -> list[Change]:
    """The transaction that records what a comparison saw (equal, or missing), nothing of it owed, under the lease."""
    changes: list[Change] = [Check(key=Key(lease.repository, ROW), when=is_mine(lease))]
    for reference, what in seen:
        changes.append(Check(key=Key(lease.repository, reference.owed_key), when=Attr("mark").not_exists()))
        changes.append(_record(lease.repository, reference, what, now, primary))
    return changes


def note_missing_on_primary(lease: Lease, *, missing: bool) -> Update:
    """Say in the row whether the primary knows the repository at all."""
    return Update(key=Key(lease.repository, ROW), set={"missing_on_primary": missing}, when=is_mine(lease))


def postpone(owed: Owed, due: int, *, now: int, failure: str | None = None) -> Update:
    """Make a reference due later; with a `failure`, say why (a registry that is down), without counting an attempt."""
    why = {"failure": cut(failure), "failed_at": now} if failure is not None else {}
    return Update(key=Key(owed.repository, owed.reference.owed_key), set={"due": due, **why}, when=_is_unmarked(owed))


def fail(owed: Owed, failure: str, *, now: int, jitter: int, timing: Timing, parked: bool = False) -> Update:
    """Count a failed attempt, and try again later; parked (`parked`, or too many attempts) only after another mark."""
    attempts = owed.attempts + 1
    values: dict[str, Any] = {
        "attempts": attempts,
        "failure": cut(failure),
        "failed_at": now,
        "due_shard": failed_shard(owed.repository),
    }
    if parked or attempts >= timing.max_attempts:
        values |= {"parked": True, "due": PARKED_DUE}
    else:
        values["due"] = retry_at(attempts, now=now, jitter=jitter)
    return Update(key=Key(owed.repository, owed.reference.owed_key), set=values, when=_is_unmarked(owed))


def advance(owed: Owed, cursor: str, *, due: int) -> Update:
    """Move the whole repository's cursor (the last tag of the page that is done)."""
    return Update(
        key=Key(owed.repository, owed.reference.owed_key), set={"cursor": cursor, "due": due}, when=_is_unmarked(owed)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is still owed in a repository when nothing is due: what a row's state follows from."""

    owed: int
    failed: tuple[Owed, ...] = ()

    @classmethod
    def of(cls, items: Sequence[Item]) -> Remaining:
        """Sum up owed items; one that cannot be read has failed with that as its failure."""
        owed = [_read(item) for item in items]
        return cls(owed=len(owed), failed=tuple(one for one in owed if one.failure is not None))


def _read(item: Item) -> Owed:
    try:
        return Owed.from_item(item)
    except CorruptItem as corrupt:
        return Owed(
            repository=corrupt.repository,
            reference=Reference.from_key(corrupt.item) or Reference.whole(),
            mark="",
            marked_at=0,
            owed_since=0,
            due=None,
            failure=str(corrupt),
            parked=True,
        )


def finish(lease: Lease, remaining: Remaining, *, now: int) -> Update:
    """Let the repository go, if nobody knocked since the query that found nothing due (`lease` is from before it).

    The state is synced only if nothing at all is owed, failed if a reference that is owed has failed, else pending.
    """
    when = is_mine(lease) & _is_unmoved(lease)
    if not remaining.owed:
        return Update(
            key=Key(lease.repository, ROW),
            set={"state": SYNCED, "retry_count": 0, "due_shard": verification_shard(lease.repository)},
            set_once={"verification_state": VERIFICATION_PENDING},
            set_from={"due": ("verification_due", now)},
            remove=("lease_token", "lease_expires", "retry_at", "last_sync_failure"),
            when=when,
        )
    values: dict[str, Any] = {"state": PENDING}
    gone: tuple[str, ...] = (*UNVERIFIED, "verification_counted")
    if remaining.failed:
        latest = max(remaining.failed, key=lambda owed: (owed.failed_at or 0, str(owed.reference)))
        values = {
            "state": FAILED,
            "retry_count": max(owed.attempts for owed in remaining.failed),
            "last_sync_failure": cut(f"Container repository sync failed: {latest.reference}: {latest.failure}"),
        }
        retries = [owed.due for owed in remaining.failed if owed.due is not None]
        if retries:
            values["retry_at"] = min(retries)
        else:
            gone = ("retry_at", *gone)
    return _let_go(lease, values, gone, when)


def _is_unmoved(lease: Lease) -> ConditionBase:
    return Attr("revision").eq(lease.revision) if lease.revision else Attr("revision").not_exists()


def release(lease: Lease) -> Update:
    """Let the repository go with work left in it (time is short): what is due wakes the next."""
    return _let_go(lease, {"state": PENDING}, (), is_mine(lease))


def _let_go(lease: Lease, values: dict[str, Any], gone: tuple[str, ...], when: ConditionBase) -> Update:
    return Update(
        key=Key(lease.repository, ROW),
        set=values,
        remove=("lease_token", "lease_expires", "due", "due_shard", *gone),
        when=when,
    )
