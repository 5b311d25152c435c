"""Notifications that may be lost: a comparison copied what nobody had announced, and its event may yet be on its way.

An item for each reference in the partition `#suspected`, written before the reference is discharged:

    found#group/app#tag#v1   found_in, reference: the reference; at: when it was found (ms); since: the last moment (ms)
                             at which it is known to have been equal

The reference's own item says `unannounced` and, until it is decided, `suspected`. The minute decides, once the events
queue was seen empty after the find: what is unannounced still was lost, and is counted in the item `lost`, in one
transaction with the end of the suspicion. The event of that push takes the suspicion back, and nothing was ever
counted; one of another push, older or newer, says nothing of it. An event that comes later is taken out of the item
`lost`, if that counts it: the minute forgets the item in time, and counts other losses in a new one. So the reference's
item says when it was counted (`counted_at`, ms). The history (history.py) has it as lost in the month in which it was
found: the reference's item says `counted_lost`, so that its lag is not measured besides.
What may have been pushed while nothing was delivered here (subscription.py) is not called lost: whether anybody
announced it cannot be known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.clock import Clock
from geosync.errors import Contended
from geosync.sync_registry.items import UNNAMED, Item, Owed, Reference
from geosync.sync_registry.site.recovery import LOST
from geosync.sync_registry.table.attributes import texts, whole_number
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, TransactionFailed, Update

PARTITION, PREFIX = "#suspected", "found#"
INVOCATION_MS = 15 * 60_000
"""Length of an invocation: what it suspected is discharged by then, or never will be by it."""
BATCH = 500
"""Suspicions that are deleted at a time when all of them go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspected:
    """A notification that may be lost: of the reference, which a comparison found at `at` (ms).

    `since` (ms): until then it was equal, so it was pushed later. None: it is an item of the version before.
    """

    repository: str
    reference: Reference
    at: int
    since: int | None = None

    @property
    def key(self) -> Key:
        """The key of its item."""
        return Key(PARTITION, f"{PREFIX}{self.repository}#{self.reference.seen_key}")


class LossVerdict(Enum):
    """The end of a suspicion, or its going on."""

    LOST = "lost"
    CAME = "came"
    """The event is here: it is marked, or was."""
    OPEN = "open"
    """It is about to be discharged."""


class SuspectedLosses:
    """The notifications that may be lost."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def record(self, owed: Owed) -> None:
        """Suspect a notification: a comparison found `owed` different, and it had to be copied."""
        one = Suspected(repository=owed.repository, reference=owed.reference, at=self._clock.now_ms())
        found = {"found_in": one.repository, "reference": one.reference.seen_key}
        values = {**found, "at": one.at, "since": owed.pushed_at}
        self._store.write(Update(key=one.key, set=values))

    def read(self, *, limit: int) -> list[Suspected]:
        """Read at most `limit` suspicions."""
        return list(_readable(self._store.items(PARTITION, PREFIX, limit=limit)))

    def verdicts(self, suspected: Sequence[Suspected]) -> Mapping[Suspected, LossVerdict]:
        """Tell what became of each, by what is owed and what was seen now. One read for a hundred items."""
        keys = [
            Key(one.repository, key) for one in suspected for key in (one.reference.owed_key, one.reference.seen_key)
        ]
        found = self._store.batch_get(keys) if keys else {}
        now_ms = self._clock.now_ms()
        return {one: _verdict(one, found, now_ms) for one in suspected}

    def end(self, one: Suspected, *, lost: bool) -> bool:
        """End a suspicion; `lost`: and count it, unless its event comes at this very moment. False: it goes on."""
        return self._end(one, *(_counted(one, self._clock.now_ms()) if lost else ()))

    def excuse(self, one: Suspected) -> bool:
        """End a suspicion: whether it was announced cannot be known. False: it goes on.

        No event that comes later takes it back: nothing was counted.
        """
        return self._end(one, _undoubted(one, "unannounced", "suspected"))

    def _end(self, one: Suspected, *changes: Update) -> bool:
        with suppress(TransactionFailed, Contended):
            self._store.transact([Delete(key=one.key, when=Attr("at").eq(one.at)), *changes])
            return True
        return False

    def take_back(self, repository: str, reference: Reference) -> bool:
        """Take back a find whose event came after all; one that the item `lost` counts is counted no more.

        True for one event of a find that was not decided yet: of that push no number has been measured so far.
        """
        key = Key(repository, reference.seen_key)
        unannounced, suspected = Attr("unannounced").exists(), Attr("suspected")
        with suppress(ConditionFailed):
            self._store.write(
                Update(key=key, remove=("unannounced", "suspected"), when=unannounced & suspected.exists())
            )
            return True
        with suppress(ConditionFailed):
            self._take_back_counted(key, unannounced & suspected.not_exists())
        return False

    def _take_back_counted(self, key: Key, counted: ConditionBase) -> None:
        """Take back a loss that was `counted`. Raises ConditionFailed where it was not, or the item does not count it.

        Where the version before counted it, nobody knows in which item: then too many stay counted, not too few.
        """
        found = self._store.batch_get([key])  # not every role has GetItem
        at = whole_number(found.get(key, {}), "counted_at")
        is_same = Attr("counted_at").eq(at) if at else Attr("counted_at").not_exists()
        # Without `counted_at` no look that writes back what it had read of the reference has it taken back twice.
        removed = ("unannounced", "counted_at")
        self._store.write(Update(key=key, set={"counted_lost": True}, remove=removed, when=counted & is_same))
        self._store.write(Update(key=LOST, add={"count": -1}, when=Attr("count").gt(0) & Attr("first_at").lte(at)))

    def forget(self) -> None:
        """Forget all of them: the site follows another primary."""
        while items := self._store.items(PARTITION, PREFIX, limit=BATCH):
            for item in items:
                self._store.write(Delete(key=Key(PARTITION, str(item["item"]))))


def _readable(items: Sequence[Item]) -> Iterator[Suspected]:
    for item in items:
        reference = Reference.from_key(str(item.get("reference")))
        if reference is not None:
            since = whole_number(item, "since") if "since" in item else None
            at = whole_number(item, "at")
            yield Suspected(repository=str(item.get("found_in")), reference=reference, at=at, since=since)


def _verdict(one: Suspected, found: Mapping[Key, Item], now_ms: int) -> LossVerdict:
    owed = found.get(Key(one.repository, one.reference.owed_key), {})
    seen = found.get(Key(one.repository, one.reference.seen_key), {})
    expects = texts(owed, "expects")
    if seen.get("suspected") and not expects & {seen.get("digest"), UNNAMED}:
        return LossVerdict.LOST
    if expects:
        return LossVerdict.CAME
    # Where it was marked again before it was discharged, the next attempt suspects it again if it has to.
    return LossVerdict.OPEN if owed and now_ms - one.at < INVOCATION_MS else LossVerdict.CAME


def _counted(one: Suspected, now_ms: int) -> tuple[Update, Update]:
    last = {"last_at": now_ms, "found_in": one.repository, "reference": str(one.reference)}
    return (
        replace(_undoubted(one, "suspected"), set={"counted_at": now_ms}),
        Update(key=LOST, set=last, set_once={"first_at": now_ms}, add={"count": 1}),
    )


def _undoubted(one: Suspected, *remove: str) -> Update:
    """Take attributes off what was seen, as long as it is suspected."""
    is_suspected = Attr("unannounced").exists() & Attr("suspected").exists()
    return Update(key=Key(one.repository, one.reference.seen_key), remove=remove, when=is_suspected)
