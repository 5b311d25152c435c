"""An index with a child that the primary answers 404 for: it may come yet, and some indexes never have it."""

from __future__ import annotations

import pytest
from tests.support.ahead_clock import AheadClock
from tests.unit.copying.fakes import descriptor_of
from tests.unit.syncing.test_holder import REPOSITORY, Site

from geosync.errors import DigestMismatch
from geosync.pair.capabilities import Capabilities
from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.timing import Timing
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.reference import ABSENCES_FOR_GOOD

TAG = Reference.tag("v1")
PAUSE_MS = 3600_000


class World:
    """A site with an index whose child the primary does not show."""

    def __init__(self, *, checks_children: bool = False, is_known_to_check: bool | None = None) -> None:
        self.clock = AheadClock()
        self.site = Site(clock=self.clock, timing=Timing(settle_s=0.0, polls_s=()))
        self.primary, self.secondary = self.site.primary, self.site.secondary
        known = checks_children if is_known_to_check is None else is_known_to_check
        self.site.habits = Capabilities(checks_children=known)
        self.secondary.checks_children = checks_children
        self.child = self.primary.add_image(b"layer")
        self.index = self.primary.add_index(self.child, tag="v1")
        del self.primary.manifests[self.child.digest]
        self.site.sync_registry.mark(REPOSITORY, TAG, Mark(expects=self.index.digest))

    def attempt(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.ahead += PAUSE_MS
            self.site.hold()

    def owed(self) -> Owed | None:
        return self.site.sync_registry.look(REPOSITORY, TAG).owed

    def tagged(self) -> str | None:
        return self.secondary.tagged.get("v1")


@pytest.mark.parametrize("times", [1, ABSENCES_FOR_GOOD])
def test_a_child_that_comes_after_a_moments_404_is_copied_with_its_index(times: int) -> None:
    world = World()
    world.attempt(times)
    owed = world.owed()
    assert owed is not None
    assert (owed.attempts, owed.parked, world.tagged()) == (times, False, None)
    world.primary.manifests[world.child.digest] = world.child
    world.attempt()
    assert (world.owed(), world.tagged()) == (None, world.index.digest)
    assert world.child.digest in world.secondary.manifests


def test_an_index_whose_child_does_not_come_is_copied_without_it_where_it_is_taken() -> None:
    world = World()
    world.attempt(ABSENCES_FOR_GOOD + 1)
    assert (world.owed(), world.tagged()) == (None, world.index.digest)


@pytest.mark.parametrize("is_known_to_check", [True, False])
def test_an_index_without_its_child_is_parked_after_a_few_attempts_where_the_registry_checks(
    *, is_known_to_check: bool
) -> None:
    world = World(checks_children=True, is_known_to_check=is_known_to_check)
    world.attempt(Timing().max_doubts - 1)
    owed = world.owed()
    assert owed is not None
    assert not owed.parked
    world.attempt()
    owed = world.owed()
    assert owed is not None
    assert owed.parked
    assert (owed.failure or "").startswith("in 5 attempts: primary:5000: GET")
    assert world.tagged() is None


@pytest.mark.parametrize("before", [0, ABSENCES_FOR_GOOD])
def test_a_tag_that_moves_while_its_index_loses_a_child_is_the_newer_image(before: int) -> None:
    world = World()
    world.attempt(before)
    puts: list[str] = []
    newer = world.primary.add_image(b"newer")

    def move(verb: str, what: str) -> None:
        if (verb, what) == ("GET manifest", world.child.digest):
            world.primary.tagged["v1"] = newer.digest

    def note(verb: str, what: str) -> None:
        if (verb, what) == ("PUT manifest", "v1"):
            puts.append(what)

    world.primary.before, world.secondary.before = move, note
    world.attempt()
    world.attempt()
    assert world.tagged() == newer.digest
    assert puts == ["v1"], "the index without its child was never put under the tag"


def test_a_child_is_not_left_out_at_its_first_404_after_other_doubts() -> None:
    world = World()
    world.primary.manifests[world.child.digest] = world.child

    def read_wrong(verb: str, what: str) -> None:
        if (verb, what) == ("GET manifest", world.child.digest):
            raise DigestMismatch("it hashes to another digest")

    world.primary.before = read_wrong
    world.attempt(ABSENCES_FOR_GOOD)
    world.primary.before = lambda *_: None
    del world.primary.manifests[world.child.digest]
    world.attempt()
    owed = world.owed()
    assert owed is not None
    assert (owed.doubts, owed.absences, owed.parked) == (ABSENCES_FOR_GOOD + 1, 1, False)
    assert world.tagged() is None
    world.primary.manifests[world.child.digest] = world.child
    world.attempt()
    assert (world.owed(), world.tagged()) == (None, world.index.digest)
    assert world.child.digest in world.secondary.manifests


def test_a_referrer_without_a_child_does_not_keep_its_subject_for_ever() -> None:
    world = World()
    world.secondary.referrers_api = world.primary.referrers_api = True
    subject = world.primary.add_image(b"subject", tag="v2")
    child = world.primary.add_image(b"signature")
    referrer = world.primary.add_index(child, subject={**descriptor_of(subject)})
    del world.primary.manifests[child.digest]
    tag = Reference.tag("v2")
    world.site.sync_registry.mark(REPOSITORY, tag)
    world.attempt(ABSENCES_FOR_GOOD)
    assert world.site.sync_registry.look(REPOSITORY, tag).owed is not None
    world.attempt()
    assert world.site.sync_registry.look(REPOSITORY, tag).owed is None
    assert referrer.digest in world.secondary.manifests


def test_a_child_that_is_wrong_here_and_gone_at_the_primary_is_a_failure_to_the_end() -> None:
    world = World()
    world.attempt(ABSENCES_FOR_GOOD + 1)

    def read_wrong(verb: str, what: str) -> None:
        if (verb, what) == ("GET manifest", world.child.digest):
            raise DigestMismatch("it hashes to another digest")

    world.secondary.before = read_wrong
    world.site.sync_registry.mark(REPOSITORY, TAG, Mark(distrust=frozenset({world.child.digest})))
    world.attempt(Timing().max_doubts)
    owed = world.owed()
    assert owed is not None
    assert owed.parked
