"""A small world around the real protocol: a primary, a secondary, events, time, and two workers that may die.

A state is one nested tuple. Time does not count up: `NOW` stays, and a tick makes everything else one older, down to a
bound, so that there are finitely many states. Marks and revisions are renamed by the order in which they appear, and
workers sorted, since only equality counts. Every read and write of the table, and every decision, is the library's
own, called on a store in memory; what is modelled here is what surrounds it, and the order of a holder's requests.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from geosync.clock import Clock
from geosync.errors import LeaseLost
from geosync.sync_registry.items import (
    ABSENT,
    ADOPT,
    KEEP,
    MISSING,
    OWED_PREFIX,
    ROW,
    SYNCED,
    Lease,
    Owed,
    Reference,
    Seen,
)
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import ConditionFailed, Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard, verification_shard
from geosync.sync_registry.timing import Timing
from geosync.sync_registry.transitions import leases
from geosync.sync_registry.transitions.marks import Mark

NOW = 10_000
OLDEST = 2
"""Ticks after which a moment is as old as it can be: the longest settle time."""
LONG_AGO = NOW - OLDEST - 1
"""When the whole repository was marked whose comparison marks tags now: before anything else is known of."""
REPOSITORY = "project/app"
FOREIGN = "F"
"""The digest of a tag at the secondary that Geosync did not put there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Where an exploration starts, and what may happen in it. One tick is one millisecond."""

    name: str
    primary: tuple[str | None, ...]
    """What each tag is at first, at the primary."""
    secondary: tuple[str | None, ...]
    known: bool = True
    """Whether the secondary's tags are recorded as Geosync's own (a look long ago)."""
    owed: bool = False
    """Whether the tags are owed from the start, as a backfill marks them."""
    pushes: tuple[tuple[int, str | None], ...]
    """What happens at the primary, in this order: (tag, digest), None for a deletion."""
    write_delay: int = 1
    """Ticks after its event until which a push is written; 0: before anything else happens."""
    together: int = 2
    """How many pushes may be in progress at once."""
    asked: int = 0
    """How many times somebody who saw no event (a comparison, a resync, an operator) marks the first tag."""
    asks: str | None = None
    """What they say of the secondary's tag: ADOPT, or, while the primary has none, MISSING or KEEP."""
    lost: bool = False
    """Whether the primary lost its tags before, and nobody announced it."""
    suspended: bool = False
    """Whether the breaker is on."""
    duplicates: int = 0
    crashes: int = 0
    unknowns: int = 0
    """Tag writes that are given up without an answer."""
    stalls: int = 0
    """How many times a worker misses a renewal, and goes on under a lease that runs out, or may have been lost."""
    apart: bool = False
    """Whether one function marks and knocks, and another works once its wake arrives."""
    split: bool = True
    """Whether other things happen between a mark and its knock."""
    workers: int = 2

    @property
    def timing(self) -> Timing:
        tick = 0.001
        return Timing(
            lease_s=2 * tick,
            renewal_s=tick / 2,
            stale_renewal_s=tick,
            tag_write_timeout_s=tick,
            settle_s=(self.write_delay + 1) * tick,
            suspect_s=(LATE + 1) * tick,
            polls_s=(),
        )


LATE = 2
"""Ticks after it was given up, or its client died, until which a tag write may land: less than `suspect`."""
WRITE_TIMEOUT = 1


class Table(NamedTuple):
    """What the protocol reads of the table; the rest of the items does not change what happens."""

    row: tuple[Any, ...] | None
    """(state, revision, lease_token, lease_expires, suspect_until, due)"""
    owed: tuple[tuple[Any, ...] | None, ...]
    """for each tag (mark, expects with if_absent, marked_at, due)"""
    seen: tuple[tuple[Any, ...] | None, ...]
    """for each tag (digest, looked_at)"""


class Worker(NamedTuple):
    """What a worker has in memory, and what it is about to do."""

    phase: str = "idle"
    lease: tuple[Any, ...] | None = None
    """(token, revision, suspect_until, expires)"""
    owed: tuple[Any, ...] | None = None
    """(tag, mark, expects with if_absent, marked_at, due, seen), read before the look at the primary"""
    primary: tuple[Any, ...] | None = None
    """(digest, at)"""
    writes: int = 0
    stalled: bool = False
    more: Any = None
    """writing: (digest, deadline); postpone: due; discharge: (digest, looked_at) or None; unmarked: the event;
    finish: (revision, how many are owed)"""


