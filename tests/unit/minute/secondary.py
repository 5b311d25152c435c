"""A secondary's table, its queues and its minutes, in memory; only the test moves the time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from tests.support.clock import FakeClock
from tests.support.letters import LetterBox, letter

from geosync.messages.work import WorkMessage
from geosync.minute import recovery as reconcile
from geosync.operating import status
from geosync.operating.status import Status
from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site.subscription import SubscriptionItem
from geosync.sync_registry.site.suspected import Suspected
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

MINUTE = 60_000
START = 100 * MINUTE
V1, V2 = Reference.tag("v1"), Reference.tag("v2")


class StandingClock(FakeClock):
    """A clock that only the test moves: waits take no time."""

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Queues(LetterBox):
    """The two queues, as SQS answers."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: Iterator[int] = itertools.repeat(0)

    def events(self) -> int:
        return next(self.waiting)


class Secondary:
    """A secondary's table and its minutes; `now` is the time."""

    def __init__(self) -> None:
        self.clock = StandingClock(START)
        self.store = MemoryStore()
        self.queues = Queues()
        self.sync_registry = SyncRegistry(self.store, clock=self.clock)
        self.sweeps = True
        self.followed = reconcile.Followed(primary="arn:aws:sns:eu-west-1:000000000000:primary")
        self.subscribe(START - 20 * MINUTE)
        self.told: list[Suspected] = []

    def minute(self) -> Status:
        """A minute: the primary's heartbeat arrives, and functions/reconcile runs."""
        self.clock.now += MINUTE
        self.beat(self.clock.now - 1000)
        return self.reconcile()

    def beat(self, sent_at: int) -> None:
        self.sync_registry.heartbeat.record(site="primary", sent_at=sent_at, arrived_at=self.clock.now)

    def reconcile(self) -> Status:
        if self.sweeps:
            self.sync_registry.sweep.record(woken=0, reason=None)
        queues: Any = self.queues
        return reconcile.account(self.sync_registry, queues, self.followed, clock=self.clock, tell=self.told.append)

    def subscribe(self, at: int, arn: str = "subscription-1") -> None:
        """See a subscription at `at` (ms)."""
        SubscriptionItem(self.store, FakeClock(at)).record(arn, settle_s=30.0)

    def compared(self, started_at: int, **values: Any) -> None:
        """Write down a walk through the catalogue that was complete."""
        times = {"started_at": started_at, "finished_at": started_at, "touched_at": started_at, "repositories": 1}
        done = {"proved_at": started_at, "settled_at": started_at}
        self.store.write(Update(key=catalogue_item.KEY, set=times | done | values))

    def owe(self, pushed_at: int, reference: Reference = V1, **mark: Any) -> Owed:
        return self.sync_registry.mark("team/app", reference, Mark(expects="sha256:a", pushed_at=pushed_at, **mark))

    def status(self, most: int = 100) -> Status:
        return status.read(self.sync_registry, most=most, clock=self.clock)


def sent(secondary: Secondary, minutes_ago: int) -> int:
    """When the heartbeat of an earlier minute was sent."""
    return secondary.clock.now - minutes_ago * MINUTE - 1000


def park(secondary: Secondary, owed: Owed) -> None:
    """Park a reference as a holder does: its letter first."""
    body = WorkMessage(repository=owed.repository, reason="replay", references=(owed.reference,)).to_json()
    number = len(secondary.queues.letters) + 1
    secondary.queues.letters.append(letter(number, body, mark=owed.mark, sent_at=secondary.clock.now + number))
    secondary.sync_registry.fail(owed, "schema 1 is refused", parked=True)


def see(secondary: Secondary, digest: str, **values: Any) -> None:
    """Write down that V1 was seen equal."""
    seen = {"digest": digest, "looked_at": START, "seen_at": START, **values}
    secondary.store.write(Update(key=Key("team/app", V1.seen_key), set=seen))
