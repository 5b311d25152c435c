"""The library's calls on a table that is given as a value: read into a store in memory, and read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from tests.unit.sync_registry.model.world import (
    ASKED,
    LONG_AGO,
    NO_DEATH,
    NOW,
    OLDEST,
    PAUSE,
    REPOSITORY,
    Scenario,
    Table,
    Violation,
)

from geosync.clock import Clock
from geosync.errors import LeaseLost
from geosync.sync_registry import decisions
from geosync.sync_registry.items import (
    ABSENT,
    ADOPT,
    KEEP,
    MISSING,
    OWED_PREFIX,
    PARKED_DUE_MS,
    ROW,
    SYNCED,
    UNNAMED,
    Lease,
    Owed,
    Reference,
    Seen,
)
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import ConditionFailed, Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard, failed_shard, verification_shard
from geosync.sync_registry.transitions import leases, marks
from geosync.sync_registry.transitions.marks import Mark


def _items(table: Table) -> list[dict[str, Any]]:
    items = [] if table.row is None else [_row_item(table.row)]
    for tag, owed in enumerate(table.owed):
        if owed is not None:
            items.append({"repository": REPOSITORY, "item": _reference(tag).owed_key, **_owed_item(owed)})
    for tag, seen in enumerate(table.seen):
        if seen is not None:
            item = {"digest": seen[0], "announced_at": seen[1], "looked_at": seen[2], "asked_at": seen[2]}
            items.append({"repository": REPOSITORY, "item": _reference(tag).seen_key, **item})
    for digest, *values in table.digests:
        items.append({"repository": REPOSITORY, "item": _reference(digest).owed_key, **_owed_item(tuple(values))})
    return items


def _row_item(values: tuple[Any, ...]) -> dict[str, Any]:
    state, revision, token, expires, suspect_until, due, working_on, deaths = values
    row = {"repository": REPOSITORY, "item": ROW, "state": state, "suspect_until": suspect_until}
    row |= {"id": 1, "created_at": 1}
    optional = {"revision": revision, "working_on": keys(working_on), "deaths": deaths}
    row |= {name: value for name, value in optional.items() if value}
    if token is not None:
        row |= {"lease_token": token, "lease_expires": expires}
    if due is not None:
        row |= {"due": due, "due_shard": due_shard(REPOSITORY)}
    elif state == SYNCED and token is None:
        row |= {"due": NOW, "due_shard": verification_shard(REPOSITORY)}
    return row


def _owed_item(values: tuple[Any, ...]) -> dict[str, Any]:
    mark, said, marked_at, due, (attempts, deaths) = values
    item = {"mark": mark, "marked_at": marked_at, "due": due, "due_shard": due_shard(REPOSITORY)}
    if attempts:
        item |= {"attempts": attempts, "failure": "vanished", "failed_at": NOW, "parked": due == PARKED_DUE_MS}
        item["due_shard"] = failed_shard(REPOSITORY)
    optional = {"expects": said - SAID, "if_absent": said & SAID - {ASKED}, "deaths": deaths, "asked": ASKED in said}
    return item | {name: value for name, value in optional.items() if value}


def _table(store: MemoryStore, tags: int, poison: bool) -> Table:
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
        owed.append(item and _owed_values(item))
        item = store.get(Key(REPOSITORY, _reference(tag).seen_key))
        seen.append(item and plain_seen(Seen.from_item(item)))
    return Table(
        row
        and (
            row["state"],
            row.get("revision", 0),
            row.get("lease_token"),
            row.get("lease_expires"),
            row.get("suspect_until", 0),
            row.get("due"),
            *(_deaths(row.get("working_on", ()), row.get("deaths", 0)) if poison else NO_DEATH),
        ),
        tuple(owed),
        tuple(seen),
        tuple(
            (str(item["item"]).removeprefix(DIGESTS), *_owed_values(item))
            for item in store.items(REPOSITORY, DIGESTS, limit=9)
        ),
    )


DIGESTS = "owed#digest#"
SAID = frozenset({MISSING, ADOPT, KEEP, ASKED})
"""What `if_absent` holds, and ASKED; in a state it stands in one set with what is expected."""


def _owed_values(item: Any) -> tuple[Any, ...]:
    return (item["mark"], _said(item), item["marked_at"], _due(item), _tried(item))


def _said(item: Any) -> frozenset[str]:
    said: frozenset[str] = item.get("expects", frozenset()) | item.get("if_absent", frozenset())
    return said | {ASKED} if item.get("asked") else said


def _due(item: Any) -> int:
    """When it is due, after a failure in `PAUSE`: the library's pause would be thousands of ticks."""
    due: int = item["due"]
    return min(due, NOW + PAUSE) if item.get("attempts") and not item.get("parked") else due


