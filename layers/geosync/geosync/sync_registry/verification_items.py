"""The verification's part of the rows, carried out on the store (see transitions/verification.py).

A run needs no lease. Its writes hold only while nobody overtook it, whether or not somebody holds the repository.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import PARKED_DUE_MS, ROW, VERIFICATION_PENDING, Item, Reference
from geosync.sync_registry.measured import MeasuredTags
from geosync.sync_registry.sweep import in_turn, nothing, of_shard
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Change, ConditionFailed, Key, Store, TransactionFailed, Update
from geosync.sync_registry.table.shards import VERIFICATION_SHARDS
from geosync.sync_registry.transitions import verification as transitions
from geosync.sync_registry.transitions.verification import Round

PAGE = 100
"""Rows read at once."""
MOST_PUT_OFF = 1000
"""Rows that one choice puts off, some 10 ms each, where only what somebody asked for is verified."""


class Overtaken(Exception):
    """Something was pushed into the repository, or another run is at it: what this one saw counts for nothing."""


class VerificationItems:
    """Reads and writes how far the verification of each repository is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def due(self, *, now_ms: int, limit: int, skip: Callable[[str], bool] = nothing) -> list[str]:
        """At most `limit` repositories that are due for verification, from every shard in turn, longest due first.

        Without those for which `skip` is true.
        """
        return list(islice(self._due(now_ms, skip), limit))

    def asked_for(self, *, now_ms: int, limit: int, skip: Callable[[str], bool] = nothing) -> list[str]:
        """Those of `due` that somebody asked for, or that are under way; at most MOST_PUT_OFF others are put off."""
        names = self._due(now_ms, skip)
        found: list[str] = []
        put_off = 0
        while len(found) < limit and put_off < MOST_PUT_OFF and (some := list(islice(names, PAGE))):
            for item in self._store.batch_get(Key(name, ROW) for name in some).values():
                if transitions.is_asked_for(item):
                    found.append(item["repository"])
                elif transitions.not_now(item, now_ms=now_ms, asked=False) is None:
                    put_off += self.put_off(item, now_ms + transitions.OFF_MS)
        return found[:limit]

    def _due(self, now_ms: int, skip: Callable[[str], bool]) -> Iterator[str]:
        return in_turn([of_shard(self._store, shard, now_ms, skip) for shard in VERIFICATION_SHARDS])

    def make_due(self, states: Container[str], *, asked_at_ms: int, check: Callable[[], None]) -> int:
        """Make the rows in these verification states due that were not verified since `asked_at_ms`; returns how many.

        One read per hundred rows that wait for a verification, and a write for each that is made due. `check` is
        called before each read and may raise, to stop. What is due already is asked for as well, so that it is
        verified though rolling verification is off.
        """
        made = 0
        for shard in VERIFICATION_SHARDS:
            for page in _pages(iter(self._store.due_keys(shard, PARKED_DUE_MS))):
                check()
                for item in self._store.batch_get(page).values():
                    since = max(whole_number(item, "verified_at"), whole_number(item, "verification_asked_at"))
                    if item.get("verification_state") in states and since < asked_at_ms:
                        made += self._make_due(item, asked_at_ms)
        return made

    def read(self, repository: str) -> Item | None:
        """The row, for the transitions."""
        return self._store.get(Key(repository, ROW))

    def has_owed_tag(self, repository: str) -> bool:
        """True when a tag is owed: one that a comparison marked leaves the row synced until somebody takes it up."""
        return bool(self._store.items(repository, Reference.tag("").owed_key, limit=1))

    def put_off(self, item: Item, due_ms: int) -> bool:
        """Have a row that waits be due later; False: it is not as it was read any more."""
        with suppress(ConditionFailed):
            self._store.write(transitions.put_off(item, due_ms))
            return True
        return False

    def start(self, item: Item, *, phase: str, now_ms: int, asked: bool = False) -> Round | None:
        """Begin a round, at `phase`, or go on with one; None: the row is not as it was read any more."""
        with suppress(ConditionFailed):
            return Round.of(self._store.write(transitions.start(item, now_ms=now_ms, asked=asked)) or {}, phase=phase)
        return None

    def keep(self, at: Round, due_ms: int, *, anew: bool = False) -> Round:
        """Write down how far a round got; it goes on at `due_ms` (`anew`: from its beginning). Raises Overtaken."""
        for attempt in _with_and_without_lease(at):
            with suppress(ConditionFailed):
                written = self._store.write(transitions.keep(attempt, due_ms, anew=anew)) or {}
                return replace(attempt, until=int(written["verification_due"]))
        raise Overtaken

    def succeed(
        self, at: Round, checksum: str, *, now_ms: int, due_ms: int, measured: MeasuredTags | None = None
    ) -> None:
        """End a round well; it is due again at `due_ms`. `measured` as in transitions.succeed. Raises Overtaken."""
        self._end(
            at,
            lambda attempt: transitions.succeed(attempt, checksum, now_ms=now_ms, due=due_ms, measured=measured),
        )

    def fail(
        self,
        at: Round,
        failure: str,
        *,
        now_ms: int,
        jitter: int,
        checksums: tuple[str, str] | None = None,
        owed: bool = False,
    ) -> None:
        """End a round badly; `checksums` and `owed` as in transitions.fail. Raises Overtaken."""
        self._end(
            at,
            lambda attempt: transitions.fail(
                attempt, failure, now_ms=now_ms, jitter=jitter, checksums=checksums, owed=owed
            ),
        )

    def _end(self, at: Round, changes: Callable[[Round], list[Change]]) -> None:
        """Change the row and the counters in one transaction."""
        for attempt in _with_and_without_lease(at):
            with suppress(TransactionFailed):
                self._store.transact(changes(attempt))
                return
        raise Overtaken

    def _make_due(self, item: Item, asked_at_ms: int) -> bool:
        """Make one row due, unless somebody is at it."""
        due_ms = min(item["due"], asked_at_ms)
        change = Update(
            key=Key(item["repository"], ROW),
            set={
                "verification_state": VERIFICATION_PENDING,
                "verification_asked_at": asked_at_ms,
                "verification_due": due_ms,
                "due": due_ms,
            },
            remove=("verification_retry_at",),
            when=Attr("due").eq(item["due"])
            & Attr("due_shard").eq(item["due_shard"])
            & Attr("verification_state").eq(item["verification_state"]),
        )
        with suppress(ConditionFailed):
            self._store.write(change)
            return True
        return False


def _with_and_without_lease(at: Round) -> tuple[Round, Round]:
    """The round as it was seen last, and as it is if somebody took the lease, or let it go, since."""
    return at, replace(at, leased=not at.leased)


def _pages(keys: Iterator[Key]) -> Iterator[list[Key]]:
    while page := list(islice(keys, PAGE)):
        yield page
