"""Announced deletes: those of single tags do not count for the breaker, that of a whole repository does.

A comparison may be faster than the events of the deletions that it finds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from local.registries import RegistrySpec
from tests.integration.comparing.emptied import QUICK, WINDOW, compare, digests, fill, here
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, event
from tests.support.images import ImageMaker

from geosync.comparing import doubt
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.transitions.marks import Mark


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    """A registry with nothing in it but what the test pushes."""
    return Place(registry=start_registry(RegistrySpec(name="emptied")))


@pytest.fixture
def secondary(primary: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(primary, second_registry, timing=QUICK, limits=Limits(window_s=WINDOW))
    yield one
    one.close()


def test_announced_deletes_that_a_comparison_overtakes_suspend_nothing(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    """All of a repository's tags are deleted, one by one, and a comparison is faster than the events."""
    images = fill(secondary, make, repository, 5)
    for made in images.values():
        make.delete(made)
    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(whole.to_json())
    doubted = secondary.sync_registry.breaker.state()
    assert doubted.doubt == f"5 of the 5 tags of {repository} are missing at the primary"
    assert doubted.stops
    assert not doubted.suspended
    assert not doubt.decide(secondary.sync_registry, lambda: 5, primary=None).suspended, (
        "their events wait in the queue"
    )
    assert digests(secondary, images) == here(images)

    taken = secondary.intake.take([event("deleted", repository, tag=tag).to_json() for tag in images])
    assert not taken.again
    secondary.decide_about_deletes()

    state = secondary.sync_registry.breaker.state()
    assert not state.stops
    assert state.found == 0
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert set(digests(secondary, images).values()) == {None}
    assert compare(secondary, repository) is None
    assert not secondary.sync_registry.breaker.state().stops


def test_deletes_that_are_marked_and_not_worked_off_yet_are_no_finding(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = fill(secondary, make, repository, 3)
    for made in images.values():
        make.delete(made)
    secondary.intake.take([event("deleted", repository, tag=tag).to_json() for tag in images])
    secondary.sync_registry.mark(repository, Reference.whole(), Mark())
    found = compare(secondary, repository)
    assert found is None or not found.missing
    assert secondary.sync_registry.breaker.state().doubts == 0


def test_what_nobody_announced_is_suspended_once_no_event_waits(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    """Three of five are announced: two are no reason. Four of five are missing, one of them announced: three are."""
    images = fill(secondary, make, repository, 5)
    for tag in ("v0", "v1", "v2", "v3"):
        make.delete(images[tag])
    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(whole.to_json())
    secondary.intake.take([event("deleted", repository, tag="v0").to_json()])

    secondary.decide_about_deletes()

    state = secondary.sync_registry.breaker.state()
    assert state.reason == f"3 of the 5 tags of {repository} are missing at the primary"


def test_a_repository_whose_deletion_was_announced_as_a_whole_waits_for_an_operator(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    """Nobody named its tags. They are counted like those that a comparison misses: all are more than the share."""
    images = fill(secondary, make, repository, 3)
    shutil.rmtree(next(primary.registry.folder.rglob(f"repositories/{repository}")))
    secondary.receive(event("deleted", repository))
    secondary.sweep_until(lambda: not secondary.owed(repository))
    secondary.decide_about_deletes()
    assert digests(secondary, images) == here(images)
    assert secondary.row(repository).missing_on_primary
    state = secondary.sync_registry.breaker.state()
    assert state.reason == f"3 of the 3 tags of {repository} are missing at the primary"

    assert secondary.sync_registry.breaker.resume()
    compare(secondary, repository)

    assert set(digests(secondary, images).values()) == {None}


def test_below_the_breaker_s_share_and_number_it_goes_when_its_registry_announces_it(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(primary, second_registry, timing=QUICK, limits=Limits(share=1.0, tags=3, window_s=3600))
    images = {name: fill(secondary, make, name, 3) for name in (repository, f"{repository}-2")}
    for name in images:
        shutil.rmtree(next(primary.registry.folder.rglob(f"repositories/{name}")))
        secondary.receive(event("deleted", name))
        # Distribution 2.8 now and then answers 500 to one of two deletes at a time: it comes with the next try.
        secondary.sweep_until(lambda name=name: not secondary.owed(name))  # type: ignore[misc]

    assert set(digests(secondary, images[repository]).values()) == {None}
    assert digests(secondary, images[f"{repository}-2"]) == here(images[f"{repository}-2"])
    assert str(secondary.sync_registry.breaker.state().doubt).startswith("6 tags were found missing at the primary")
    secondary.close()