def _tried(item: Any) -> tuple[int, int]:
    return item.get("attempts", 0), item.get("deaths", 0)


def _deaths(working_on: Iterable[str], deaths: int) -> tuple[tuple[int, ...], int]:
    """The tags that are worked on, and whether a holder vanished: how many did changes nothing."""
    return tuple(sorted(int(key.removeprefix("tag#v")) for key in working_on)), min(deaths, 1)


def keys(tags: Iterable[int]) -> frozenset[str]:
    """The keys by which a row names `tags`."""
    return frozenset(_reference(tag).seen_key for tag in tags)


def _reference(tag: int | str) -> Reference:
    """The reference of a tag's number, or of a digest."""
    return Reference.tag(f"v{tag}") if isinstance(tag, int) else Reference.digest(tag)


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
        self.poison = scenario.poison
        self.superseded = scenario.superseded
        self.most_expected = scenario.most_expected
        self.call = lru_cache(maxsize=None)(self._call)

    def _call(self, table: Table, name: str, *args: Any) -> tuple[Table, Any]:
        store = MemoryStore(_items(table))
        sync_registry = SyncRegistry(store, timing=self.timing, clock=_StandingClock(), names=lambda: self.fresh)
        with self._room():
            result = getattr(self, f"_{name}")(sync_registry, store, *args)
        return _table(store, len(table.owed), self.poison), result

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Let the item of a tag take as many digests as the scenario says."""
        before, marks.MOST_EXPECTED = marks.MOST_EXPECTED, self.most_expected
        try:
            yield
        finally:
            marks.MOST_EXPECTED = before

    def _is_already_seen(
        self, sync_registry: SyncRegistry, _: MemoryStore, tag: int, digest: str, received_at: int
    ) -> bool:
        glance = sync_registry.look(REPOSITORY, _reference(tag))
        return sync_registry.is_already_seen(glance, None if digest == ABSENT else digest, received_at)

    def _mark(
        self, sync_registry: SyncRegistry, _: MemoryStore, tag: int, digest: str | None, asks: str | None = None
    ) -> None:
        if_absent = frozenset({asks} if asks not in (None, ASKED) else ())
        compared = digest is None and asks in (None, MISSING)
        since = LONG_AGO if compared else None
        asked = asks == ASKED
        said = Mark(expects=digest, if_absent=if_absent, since=since, keeps_superseded=self.superseded, asked=asked)
        sync_registry.mark(REPOSITORY, _reference(tag), said)

    def _look_anew(self, sync_registry: SyncRegistry, _: MemoryStore, tag: int) -> bool:
        """What a pull does that promises the tag of now, where the tag is owed: False where somebody may be at it."""
        (owed,) = sync_registry.owed_named([(REPOSITORY, _reference(tag))]).values()
        return owed is not None and (owed.due or 0) > NOW and sync_registry.look_anew(owed)

    def _knock(self, sync_registry: SyncRegistry, _: MemoryStore) -> tuple[Any, ...] | None:
        return self._plain_lease(sync_registry.knock(REPOSITORY))

    def _tell(self, sync_registry: SyncRegistry, _: MemoryStore) -> bool:
        return sync_registry.tell(REPOSITORY)

    def _wake(self, sync_registry: SyncRegistry, _: MemoryStore) -> tuple[Any, ...] | None:
        return self._plain_lease(sync_registry.acquire(REPOSITORY))

    def _acquire(self, sync_registry: SyncRegistry, _: MemoryStore) -> tuple[Any, ...] | None:
        return self._plain_lease(sync_registry.acquire(REPOSITORY)) if sync_registry.due_repositories() else None

    def _renew(
        self, sync_registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...], named: tuple[int, ...] | None = None
    ) -> tuple[Any, ...] | None:
        with suppress(LeaseLost):
            return self._plain_lease(sync_registry.renew(_lease(lease), None if named is None else keys(named)))
        return None

    def _plain_lease(self, lease: Lease | None) -> tuple[Any, ...] | None:
        if lease is None:
            return None
        deaths = _deaths(lease.working_on, lease.deaths) if self.poison else NO_DEATH
        return (lease.token, lease.revision, lease.suspect_until, lease.expires, *deaths)

    def _left_behind(
        self, sync_registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], ...]:
        return tuple(_plain_owed(owed) for owed in sync_registry.left_behind(_lease(lease)))

    def _count_deaths(
        self, sync_registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...], left: tuple[tuple[Any, ...], ...]
    ) -> int | None:
        with suppress(LeaseLost):
            return len(sync_registry.count_deaths(_lease(lease), [as_owed(owed) for owed in left], "vanished"))
        return None

    def _suspect(self, sync_registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with suppress(LeaseLost):
            return self._plain_lease(sync_registry.renew(sync_registry.suspect(_lease(lease))))
        return None

    def _release_suspecting(self, sync_registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...]) -> bool:
        """The table refused to write down the suspicion, and takes the release."""
        with suppress(LeaseLost):
            sync_registry.release(sync_registry.suspect(_lease(lease)))
            return True
        return False

    def _due(self, sync_registry: SyncRegistry, store: MemoryStore) -> tuple[tuple[Any, ...] | None, tuple[int, int]]:
        """What a holder takes: the newest, what never failed first; and what is owed, and of that has failed."""
        due = sorted(sync_registry.due(REPOSITORY, 9), key=lambda owed: owed.attempts > 0)
        remaining = store.items(REPOSITORY, OWED_PREFIX, limit=9)
        return (_plain_owed(due[0]) if due else None), (len(remaining), sum("failure" in item for item in remaining))

    def _postpone(self, sync_registry: SyncRegistry, _: MemoryStore, owed: tuple[Any, ...], due: int) -> bool:
        return sync_registry.postpone(as_owed(owed), due)

    def _discharge(
        self, sync_registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...], owed: tuple[Any, ...], seen: Any
    ) -> bool | None:
        what = None if seen is None else as_seen(seen)
        as_it_was = as_owed(owed)
        superseded = decisions.superseded(as_it_was, what) if self.superseded else frozenset()
        with suppress(LeaseLost):
            return sync_registry.discharge(_lease(lease), as_it_was, what, superseded=superseded)
        return None

    def _release(self, sync_registry: SyncRegistry, _: MemoryStore, lease: tuple[Any, ...]) -> bool:
        with suppress(LeaseLost):
            sync_registry.release(_lease(lease))
            return True
        return False

    def _finish(
        self, _: SyncRegistry, store: MemoryStore, lease: tuple[Any, ...], remaining: tuple[int, int]
    ) -> bool | None:
        """The second half of SyncRegistry.finish: `remaining` was read before, in `_due`."""
        owed, failed = remaining
        item = {"repository": REPOSITORY, "item": "owed#tag#x", "mark": "x", "marked_at": 0}
        items = [{**item, "failure": "vanished"}] * failed + [item] * (owed - failed)
        try:
            store.write(leases.finish(_lease(lease), leases.Remaining.of(items), now_ms=NOW))
        except ConditionFailed as failed:
            mine = failed.item is not None and failed.item.get("lease_token") == lease[0]
            return False if mine else None
        return True


def _lease(lease: tuple[Any, ...]) -> Lease:
    token, revision, suspect_until, expires, working_on, deaths = lease
    return Lease(
        repository=REPOSITORY,
        token=token,
        revision=revision,
        suspect_until=suspect_until,
        renewed_at=0.0,
        expires=expires,
        listed=True,
        working_on=keys(working_on),
        deaths=deaths,
    )


def as_owed(owed: tuple[Any, ...]) -> Owed:
    """The reference as the library has it."""
    tag, mark, said, marked_at, due, (attempts, deaths), seen = owed
    return Owed(
        repository=REPOSITORY,
        reference=_reference(tag),
        mark=mark,
        expects=said - SAID,
        if_absent=said & SAID - {ASKED},
        asked=ASKED in said,
        marked_at=marked_at,
        owed_since=LONG_AGO,
        due=due,
        attempts=attempts,
        deaths=deaths,
        seen=None if seen is None else as_seen(seen),
        named=said - SAID - {ABSENT, UNNAMED},
    )


def plain_seen(seen: Seen) -> tuple[str, int, int]:
    """Return what was seen as a state has it; a look that answered no event is as good as one of long ago."""
    return seen.digest, max(seen.answered_at, NOW - OLDEST - 1), seen.looked_at


def as_seen(seen: tuple[str, int, int]) -> Seen:
    """Return what was seen as the library has it."""
    digest, answered_at, looked_at = seen
    announced_at = None if answered_at == looked_at else answered_at
    return Seen(digest=digest, looked_at=looked_at, seen_at=looked_at, announced_at=announced_at)


def _plain_owed(owed: Owed) -> tuple[Any, ...]:
    seen = owed.seen and plain_seen(owed.seen)
    said = owed.expects | owed.if_absent | ({ASKED} if owed.asked else set())
    tried = (owed.attempts, owed.deaths)
    due = PARKED_DUE_MS if owed.parked else owed.due
    tag = int(owed.reference.value[1:]) if owed.reference.kind == "tag" else owed.reference.value
    return (tag, owed.mark, said, owed.marked_at, due, tried, seen)