IDLE = Worker()


class State(NamedTuple):
    """Everything."""

    primary: tuple[str | None, ...]
    pending: tuple[tuple[int, str | None, int], ...]
    """pushes that sent their event and are not written: (tag, digest, deadline)"""
    pushed: int
    events: tuple[tuple[int, str, int], ...]
    """(tag, digest or ABSENT, received_at)"""
    secondary: tuple[str | None, ...]
    late: tuple[tuple[int, str | None, int], ...]
    """tag writes that nobody waits for: (tag, digest, deadline)"""
    table: Table
    workers: tuple[Worker, ...]
    asked: int
    duplicates: int
    crashes: int
    unknowns: int
    stalls: int


class Violation(Exception):
    """A property does not hold in a state, or was broken by a step."""


# ------------------------------------------------------------------------------------ the table, as the library has it


def _items(table: Table) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    shard = due_shard(REPOSITORY)
    if table.row is not None:
        state, revision, token, expires, suspect_until, due = table.row
        row = {"state": state, "suspect_until": suspect_until, "id": 1, "created_at": 1}
        if revision:
            row["revision"] = revision
        if token is not None:
            row |= {"lease_token": token, "lease_expires": expires}
        if due is not None:
            row |= {"due": due, "due_shard": shard}
        elif state == SYNCED and token is None:
            row |= {"due": NOW, "due_shard": verification_shard(REPOSITORY)}
        items.append({"repository": REPOSITORY, "item": ROW, **row})
    for tag, owed in enumerate(table.owed):
        if owed is not None:
            mark, said, marked_at, due = owed
            item = {"mark": mark, "marked_at": marked_at, "due": due, "due_shard": shard}
            item |= {name: texts for name, texts in (("expects", said - SAID), ("if_absent", said & SAID)) if texts}
            items.append({"repository": REPOSITORY, "item": _reference(tag).owed_key, **item})
    for tag, seen in enumerate(table.seen):
        if seen is not None:
            item = {"digest": seen[0], "looked_at": seen[1], "seen_at": seen[1]}
            items.append({"repository": REPOSITORY, "item": _reference(tag).seen_key, **item})
    return items


def _table(store: MemoryStore, tags: int) -> Table:
    row: Any = store.get(Key(REPOSITORY, ROW))
    if row:
        waiting = row.get("due_shard") == verification_shard(REPOSITORY)
        if waiting != (row.get("state") == SYNCED and "lease_token" not in row):
            raise Violation("what waits for its verification is what is synced and nobody's, and nothing else")
        swept = row.get("due_shard") == due_shard(REPOSITORY)
        row = {**row, "due": row.get("due") if swept else None}
    owed: list[Any] = []
    seen: list[Any] = []
    for tag in range(tags):
        item = store.get(Key(REPOSITORY, _reference(tag).owed_key))
        owed.append(item and (item["mark"], _said(item), item["marked_at"], item["due"]))
        item = store.get(Key(REPOSITORY, _reference(tag).seen_key))
        seen.append(item and (item["digest"], item["looked_at"]))
    return Table(
        row
        and (
            row["state"],
            row.get("revision", 0),
            row.get("lease_token"),
            row.get("lease_expires"),
            row.get("suspect_until", 0),
            row.get("due"),
        ),
        tuple(owed),
        tuple(seen),
    )


SAID = frozenset({MISSING, ADOPT, KEEP})
"""What `if_absent` holds; in a state it stands in one set with what is expected."""


def _said(item: Any) -> frozenset[str]:
    said: frozenset[str] = item.get("expects", frozenset()) | item.get("if_absent", frozenset())
    return said


def _reference(tag: int) -> Reference:
    return Reference.tag(f"v{tag}")


class _StandingClock(Clock):
    """Stands at NOW: a state is told apart by times relative to it."""

    def now_ms(self) -> int:
        return NOW

    def monotonic_s(self) -> float:
        return NOW / 1000


