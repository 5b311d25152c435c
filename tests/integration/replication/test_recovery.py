"""The recovery point between real registries: what it says would be lost against what the secondary lacks."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.replication.secondary import Secondary, pushed
from tests.support.images import ImageMaker
from tests.support.proxy import Status as Answer

from geosync import status
from geosync.events import GeoEvent, Heartbeat
from geosync.reconcile import recovery
from geosync.replication.work import CatalogueMessage
from geosync.sync_registry.changes import Update
from geosync.sync_registry.timing import Timing

WALK = CatalogueMessage().to_json()
STEPS = 120
TIMING = replace(Timing.scaled_to(2.0, settle=0.3, suspect=0.3), polls=(0.05,))


def now() -> int:
    return time.time_ns() // 1_000_000


class Site:
    """A secondary behind a queue that delivers in any order, and a primary whose heartbeats take the same way."""

    def __init__(self, secondary: Secondary) -> None:
        self.secondary = secondary
        self.queue: list[GeoEvent | Heartbeat] = []

    # What recovery.account asks of the two queues.

    def events(self) -> int:
        return len(self.queue)

    def dead_letters(self) -> int:
        return len(self.secondary.dlq.messages)

    def beat(self) -> None:
        self.queue.append(Heartbeat(id="b", site="primary", sent_at=now(), received_at=now()))

    def minute(self) -> status.Status:
        """A minute of functions/reconcile, in which the queue's counts settle at once."""
        store = self.secondary.store
        store.write(Update(key=status.SWEEP, set={"at": now(), "woken": 0}))
        queues: Any = self
        return recovery.account(store, queues, settle=0, sleep=lambda _: None)

    def deliver(self, position: int = 0) -> None:
        self.secondary.receive(self.queue.pop(position).to_json())

    def status(self) -> status.Status:
        return status.read(self.secondary.store)


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    """A registry with nothing in it but what the test pushes."""
    return Place(registry=start_registry(RegistrySpec(name="recovered")))


