"""A secondary with its queues and minutes, as the recovery point needs them, without waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.integration.secondary import HasUrl, Secondary, quick
from tests.support.letters import LetterBox

from geosync.clock import Clock
from geosync.messages.geo_event import GeoEvent, Heartbeat
from geosync.messages.work import CatalogueMessage
from geosync.minute import recovery
from geosync.operating import status
from geosync.operating.dead_letters import DeadLetter, Sifted

WALK = CatalogueMessage().to_json()
TIMING = replace(quick(settle=0.05, suspect=0.1), polls_s=(0.02,))


def now() -> int:
    return time.time_ns() // 1_000_000


class ImpatientClock(Clock):
    """The machine's time; a sleep returns at once."""

    def sleep(self, seconds: float) -> None:
        """Return at once."""


class Site:
    """A secondary behind a queue that delivers in any order, and a primary whose heartbeats take the same way."""

    def __init__(self, secondary: Secondary) -> None:
        self.secondary = secondary
        self.queue: list[GeoEvent | Heartbeat] = []
        secondary.sync_registry.subscription.record("subscription", settle_s=0)

    # What recovery.account asks of the two queues.

    def events(self) -> int:
        return len(self.queue)

    def dead_letters(self) -> int:
        return len(self.secondary.dlq.messages)

    def sift(self, unneeded: Callable[[Sequence[DeadLetter]], Collection[DeadLetter]], *, most: int) -> Sifted:
        messages = {f"m-{number}": one for number, one in enumerate(self.secondary.dlq.messages)}
        box = LetterBox([_letter(id_, message) for id_, message in messages.items()])
        sifted = box.sift(unneeded, most=most)
        self.secondary.dlq.messages = [messages[one.id] for one in box.letters]
        return sifted

    def beat(self) -> None:
        self.queue.append(Heartbeat(id="b", site="primary", sent_at=now(), received_at=now()))

    def minute(self) -> status.Status:
        """A minute of functions/reconcile, in which the queue's counts settle at once."""
        self.secondary.sync_registry.sweep.record(woken=0, reason=None)
        queues: Any = self
        return recovery.account(
            self.secondary.sync_registry, queues, recovery.Followed(), settle_ms=0, clock=ImpatientClock()
        )

    def deliver(self, position: int = 0) -> None:
        self.secondary.receive(self.queue.pop(position).to_json())

    def status(self) -> status.Status:
        return status.read(self.secondary.sync_registry)


def _letter(id_: str, message: dict[str, Any]) -> DeadLetter:
    given = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    return DeadLetter(
        id=id_,
        kind=given["kind"],
        reason=given["reason"],
        sent_at=int(id_.partition("-")[2]),
        body=message["MessageBody"],
        receipt="r",
        mark=given.get("mark"),
    )


@contextmanager
def followed(primary: HasUrl, secondary: HasUrl, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that follows one registry into another, and finds a comparison complete as soon as it is."""
    monkeypatch.setattr("geosync.syncing.backlog.PATIENCE_S", 0.05)
    monkeypatch.setattr("geosync.sync_registry.site.catalogue.CLEAN_FOR_MS", 0)
    with closing(Secondary(primary, secondary, timing=TIMING)) as one:
        one.passing = 0.0
        yield Site(one)


def compare(site: Site, *repositories: str) -> status.Status:
    """Run a comparison until it is complete."""
    site.secondary.receive(WALK)
    site.secondary.sweep_until(lambda: not any(site.secondary.owed(one) for one in repositories))
    site.minute()
    return site.minute()
