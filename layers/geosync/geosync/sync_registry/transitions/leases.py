"""The lease of a repository: who works on it, until when, and how it is let go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.errors import CorruptItem, LeaseLost
from geosync.sync_registry.counted import Counted
from geosync.sync_registry.failures import cut
from geosync.sync_registry.items import (
    FAILED,
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
)
from geosync.sync_registry.site import counters
from geosync.sync_registry.table.changes import Check, Delete, Key, Update
from geosync.sync_registry.table.shards import due_shard, verification_shard
from geosync.sync_registry.timing import Timing, ms

HELD = ("lease_token", "lease_expires", "working_on", "deaths")
"""Fields that a row lacks while nobody holds the repository."""
UNVERIFIED = ("verification_state", "verification_due")
"""Fields that a row lacks while anything in it is owed."""
STATES_COUNTED = (SYNCED, FAILED)
"""The states of rows that the site's counters count."""


def knock(
    believed: Row | None, repository: str, *, now_ms: int, token: str, timing: Timing, take: bool = True
) -> Update:
    """Tell whoever holds the repository that something was marked, and with no live lease acquire it.

    `believed` is the row as last read, None when not known: when the condition fails, build it again from the row that
    was there. With `take` False (somebody else is to be woken, or nobody yet) nothing is acquired, and the row is due:
    should the wake be lost, the sweep finds a row that says pending, even if nothing is owed in it any more. The knock
    acquired if the row that it returns has `token`.
    """
    if believed is not None and believed.leased(now_ms):
        # Its holder only looks again, as a comparison does: now something is owed.
        owes = {"state": PENDING} if believed.state == SYNCED else {}
        return Update(
            key=Key(repository, ROW),
            set=owes,
            add={"revision": 1},
            remove=UNVERIFIED,
            when=Attr("lease_token").eq(believed.lease_token) & Attr("lease_expires").gt(now_ms),
        )
    pending = {"retry_count": 0}
    if take:
        taken = _take(believed, repository, now_ms=now_ms, token=token, timing=timing)
        started = {"state": STARTED, **pending}
        return replace(taken, set={**taken.set, **started}, add={"revision": 1}, remove=("retry_at", *UNVERIFIED))
    return Update(
        key=Key(repository, ROW),
        set={"state": PENDING, **pending, "due": now_ms, "due_shard": due_shard(repository)},
        set_once={"created_at": now_ms},
        add={"revision": 1},
        remove=("retry_at", *UNVERIFIED),
        when=_not_taken_since(believed),
    )


def acquire(believed: Row | None, repository: str, *, now_ms: int, token: str, timing: Timing) -> Update | None:
    """Take the repository for work that was marked before (a wake); None: `believed` says somebody holds it."""
    if believed is not None and believed.leased(now_ms):
        return None
    return _take(believed, repository, now_ms=now_ms, token=token, timing=timing)


def acquire_settled(believed: Row | None, repository: str, *, now_ms: int, token: str, timing: Timing) -> Update | None:
    """Take the repository to forget it; None: as for `acquire`, or a tag write of its last holder may still land.

    Whoever took it then could only let it go, and with it what the row says of a holder that vanished.
    """
    if believed is not None and writes_land_until(believed, ms(timing.suspect_s)) > now_ms:
        return None
    return acquire(believed, repository, now_ms=now_ms, token=token, timing=timing)


def writes_land_until(row: Row, suspect_ms: int) -> int:
    """The moment (ms) from which no tag write of the row's last holder can land; of a live lease, should it run out.

    `suspect_ms` is how long after its lease ran out a write of a holder may land.
    """
    expired = row.lease_expires + suspect_ms if row.lease_expires is not None else 0
    return max(row.suspect_until, expired)


def _take(believed: Row | None, repository: str, *, now_ms: int, token: str, timing: Timing) -> Update:
    """Acquire a lease that nobody holds, or take over one that ran out.

    A synced row stays so: nobody knocked since, so that its holder only looks again (a later comparison). Once it finds
    something to be done, the row is started (`owe`).
    """
    state = {"state": STARTED} if believed is None or believed.state != SYNCED else {}
    return Update(
        key=Key(repository, ROW),
        set={
            **state,
            "last_synced_at": now_ms,
            "lease_token": token,
            **_lease_time(repository, now_ms, timing),
            **_taken_over(believed, timing),
        },
        set_once={"created_at": now_ms, "first_held_at": now_ms},
        when=_not_taken_since(believed),
    )


