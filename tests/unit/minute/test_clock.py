"""A clock that was set back: moments in the future are reported and forgotten, and the site recovers by itself."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.support.clock import FakeClock

from geosync.comparing.catalogue import is_due
from geosync.minute.clock import forget_the_future
from geosync.minute.queues import Queues
from geosync.minute.recovery import Followed, account
from geosync.minute.reporting import MinuteReporter
from geosync.operating import status
from geosync.operating.health import Health, health_of, signs_of
from geosync.operating.site_facts import SiteFacts
from geosync.sync_registry.site.catalogue import WalkPace
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

MINUTE, HOUR = 60_000, 3_600_000
OREGON = SiteFacts(name="oregon", role="secondary")


class EmptyQueues:
    """The two queues, with nothing in them."""

    def events(self) -> int:
        return 0

    def dead_letters(self) -> int:
        return 0


class Said:
    """The reporter of the minute."""

    def __init__(self) -> None:
        self.forgotten: list[list[str]] = []

    def clock_set_back(self, forgotten: list[str]) -> None:
        self.forgotten.append(forgotten)


class Minutes:
    """A secondary whose minutes run. The primary's clock is `ahead` of the truth, its own `own_ahead` (ms)."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sync_registry = SyncRegistry(MemoryStore(), clock=self.clock)
        self.said = Said()
        self.ahead = 0
        self.events = 0

    def subscribe(self) -> None:
        self.sync_registry.subscription.record("subscription", settle_s=0)

    def compare(self) -> None:
        """Run a comparison that finds nothing."""
        self.subscribe()
        notes = self.sync_registry.catalogue
        walk = notes.note_finished(notes.begin(now_ms=self.clock.now, after=notes.latest()), now_ms=self.clock.now)
        for _ in range(2):
            walk = notes.note_progress(walk, WalkPace(at=self.clock.now, compared=0, settled=0), clean=True) or walk
            self.clock.now += MINUTE

    def run(self) -> Health:
        """A minute: a heartbeat and an event arrive, and the tasks run."""
        now = self.clock.now
        self.sync_registry.heartbeat.record(site="dublin", sent_at=now + self.ahead, arrived_at=now)
        self.events += 1
        self.sync_registry.cursor.record(event_id=f"e{self.events}", received_at=now + self.ahead)
        self.subscribe()
        self.sync_registry.sweep.record(woken=0, reason=None)
        found = account(self.sync_registry, cast("Queues", EmptyQueues()), Followed(), clock=self.clock)
        forget_the_future(self.sync_registry, found, cast("MinuteReporter", self.said))
        self.sync_registry.minute.record()
        self.clock.now += MINUTE
        return self.health()

    def health(self) -> Health:
        found = status.read(self.sync_registry, clock=self.clock)
        return health_of(signs_of(OREGON, found, dead_letters=0))

    def point(self) -> Any:
        return status.read(self.sync_registry, clock=self.clock).recovery_point


@pytest.fixture
def site() -> Minutes:
    """A secondary that runs well."""
    one = Minutes()
    one.compare()
    for _ in range(4):
        one.run()
    assert one.health() == Health()
    assert one.said.forgotten == []
    return one


def test_a_primary_whose_clock_was_ahead_and_is_set_back(site: Minutes) -> None:
    site.ahead = HOUR
    healths = [site.run() for _ in range(4)]
    assert all("in the future" in health.unhealthy[0] for health in healths)
    assert site.point() <= site.clock.now  # never a recovery point that has not come yet
    site.ahead = 0
    site.run()  # the next minute
    for _ in range(3):  # a heartbeat is accounted a minute after it came
        health = site.run()
    assert health == Health()
    assert site.clock.now - site.point() < 5 * MINUTE
    cursor = site.sync_registry.cursor.read()
    assert cursor is not None
    assert cursor.id == f"e{site.events}"


def test_this_site_s_clock_was_ahead_and_is_set_back(site: Minutes) -> None:
    site.clock.now += HOUR
    site.ahead = -HOUR
    site.compare()
    site.run()
    site.clock.now -= HOUR
    site.ahead = 0
    health = site.health()
    assert "in the future" in health.unhealthy[0]
    site.run()
    assert "comparison" in site.said.forgotten[-1]
    walk = site.sync_registry.catalogue.latest()
    assert is_due(walk, now_ms=site.clock.now, every_s=86_400)  # a comparison is asked for
    assert site.run().unhealthy == ()
    assert site.point() is None  # what was proved in the future is not proved
    site.compare()
    for _ in range(4):
        health = site.run()
    assert health == Health()


def test_clocks_that_differ_by_seconds_change_nothing(site: Minutes) -> None:
    site.ahead = 30_000
    for _ in range(4):
        assert site.run() == Health()
    assert site.said.forgotten == []