class Library:
    """The library's calls on a table given as a value; the same call on the same table is made once."""

    fresh = "fresh"
    """A mark or token that is in no state: canonical states have names of their own."""

    def __init__(self, scenario: Scenario) -> None:
        self.timing = scenario.timing
        self.call = lru_cache(maxsize=None)(self._call)

    def _call(self, table: Table, name: str, *args: Any) -> tuple[Table, Any]:
        store = MemoryStore(_items(table))
        registry = SyncRegistry(store, timing=self.timing, clock=_StandingClock(), names=lambda: self.fresh)
        result = getattr(self, f"_{name}")(registry, store, *args)
        return _table(store, len(table.owed)), result

    def _is_already_seen(self, registry: SyncRegistry, _: MemoryStore, tag: int, digest: str, received_at: int) -> bool:
        glance = registry.look(REPOSITORY, _reference(tag))
        return registry.is_already_seen(glance, None if digest == ABSENT else digest, received_at)

    def _mark(
        self, registry: SyncRegistry, _: MemoryStore, tag: int, digest: str | None, asks: str | None = None
    ) -> None:
        if_absent = frozenset({asks} if asks is not None else ())
        compared = digest is None and asks in (None, MISSING)
        since = LONG_AGO if compared else None
        registry.mark(REPOSITORY, _reference(tag), Mark(expects=digest, if_absent=if_absent, since=since))

    def _knock(self, registry: SyncRegistry, _: MemoryStore) -> tuple[Any, ...] | None:
        return _plain_lease(registry.knock(REPOSITORY))

    def _tell(self, registry: SyncRegistry, _: MemoryStore) -> bool:
        return registry.tell(REPOSITORY)

    def _wake(self, registry: SyncRegistry, _: MemoryStore) -> tuple[Any, ...] | None:
        return _plain_lease(registry.acquire(REPOSITORY))

    def _acquire(self, registry: SyncRegistry, _: MemoryStore) -> tuple[Any, ...] | None:
        return _plain_lease(registry.acquire(REPOSITORY)) if registry.due_repositories() else None

    def _renew(self, registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with suppress(LeaseLost):
            return _plain_lease(registry.renew(_lease(lease)))
        return None

    def _suspect(self, registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with suppress(LeaseLost):
            return _plain_lease(registry.suspect(_lease(lease)))
        return None

    def _due(self, registry: SyncRegistry, store: MemoryStore) -> tuple[tuple[Any, ...] | None, int]:
        due = registry.due(REPOSITORY, 1)
        remaining = len(store.items(REPOSITORY, OWED_PREFIX, limit=9))
        return (_plain_owed(due[0]) if due else None), remaining

    def _postpone(self, registry: SyncRegistry, _: MemoryStore, owed: tuple[Any, ...], due: int) -> bool:
        return registry.postpone(_owed(owed), due)

    def _discharge(
        self, registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...], owed: tuple[Any, ...], seen: Any
    ) -> bool | None:
        what = None if seen is None else Seen(digest=seen[0], looked_at=seen[1], seen_at=seen[1])
        with suppress(LeaseLost):
            return registry.discharge(_lease(lease), _owed(owed), what)
        return None

    def _finish(self, _: SyncRegistry, store: MemoryStore, lease: tuple[Any, ...], remaining: int) -> bool | None:
        """The second half of SyncRegistry.finish: `remaining` was read before, in `_due`."""
        items = [{"repository": REPOSITORY, "item": "owed#tag#x", "mark": "x", "marked_at": 0}] * remaining
        try:
            store.write(leases.finish(_lease(lease), leases.Remaining.of(items), now_ms=NOW))
        except ConditionFailed as failed:
            mine = failed.item is not None and failed.item.get("lease_token") == lease[0]
            return False if mine else None
        return True


def _lease(lease: tuple[Any, ...]) -> Lease:
    token, revision, suspect_until, expires = lease
    return Lease(
        repository=REPOSITORY,
        token=token,
        revision=revision,
        suspect_until=suspect_until,
        renewed_at=0.0,
        expires=expires,
    )


def _plain_lease(lease: Lease | None) -> tuple[Any, ...] | None:
    return None if lease is None else (lease.token, lease.revision, lease.suspect_until, lease.expires)


def _owed(owed: tuple[Any, ...]) -> Owed:
    tag, mark, said, marked_at, due, seen = owed
    return Owed(
        repository=REPOSITORY,
        reference=_reference(tag),
        mark=mark,
        expects=said - SAID,
        if_absent=said & SAID,
        marked_at=marked_at,
        owed_since=marked_at,
        due=due,
        seen=None if seen is None else Seen(digest=seen[0], looked_at=seen[1], seen_at=seen[1]),
    )


def _plain_owed(owed: Owed) -> tuple[Any, ...]:
    seen = owed.seen and (owed.seen.digest, owed.seen.looked_at)
    said = owed.expects | owed.if_absent
    return (int(owed.reference.value[1:]), owed.mark, said, owed.marked_at, owed.due, seen)
