"""Events to tell outside of the site: a reference arrived, or failed. Nothing is written while nobody listens.

`#outbox-<number>`/`event#<moment>#<name>`: one event, from the transaction that discharged its reference until somebody
has told it. So an event is told at least once, whoever dies when: a holder tells what it wrote, and a minute what is
left over. The name is that of the mark, so that the same discharge is the same event.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from geosync.clock import Clock
from geosync.errors import CorruptItem
from geosync.sync_registry.decisions import is_the_primarys
from geosync.sync_registry.failures import cut
from geosync.sync_registry.items import Item, Owed, Reference, Seen
from geosync.sync_registry.pushes import announced_at
from geosync.sync_registry.table.attributes import AttributeReader
from geosync.sync_registry.table.changes import Delete, Key, Store, Update

OUTBOX = "#outbox"
SPREAD = tuple(f"{OUTBOX}-{number}" for number in range(8))
"""The partitions. One takes a thousand write units a second, and an event costs three: some 300 events. Over that the
transaction that it comes from fails, which is a discharge."""
PREFIX = "event#"
KEPT_S = 14 * 86_400
"""Lifetime of an event that nobody takes (TTL `expire_at`): then somebody took a permission away two weeks ago."""
AHEAD_MS = 60_000
"""The most that clocks of one site differ."""

Kind = Literal["replicated", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationEvent:
    """A reference that arrived at this site, or failed; times in milliseconds, None where they are not known.

    `at_ms` is when it was seen here, or failed. `pushed_at_ms` is the earliest push that it stands for, None where no
    event announced one. `digest` is None where it failed and is no digest itself.
    """

    name: str
    kind: Kind
    repository: str
    reference: Reference
    at_ms: int
    digest: str | None = None
    pushed_at_ms: int | None = None
    reason: str | None = None
    attempts: int = 0
    parked: bool = False

    @property
    def id(self) -> str:
        """The name of the event for whoever listens; the same when it is told again."""
        return f"{self.at_ms:014d}#{self.name}"

    @property
    def key(self) -> Key:
        """The key of its item: in a partition the oldest first."""
        return Key(SPREAD[zlib.crc32(self.id.encode()) % len(SPREAD)], PREFIX + self.id)

    @classmethod
    def of_discharge(cls, owed: Owed, seen: Seen | None) -> ReplicationEvent | None:
        """The event of a discharge; None: the reference was here as it is, or is not the primary's."""
        if seen is None or owed.reference.kind == "repository":
            return None
        event = cls.of_record(owed.repository, owed.reference, owed.seen_digest, seen, name=owed.mark)
        return replace(event, pushed_at_ms=announced_at(owed) or None) if event is not None else None

    @classmethod
    def of_record(
        cls, repository: str, reference: Reference, before: str | None, seen: Seen, *, name: str
    ) -> ReplicationEvent | None:
        """The event of what a comparison saw equal, and nobody owes; None: it was here `before` as that digest."""
        if not _is_new(before, seen):
            return None
        return cls(
            name=name,
            kind="replicated",
            repository=repository,
            reference=reference,
            at_ms=seen.seen_at,
            digest=seen.digest,
        )

    @classmethod
    def of_failure(cls, owed: Owed, reason: str, *, at_ms: int, parked: bool) -> ReplicationEvent | None:
        """The event of a failed attempt; None: it is a further one, and the reference is not parked by it."""
        if owed.attempts and not parked:
            return None
        return cls(
            name=f"{owed.mark}#{owed.attempts + 1}",
            kind="failed",
            repository=owed.repository,
            reference=owed.reference,
            at_ms=at_ms,
            digest=owed.reference.value if owed.reference.kind == "digest" else None,
            pushed_at_ms=announced_at(owed) or None,
            reason=cut(reason),
            attempts=owed.attempts + 1,
            parked=parked,
        )

    @classmethod
    def from_item(cls, item: Item) -> ReplicationEvent:
        """Read an item; raises CorruptItem."""
        read = AttributeReader(item)
        reference = Reference.from_key(read.text("reference"))
        if reference is None:
            raise read.corrupt("reference", "is not the key of a reference")
        moment, _, name = read.text("item").removeprefix(PREFIX).partition("#")
        if not moment.isdecimal():
            raise read.corrupt("item", "does not begin with a moment")
        return cls(
            name=name,
            kind="failed" if read.text("kind") == "failed" else "replicated",
            repository=read.text("of"),
            reference=reference,
            at_ms=int(moment),
            digest=read.optional_text("digest"),
            pushed_at_ms=read.optional_number("pushed_at"),
            reason=read.optional_text("reason"),
            attempts=read.number("attempts", 0),
            parked=read.flag("parked"),
        )

    def put(self, *, now_ms: int) -> Update:
        """The change that keeps it until it is told."""
        values: Mapping[str, object] = {
            "kind": self.kind,
            "of": self.repository,
            "reference": self.reference.seen_key,
            "digest": self.digest,
            "pushed_at": self.pushed_at_ms,
            "reason": self.reason,
            "attempts": self.attempts,
            "parked": self.parked,
            "expire_at": now_ms // 1000 + KEPT_S,
        }
        return Update(key=self.key, set={name: value for name, value in values.items() if value})


