"""The recovery point between real registries: the reported losses against the images that the secondary lacks."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.minutes import WALK, Site, compare, followed, now
from tests.integration.secondary import event, pushed
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Status as Answer

from geosync.messages.geo_event import GeoEvent
from geosync.sync_registry.items import Reference

REFUSED = b'{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}'
"""A registry's own refusal, which is final."""

STEPS = 100


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    """A registry with nothing in it but what the test pushes."""
    return Place(registry=start_registry(RegistrySpec(name="recovered")))


@pytest.fixture
def site(primary: Place, second_registry: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with followed(primary, second_registry, monkeypatch) as one:
        yield one


@pytest.fixture
def seed() -> int:
    """The seed, which GEOSYNC_SEED sets to repeat a failure."""
    return int(os.environ.get("GEOSYNC_SEED", time.time_ns() % 10**9))


@pytest.fixture
def make(primary: Place, seed: int) -> Iterator[ImageMaker]:
    with primary.maker(seed=seed) as maker:
        yield maker


def test_a_tag_that_the_primary_lists_without_its_manifest_is_no_lost_notification(
    site: Site, make: ImageMaker, primary: Place, repository: str
) -> None:
    """Distribution 2.8 leaves such a tag when it stumbles over itself in a DELETE: it stays listed for ever."""
    site.secondary.receive(pushed(make.image(repository, "v1", layers=1)))
    compare(site, repository)
    revisions = next(primary.registry.folder.rglob(f"repositories/{repository}/_manifests/revisions"))
    for tag in ("v1", "new"):
        made = make.image(repository, tag, layers=1)
        shutil.rmtree(revisions / "sha256" / made.digest.partition(":")[2])
    for _ in range(2):
        assert compare(site, repository).lost is None
    assert not site.secondary.dlq.messages


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


def test_events_that_wait_while_a_comparison_overtakes_them_are_never_lost(
    site: Site, make: ImageMaker, repository: str
) -> None:
    site.secondary.receive(pushed(make.image(repository, "v1", layers=1)))
    compare(site, repository)
    late = [make.image(repository, f"late-{number}", layers=1) for number in range(5)]
    site.queue += [pushed(one) for one in late]
    assert compare(site, repository).lost is None
    assert [site.secondary.digest(repository, one.reference) for one in late] == [one.digest for one in late]
    while site.queue:
        site.deliver()
        assert site.minute().lost is None
    silent = make.image(repository, "silent", layers=1)
    lost = compare(site, repository).lost
    assert lost is not None
    assert (lost.count, lost.reference) == (1, silent.reference), "and one that was lost is"


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
    site.secondary.secondary_proxy.add(Answer(status=400, kind="tag", method="PUT", times=1, body=REFUSED))
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


def test_a_reference_that_is_parked_twice_holds_nothing_else_back_and_leaves_no_letter_when_mended(
    site: Site, make: ImageMaker, repository: str
) -> None:
    compare(site, repository)
    refuses = Answer(status=400, kind="tag", method="PUT", times=99, body=REFUSED)
    site.secondary.secondary_proxy.add(refuses)
    for _ in range(2):
        site.secondary.receive(pushed(make.image(repository, "v1", layers=1)))
        site.secondary.sweep_until(lambda: [one.parked for one in site.secondary.owed(repository)] == [True])
    assert len(site.secondary.dlq.messages) == 2
    for _ in range(2):
        before = now()
        site.beat()
        site.deliver()
        found = site.minute()
        assert found.recovery.why is None
        assert (found.recovery_point_but_parked or 0) >= before, "heartbeats are accounted"
        assert (found.recovery_point or 0) < before
        assert len(site.secondary.dlq.messages) == 1

    site.secondary.secondary_proxy.faults.clear()
    site.secondary.sync_registry.mark(repository, Reference.tag("v1"))
    site.secondary.sweep_until(lambda: not site.secondary.owed(repository))
    assert site.minute().recovery.why is None
    assert not site.secondary.dlq.messages
    site.beat()
    site.deliver()
    assert (site.minute().recovery_point or 0) > before


class Load:
    """Random pushes and deletes at a registry, with their notifications in the queue, and the last push of each tag."""

    def __init__(self, site: Site, make: ImageMaker, repository: str, seed: int) -> None:
        self.site = site
        self.make = make
        self.repository = repository
        self.seed = f"seed {seed}"
        self.chance = random.Random(seed)  # noqa: S311 - a load, no secret
        self.tags = [f"v{number}" for number in range(5)]
        self.pool = [make.image(repository, f"pool-{number}", layers=1) for number in range(3)]
        self.truth: dict[str, tuple[Made, int]] = {}
        self.deleted: set[str] = set()
        self.points: list[int] = []

    def push(self, tag: str, made: Made | None = None) -> None:
        """Push a new image, or `made` again, under the tag."""
        made = made or self.make.image(self.repository, tag, layers=1)
        if made.reference != tag:
            self.make.retag(made, tag)
        told = pushed(made, tag=tag)
        self.truth[tag] = (made, told.received_at)
        self.site.queue.append(told)

    def delete(self, tag: str) -> None:
        """Delete the tag's manifest as Distribution 2.8 does and announces it: by digest, with its sibling tags."""
        made = self.truth[tag][0]
        self.make.delete(made)
        gone = {name for name, (other, _) in self.truth.items() if other.digest == made.digest}
        self.truth = {name: what for name, what in self.truth.items() if name not in gone}
        self.deleted |= gone
        self.site.queue.append(event("deleted", self.repository, digest=made.digest))

    def step(self) -> None:
        """Take a random step, most often with a delivery."""
        site, step = self.site, self.chance.random()
        if step < 0.25:
            self.push(self.chance.choice(self.tags), self.chance.choice(self.pool) if step < 0.12 else None)
        elif step < 0.3 and self.truth:
            self.delete(self.chance.choice(sorted(self.truth)))
        elif step < 0.45:
            site.beat()
        elif step < 0.75 and site.queue:
            if self.chance.random() < 0.1:
                site.secondary.secondary_proxy.add(Answer(status=500, method="PUT", times=1))
            site.deliver(self.chance.randrange(len(site.queue)))
        elif step < 0.8:
            site.secondary.sweep()
        elif step < 0.9:
            site.minute()

    def check(self) -> None:
        """Compare what the secondary says with what it lacks.

        What was pushed and is not there is lost if the primary dies now. What was deleted and is there still is not:
        nobody loses anything by a tag too many.
        """
        # The truth first: what is pushed after that is nobody's claim. One thread does all of it.
        site, found = self.site, self.site.status()
        listed = {one.reference for one in found.would_be_lost}
        waiting = {one.tag for one in site.queue if isinstance(one, GeoEvent)}
        point = found.recovery_point
        assert point is not None, self.seed
        self.points.append(point)
        for tag, (made, pushed_at) in self.truth.items():
            there = site.secondary.digest(self.repository, tag)
            if there == made.digest:
                continue
            where = f"{self.seed}: {tag}: {there} instead of {made.digest}, pushed {now() - pushed_at} ms ago"
            assert pushed_at >= point, f"{where}: the recovery point is {now() - point} ms old"
            assert tag in listed or tag in waiting, f"{where}: it is not among what would be lost: {listed}"

    def minute_and_check(self) -> None:
        """Run a minute, and check its claims."""
        self.site.minute()
        self.check()


def test_at_any_moment_what_would_be_lost_is_what_the_secondary_lacks(
    site: Site, make: ImageMaker, repository: str, seed: int
) -> None:
    """Pushes, retags and deletes, delivered late and in any order between heartbeats, while requests fail."""
    load = Load(site, make, repository, seed)
    compare(site, repository)
    # What every seed has to go through: a heartbeat overtakes a push, and then the push cannot be copied.
    load.push("v0")
    time.sleep(0.002)
    site.beat()
    site.deliver(1)
    load.minute_and_check()
    site.secondary.secondary_proxy.add(Answer(status=500, method="PUT", times=1))
    site.deliver()
    assert [one.failure is not None for one in site.secondary.owed(repository)] == [True]
    site.beat()
    site.deliver()
    load.minute_and_check()
    site.queue.append(pushed(load.truth["v0"][0], tag="v0"))  # the registry tells it again

    for _ in range(STEPS):
        load.step()
        load.check()
    while site.queue:
        site.deliver(load.chance.randrange(len(site.queue)))
    site.beat()
    site.deliver()
    load.minute_and_check()
    assert len(set(load.points)) > 1, f"{load.seed}: it never moved"

    # A late push hides a delete that named only its digest; told by tag, everything ends equal.
    site.secondary.secondary_proxy.faults.clear()
    gone = load.deleted - load.truth.keys()
    for owed in site.secondary.owed(repository):
        site.secondary.sync_registry.mark(repository, owed.reference)  # due now
    site.secondary.receive(WALK, *(event("deleted", repository, tag=tag) for tag in gone))
    site.secondary.sweep_until(lambda: not site.secondary.owed(repository))
    load.minute_and_check()
    assert site.status().would_be_lost == ()
    assert all(site.secondary.digest(repository, tag) is None for tag in gone), load.seed