def _taken_over(believed: Row | None, timing: Timing) -> dict[str, Any]:
    """Attributes that a take-over sets; none where nobody left a lease behind.

    The lease that ran out says until when tag writes of its holder may land. Its holder vanished, which is counted;
    `working_on` stays until the attempt is counted for what it names (transitions/deaths.py).
    """
    if believed is None or believed.lease_expires is None:
        return {}
    return {"suspect_until": writes_land_until(believed, ms(timing.suspect_s)), "deaths": believed.deaths + 1}


def _not_taken_since(believed: Row | None) -> ConditionBase:
    """The lease is as it was read: nobody's, or the one that ran out."""
    if believed is None or believed.lease_token is None:
        return Attr("lease_token").not_exists()
    return Attr("lease_token").eq(believed.lease_token) & Attr("lease_expires").eq(believed.lease_expires)


def _lease_time(repository: str, now_ms: int, timing: Timing) -> dict[str, Any]:
    """A leased row is due when its lease expires, so that the sweep finds a holder that vanished."""
    expires = now_ms + ms(timing.lease_s)
    return {"lease_expires": expires, "due": expires, "due_shard": due_shard(repository)}


def is_mine(lease: Lease) -> ConditionBase:
    """The row's condition that nobody else has the repository."""
    return Attr("lease_token").eq(lease.token)


def check(lease: Lease) -> Check:
    """The change by which a transaction holds only while nobody else has the repository."""
    return Check(key=Key(lease.repository, ROW), when=is_mine(lease))


def lost(repository: str) -> LeaseLost:
    """The error for whoever finds that another holder has the repository."""
    return LeaseLost(f"{repository}: another holder has the repository")


def renew(lease: Lease, *, now_ms: int, timing: Timing, working_on: frozenset[str] | None = None) -> Update:
    """Keep the repository for another lease, if nobody took it.

    `working_on` are the keys of the references that the holder is working on: whoever takes over counts an attempt for
    them. None leaves what the row says.
    """
    values = {**_lease_time(lease.repository, now_ms, timing), **_suspicion(lease)}
    if working_on:
        values["working_on"] = working_on
    gone = ("working_on",) if working_on is not None and not working_on else ()
    return Update(key=Key(lease.repository, ROW), set=values, remove=gone, when=is_mine(lease))


def suspect(lease: Lease, *, now_ms: int, timing: Timing) -> Lease:
    """The lease of a holder that suspects a tag write may still land: nothing seen before `now_ms` + suspect is proof.

    Its next write of the row says so.
    """
    return replace(lease, suspect_until=max(lease.suspect_until, now_ms + ms(timing.suspect_s)))


def _suspicion(lease: Lease) -> dict[str, int]:
    """The attribute that says until when a tag write may land; none where no write was ever suspected.

    Each renewal and each release sets it. So the next holder reads it, even if the renewal after the write failed.
    """
    return {"suspect_until": lease.suspect_until} if lease.suspect_until else {}


def owe(lease: Lease) -> Update:
    """Note that something is owed in a row that was synced until now, before it is marked or worked on."""
    counted, gone = _counted(lease, STARTED)
    return Update(
        key=Key(lease.repository, ROW),
        set={"state": STARTED, **counted},
        remove=(*gone, *UNVERIFIED),
        when=is_mine(lease) & _is_counted(lease),
    )


def note_missing_on_primary(lease: Lease, *, missing: bool) -> Update:
    """Note in the row that the primary does not know the repository at all (`missing`), or does."""
    return Update(key=Key(lease.repository, ROW), set={"missing_on_primary": missing}, when=is_mine(lease))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """References that are still owed in a repository when nothing is due; the row's state follows from them."""

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


def finish(lease: Lease, remaining: Remaining, *, now_ms: int) -> Update:
    """Let the repository go, if nobody knocked since the query that found nothing due (`lease` is from before it).

    The state is synced only if nothing at all is owed, failed if a reference that is owed has failed, else pending.
    `counters_of` gives the other changes of the transaction.
    """
    when = is_mine(lease) & _is_unmoved(lease)
    if not remaining.owed:
        synced = _synced(lease, now_ms, when)
        return replace(synced, set={**synced.set, "retry_count": 0}, remove=(*synced.remove, "last_sync_failure"))
    gone = (*UNVERIFIED, "verification_counted")
    if not remaining.failed:
        return _let_go(lease, {"state": PENDING}, gone, now_ms=now_ms, when=when)
    values = _failed(remaining.failed)
    return _let_go(lease, values, gone if "retry_at" in values else ("retry_at", *gone), now_ms=now_ms, when=when)


