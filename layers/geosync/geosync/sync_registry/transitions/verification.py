"""GitLab's verification states of a row, as conditional writes; pure functions.

```
pending 0     what is synced and was not verified since (set by finish, and by reverify)
started 1     a run is at it, or will go on at `verification_due`
succeeded 2   equal, and the blobs are there; due again after the interval
failed 3      the reason, both checksums, retry_count and retry_at; due again at retry_at
disabled 4    something is owed (the attribute is missing)
```

`verification_asked_at` (ms) is when somebody asked for a verification. It stays until one succeeds, whatever is pushed
or fails meanwhile. Where rolling verification is off, only such rows are verified.

A run's writes hold only while `verification_due` is what the run itself wrote last: a knock and a discharge take it
away, another run moves it. So a run that was overtaken by a push writes nothing more. Whoever holds the repository's
lease owns `due` and `due_shard`: under a lease they stay, and `finish` sets them from `verification_due`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from boto3.dynamodb.conditions import Attr

from geosync.clock import DAY_MS
from geosync.sync_registry import failures
from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import (
    PENDING,
    ROW,
    SYNCED,
    VERIFICATION_FAILED,
    VERIFICATION_PENDING,
    VERIFICATION_STARTED,
    VERIFICATION_SUCCEEDED,
    Item,
    Row,
)
from geosync.sync_registry.measured import MeasuredTags
from geosync.sync_registry.site import counters
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Change, Key, Update
from geosync.sync_registry.table.shards import verification_shard

MISMATCH = "Checksum does not match the primary checksum"
"""GitLab's words."""
PROGRESS = ("verification_phase", "verification_cursor")
"""Fields of the row that a round keeps between two runs."""
ABANDONED_AFTER_MS = 16 * 60_000
"""Milliseconds after a run's last write until another takes over: an invocation, and a minute."""
OFF_MS = 7 * DAY_MS
"""Milliseconds after which a row that waits for nobody is due again while rolling verification is off. It is put off
again then; should verification be on by that time, it is verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round through a repository, as far as it got. A run reads it from the row, and writes it back.

    `until` is the `verification_due` that this run wrote last. `cursor` is the key after which `phase` goes on.
    `spent` requests were made on `day` (days since the epoch).
    """

    repository: str
    until: int
    phase: str
    cursor: str
    day: int
    spent: int
    retry_count: int
    counted: Counted
    leased: bool = False

    @classmethod
    def of(cls, item: Item, *, phase: str) -> Round:
        """Read the row of a round that begins (at `phase`) or goes on; what cannot be read begins anew."""
        known = item.get("verification_phase")
        row = Row.from_item(item)
        return cls(
            repository=row.repository,
            until=whole_number(item, "verification_due"),
            phase=known if isinstance(known, str) else phase,
            cursor=str(item.get("verification_cursor", "")),
            day=whole_number(item, "verification_day"),
            spent=whole_number(item, "verification_requests"),
            retry_count=row.verification_retry_count,
            counted=row.counted,
        )

    def spent_on(self, now_ms: int) -> int:
        """The requests made on the day of `now_ms`."""
        return self.spent if self.day == now_ms // DAY_MS else 0


def not_now(item: Item | None, *, now_ms: int, asked: bool) -> str | None:
    """The reason why a repository is not verified now; None when it is. `asked`: somebody wants it before it is due."""
    if item is None:
        return "nothing was ever synced"
    row = Row.from_item(item)
    if row.state != SYNCED:
        return "something is owed in it"
    if row.leased(now_ms):
        return "it is worked on"
    due = item.get("due")
    is_due = isinstance(due, int) and due <= now_ms and row.lease_token is None
    if row.verification_state == VERIFICATION_STARTED:
        return None if is_due else "a verification is at it"
    return None if is_due or asked else "it is not due"


def retry_at(item: Item, *, now_ms: int, asked: bool) -> int | None:
    """The moment (ms) at which a repository whose verification failed is verified again, if it is still to come."""
    due = item.get("verification_retry_at")
    return due if isinstance(due, int) and due > now_ms and not asked else None


def is_asked_for(item: Item) -> bool:
    """Somebody asked for the verification that a row waits for, or it is under way."""
    return "verification_asked_at" in item or item.get("verification_state") == VERIFICATION_STARTED


def start(item: Item, *, now_ms: int, asked: bool = False) -> Update:
    """Begin a round, or go on with one, if the row is as it was read; `asked`: somebody asked for it."""
    repository = str(item["repository"])
    due = item.get("due")
    until = now_ms + ABANDONED_AFTER_MS
    goes_on = item.get("verification_state") == VERIFICATION_STARTED
    unmoved = Attr("due").eq(due) if due is not None else Attr("due").not_exists()
    return Update(
        key=Key(repository, ROW),
        set={
            "verification_state": VERIFICATION_STARTED,
            "verification_due": until,
            "due": until,
            "due_shard": verification_shard(repository),
            **({} if goes_on else {"verification_started_at": now_ms}),
        },
        set_once={"verification_asked_at": now_ms} if asked else {},
        remove=() if goes_on else PROGRESS,
        when=Attr("state").eq(SYNCED) & Attr("lease_token").not_exists() & unmoved,
    )