def _is_new(before: str | None, seen: Seen) -> bool:
    """Tell whether what was seen is the primary's, and was not here before as this digest.

    Under which primary it was `before` is no matter: after a promotion the whole stock of a site has not arrived anew.
    """
    return seen.looked_at > 0 and is_the_primarys(seen) and before != seen.digest


class Outbox:
    """Keeps events until they are told; `is_on` is False while nobody listens, and then nothing is kept. Thread-safe.

    What this execution environment wrote is handed out by `take_fresh`, without a read.
    """

    def __init__(self, store: Store, clock: Clock, names: Callable[[], str], *, is_on: bool = False) -> None:
        self.is_on = is_on
        self._store = store
        self._clock = clock
        self._names = names
        self._fresh: list[ReplicationEvent] = []
        self._since_s: float | None = None
        self._lock = threading.Lock()

    # ------------------------------------------------------------------------------------------------------- keeping

    def puts(self, events: Iterable[ReplicationEvent | None]) -> list[Update]:
        """The changes that keep events, for the transaction that they come from."""
        now_ms = self._clock.now_ms()
        return [event.put(now_ms=now_ms) for event in events if event is not None]

    def note(self, events: Iterable[ReplicationEvent | None]) -> None:
        """Note events that were written, so that they are told at once."""
        known = [event for event in events if event is not None]
        with self._lock:
            if known and not self._fresh:
                self._since_s = self._clock.monotonic_s()
            self._fresh += known

    def of_record(
        self, repository: str, seen: Sequence[tuple[Reference, Seen]], before: Mapping[Reference, str]
    ) -> dict[Reference, ReplicationEvent | None]:
        """The events of what a comparison saw equal, where another digest was seen `before`, or none."""
        return {
            reference: ReplicationEvent.of_record(repository, reference, before.get(reference), one, name=self._names())
            for reference, one in seen
        }

    def put_failure(self, owed: Owed, reason: str, *, parked: bool) -> None:
        """Keep that an attempt failed, before it is counted; the first one since the mark, and what is parked."""
        if not self.is_on:
            return
        now_ms = self._clock.now_ms()
        event = ReplicationEvent.of_failure(owed, reason, at_ms=now_ms, parked=parked)
        if event is not None:
            self._store.write(event.put(now_ms=now_ms))
            self.note([event])

    # ------------------------------------------------------------------------------------------------------- telling

    def fresh_for_s(self) -> float | None:
        """The seconds since the oldest of the fresh events was noted; None: there is none."""
        with self._lock:
            return self._clock.monotonic_s() - self._since_s if self._since_s is not None and self._fresh else None

    def fresh(self) -> int:
        """The number of fresh events."""
        with self._lock:
            return len(self._fresh)

    def take_fresh(self) -> list[ReplicationEvent]:
        """Hand out what was noted since the last call: whoever takes it tells it, or leaves it to the minute."""
        with self._lock:
            taken, self._fresh = self._fresh, []
            return taken

    def left_over(self, *, old_ms: int, limit: int) -> list[ReplicationEvent]:
        """Read events that nobody has told in `old_ms`, at most `limit` of each partition; the oldest first.

        One from the future was written before the clock was set back, and counts as old. One that cannot be read is
        deleted: no later version could tell it.
        """
        now_ms = self._clock.now_ms()
        found: list[ReplicationEvent] = []
        for partition in SPREAD:
            for item in self._store.items(partition, PREFIX, limit=limit):
                try:
                    event = ReplicationEvent.from_item(item)
                except CorruptItem:
                    self._store.write(Delete(key=Key(partition, str(item["item"]))))
                    continue
                if not -AHEAD_MS <= now_ms - event.at_ms < old_ms:
                    found.append(event)
        return sorted(found, key=lambda one: one.id)

    def forget(self, told: Sequence[ReplicationEvent]) -> None:
        """Forget events that were told."""
        self._store.batch_delete(one.key for one in told)