def _synced(lease: Lease, now_ms: int, when: ConditionBase) -> Update:
    """Let a repository go that is synced: it waits for its verification."""
    counted, gone = _counted(lease, SYNCED)
    return Update(
        key=Key(lease.repository, ROW),
        set={"state": SYNCED, "due_shard": verification_shard(lease.repository), **_suspicion(lease), **counted},
        set_once={"verification_state": VERIFICATION_PENDING},
        set_from={"due": ("verification_due", now_ms)},
        remove=(*HELD, "retry_at", *gone),
        when=_is_listed(lease, when & _is_counted(lease)),
    )


def drop(lease: Lease) -> Delete:
    """Let the repository go without a row: nothing is owed in it, and nothing of it was ever seen equal.

    `lease` is from before that was read. A mark that was written since is followed by a knock: either it moved the row,
    or it finds none and makes another.
    """
    return Delete(key=Key(lease.repository, ROW), when=is_mine(lease) & _is_unmoved(lease))


def _failed(failed: Sequence[Owed]) -> dict[str, Any]:
    """The row's fields where `failed` of what is owed have failed: the latest failure, and the next try if any."""
    latest = max(failed, key=lambda owed: (owed.failed_at or 0, str(owed.reference)))
    retries = [owed.due for owed in failed if owed.due is not None]
    return {
        "state": FAILED,
        "retry_count": max(owed.attempts for owed in failed),
        "last_sync_failure": cut(f"Container repository sync failed: {latest.reference}: {latest.failure}"),
        **({"retry_at": min(retries)} if retries else {}),
    }


def _is_unmoved(lease: Lease) -> ConditionBase:
    """Nobody knocked since `lease` was read."""
    return Attr("revision").eq(lease.revision) if lease.revision else Attr("revision").not_exists()


def release(lease: Lease, *, now_ms: int) -> Update:
    """Let the repository go with work left in it (time is short): what is due wakes the next.

    The row of a holder that only looked again stays synced, unless somebody knocked: then release it as one that is not
    synced (`lease.state`).
    """
    if lease.state == SYNCED:
        return _synced(lease, now_ms, is_mine(lease) & _is_unmoved(lease))
    return _let_go(lease, {"state": PENDING}, (), now_ms=now_ms, when=is_mine(lease))


def _let_go(lease: Lease, values: dict[str, Any], gone: tuple[str, ...], *, now_ms: int, when: ConditionBase) -> Update:
    """Let a repository go that is not synced.

    While a tag write may still land, the row stays in the index `due`, so that a promotion finds it. What is synced
    was seen when none could land any more.
    """
    counted, uncounted = _counted(lease, values["state"])
    place: dict[str, Any] = {}
    if lease.suspect_until > now_ms:
        place = {"due": lease.suspect_until, "due_shard": due_shard(lease.repository)}
    if values["state"] in STATES_COUNTED:
        when = _is_listed(lease, when)
    return Update(
        key=Key(lease.repository, ROW),
        set={**values, **place, **_suspicion(lease), **counted},
        remove=(*HELD, *(() if place else ("due", "due_shard")), *uncounted, *gone),
        when=when & _is_counted(lease),
    )


def _counted(lease: Lease, state: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The attributes of the row that say what it counts as from now on: those to set, and those to remove."""
    after = state if lease.listed and state in STATES_COUNTED else None
    if after == lease.counted.state:
        return {}, ()
    return ({"state_counted": after}, ()) if after is not None else ({}, ("state_counted",))


def _is_counted(lease: Lease) -> ConditionBase:
    """The row is still counted as the lease says, so that the counters change by the right step."""
    counted = Attr("state_counted")
    return counted.eq(lease.counted.state) if lease.counted.state is not None else counted.not_exists()


def _is_listed(lease: Lease, when: ConditionBase) -> ConditionBase:
    """`when`, and the row has got no id since the lease was read without one: it would have to be counted now.

    Its holder renews the lease, and lets the row go as one that has its id.
    """
    return when if lease.listed else when & Attr("id").not_exists()


def counters_of(lease: Lease, change: Update) -> list[Update]:
    """The change of the site's counters that goes with a change of the lease's row, in one transaction."""

    def after(name: str, before: str | None) -> str | None:
        return None if name in change.remove else change.set.get(name, before)

    before = lease.counted
    return counters.moved(
        lease.repository,
        before,
        Counted(
            state=after("state_counted", before.state), verification=after("verification_counted", before.verification)
        ),
    )