def put_off(item: Item, due: int) -> Update:
    """Have a row that waits be due later, if it is as it was read."""
    return Update(
        key=Key(str(item["repository"]), ROW),
        set={"due": due, "verification_due": due},
        when=Attr("due").eq(item.get("due")) & Attr("lease_token").not_exists(),
    )


def keep(at: Round, due: int, *, anew: bool = False) -> Update:
    """Write down how far a round got; it goes on at `due` (ms). `anew`: from the beginning."""
    if anew:
        return _change(at, {"verification_state": VERIFICATION_PENDING, **_spent(at)}, PROGRESS, due)
    progress = {"verification_phase": at.phase, "verification_cursor": at.cursor}
    return _change(at, {**progress, **_spent(at)}, (), due)


def succeed(at: Round, checksum: str, *, now_ms: int, due: int, measured: MeasuredTags | None = None) -> list[Change]:
    """The transaction that ends a round well; due again at `due`. `measured`: what it counted meanwhile."""
    values = {
        "verification_state": VERIFICATION_SUCCEEDED,
        "verified_at": now_ms,
        "verification_checksum": checksum,
        "verification_retry_count": 0,
        "verification_counted": counters.VERIFIED,
        "checksum_mismatch": False,
        **_spent(at),
    }
    unmeasured: tuple[str, ...] = ()
    if measured is not None:
        values |= {"measured_tags": measured.tags, "measured_at": measured.at}
        if measured.size_bytes is not None:
            values["measured_bytes"] = measured.size_bytes
        else:
            unmeasured = ("measured_bytes",)
    gone = (
        *unmeasured,
        "verification_asked_at",
        "verification_retry_at",
        "verification_failure",
        "verification_checksum_mismatched",
        *PROGRESS,
    )
    return [
        _change(at, values, gone, due),
        *counters.moved(at.repository, at.counted, replace(at.counted, verification=counters.VERIFIED)),
    ]


def fail(
    at: Round,
    failure: str,
    *,
    now_ms: int,
    jitter: int,
    checksums: tuple[str, str] | None = None,
    owed: bool = False,
) -> list[Change]:
    """The transaction that ends a round badly, with GitLab's backoff.

    `checksums` are the secondary's and the primary's, None when there are none. `owed`: references were marked, so that
    the row is not synced any more, and waits for nothing but that.
    """
    count = at.retry_count + 1
    due = failures.retry_at(count, now_ms=now_ms, jitter=jitter)
    counted = counters.FAILED if checksums else counters.UNREADABLE
    values: dict[str, Any] = {
        "verification_state": VERIFICATION_FAILED,
        "verified_at": now_ms,
        "verification_failure": failures.cut(failure),
        "verification_retry_count": count,
        "verification_retry_at": due,
        "verification_counted": counted,
        "checksum_mismatch": checksums is not None and checksums[0] != checksums[1],
        **_spent(at),
    }
    gone: tuple[str, ...] = PROGRESS
    if checksums is not None:
        values["verification_checksum"], values["verification_checksum_mismatched"] = checksums
    else:
        gone = (*gone, "verification_checksum", "verification_checksum_mismatched")
    change, after = _change(at, values, gone, due), replace(at.counted, verification=counted)
    if owed and not at.leased:
        here = {name: value for name, value in change.set.items() if name not in ("due", "due_shard")}
        change = Update(
            key=change.key,
            set={**here, "state": PENDING},
            remove=(*change.remove, "due", "due_shard", "state_counted"),
            when=change.when,
        )
        after = replace(after, state=None)
    return [change, *counters.moved(at.repository, at.counted, after)]


def _change(at: Round, values: Mapping[str, Any], gone: tuple[str, ...], due: int) -> Update:
    """A write of the run that is `at` this place: only while nobody overtook it, and with the lease as it was seen."""
    place = {} if at.leased else {"due": due, "due_shard": verification_shard(at.repository)}
    leased = Attr("lease_token").exists() if at.leased else Attr("lease_token").not_exists()
    state, counted = Attr("state_counted"), at.counted.state
    return Update(
        key=Key(at.repository, ROW),
        set={**values, "verification_due": due, **place},
        remove=gone,
        when=Attr("verification_due").eq(at.until)
        & leased
        & (state.eq(counted) if counted is not None else state.not_exists()),
    )


def _spent(at: Round) -> dict[str, int]:
    return {"verification_day": at.day, "verification_requests": at.spent}