@pytest.fixture
def site(primary: Place, second_registry: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr("geosync.replication.catalogue.CLEAN_FOR", 0)
    one = Secondary(primary, second_registry, timing=TIMING)
    yield Site(one)
    one.close()


@pytest.fixture
def seed() -> int:
    """Given by GEOSYNC_SEED to see a failure again."""
    return int(os.environ.get("GEOSYNC_SEED", time.time_ns() % 10**9))


@pytest.fixture
def make(primary: Place, seed: int) -> Iterator[ImageMaker]:
    with primary.maker(seed=seed) as maker:
        yield maker


def compare(site: Site, *repositories: str) -> status.Status:
    """A comparison from its beginning to where it is complete."""
    site.secondary.receive(WALK)
    site.secondary.sweep_until(lambda: not any(site.secondary.owed(one) for one in repositories))
    site.minute()
    return site.minute()


def test_a_push_that_no_notification_told_of_makes_heartbeats_worth_nothing(
    site: Site, make: ImageMaker, repository: str
) -> None:
    site.secondary.receive(pushed(make.image(repository, "v1", layers=1)))
    first = compare(site, repository)
    assert first.proved_at is not None
    site.beat()
    site.deliver()
    assert (site.minute().recovery_point or 0) > first.proved_at

    moved = make.image(repository, "v1", layers=1)
    new = make.image(repository, "v2", layers=1)
    found = compare(site, repository)

    assert site.secondary.digest(repository, "v1") == moved.digest
    assert site.secondary.digest(repository, "v2") == new.digest
    assert found.lost is not None
    assert found.lost.count == 2
    site.beat()
    site.deliver()
    assert site.minute().recovery_point == found.proved_at, "what comparisons prove, and no heartbeat"
    assert found.proved_at is not None
    assert found.proved_at > first.proved_at

    site.secondary.receive(pushed(make.image(repository, "v3", layers=1)))  # the registry posts again
    assert compare(site, repository).lost is None
    site.beat()
    site.deliver()
    assert (site.minute().recovery_point or 0) > found.proved_at


def test_an_event_that_the_comparison_overtook_is_not_lost(site: Site, make: ImageMaker, repository: str) -> None:
    site.secondary.receive(pushed(make.image(repository, "v1", layers=1)))
    compare(site, repository)
    late = pushed(make.image(repository, "v2", layers=1))
    assert compare(site, repository).lost is not None
    site.secondary.receive(late)
    site.secondary.receive(late)
    assert site.status().lost is None


def test_what_somebody_changed_at_the_secondary_is_no_lost_notification(
    site: Site, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1", layers=1)
    site.secondary.receive(pushed(made))
    compare(site, repository)
    with second_registry.maker(seed=5) as vandal:
        vandal.image(repository, "v1", layers=1)
    assert compare(site, repository).lost is None
    assert site.secondary.digest(repository, "v1") == made.digest


def test_a_comparison_that_found_what_cannot_be_copied_proves_nothing_but_of_the_others(
    site: Site, make: ImageMaker, repository: str
) -> None:
    make.image(repository, "v1", layers=1)
    make.image(repository, "v2", layers=1)
    site.secondary.secondary_proxy.add(Answer(status=400, kind="tag", method="PUT", times=1))
    site.secondary.receive(WALK)
    site.secondary.sweep_until(lambda: [one.parked for one in site.secondary.owed(repository)] == [True])
    site.minute()
    found = site.minute()
    (parked,) = found.would_be_lost
    assert (found.proved_at, found.recovery_point) == (None, None)
    assert found.recovery_point_but_parked is not None
    # The next comparison leaves it parked, and neither asks for it nor sends it to the DLQ again.
    site.secondary.receive(WALK)
    site.secondary.sweep_until(lambda: len(site.secondary.owed(repository)) == 1)
    assert site.minute().would_be_lost == (parked,)
    assert len(site.secondary.dlq.messages) == 1


def test_at_any_moment_what_would_be_lost_is_what_the_secondary_lacks(
    site: Site, primary: Place, make: ImageMaker, repository: str, seed: int
) -> None:
    """Pushes and retags, delivered late and in any order between heartbeats, while requests fail."""
    chance = random.Random(seed)  # noqa: S311 - a load, no secret
    tags = [f"v{number}" for number in range(5)]
    truth: dict[str, tuple[str | None, int]] = {}
    pool = [make.image(repository, f"pool-{number}", layers=1) for number in range(3)]
    compare(site, repository)
    points: list[int] = []

    def push(tag: str) -> None:
        made = chance.choice(pool) if chance.random() < 0.5 else make.image(repository, tag, layers=1)
        if made.reference != tag:
            make.retag(made, tag)
        truth[tag] = (made.digest, now())
        site.queue.append(pushed(made, tag=tag))

    def check() -> None:
        # The truth first: what is pushed after that is nobody's claim. One thread does all of it.
        found = site.status()
        listed = {one.reference for one in found.would_be_lost}
        waiting = {one.tag for one in site.queue if isinstance(one, GeoEvent)}
        point = found.recovery_point
        assert point is not None, f"seed {seed}"
        points.append(point)
        for tag, (digest, pushed_at) in truth.items():
            there = site.secondary.digest(repository, tag)
            if there == digest:
                continue
            where = f"seed {seed}: {tag}: {there} instead of {digest}, pushed {now() - pushed_at} ms ago"
            assert pushed_at >= point, f"{where}: the recovery point is {now() - point} ms old"
            assert tag in listed or tag in waiting, f"{where}: it is not among what would be lost: {listed}"

    for _ in range(STEPS):
        step = chance.random()
        if step < 0.25:
            push(chance.choice(tags))
        elif step < 0.4:
            site.beat()
        elif step < 0.75 and site.queue:
            if chance.random() < 0.1:
                site.secondary.secondary_proxy.add(Answer(status=500, method="PUT", times=1))
            site.deliver(chance.randrange(len(site.queue)))
        elif step < 0.8:
            site.secondary.sweep()
        elif step < 0.9:
            site.minute()
        check()
    while site.queue:
        site.deliver(chance.randrange(len(site.queue)))
    site.beat()
    site.deliver()
    site.minute()
    check()
    assert len(set(points)) > 1, f"seed {seed}: it never moved"
