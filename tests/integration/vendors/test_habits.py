"""A secondary's Distribution 3, whose checks of an index may change during a copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, pushed
from tests.integration.vendors.world import settle, wait_for
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Status
from tests.support.vendors.distribution3 import Distribution3

from geosync.oci.repository import Repository
from geosync.pair.capabilities import Capabilities, probe
from geosync.sync_registry.items import SYNCED

LISTED = frozenset({("arch0", "linux")})
"""The platform of the first child that an ImageMaker makes, and of no other."""


@pytest.fixture
def double(second_registry: Place) -> Iterator[Distribution3]:
    with Distribution3(second_registry.url) as one:
        yield one


@pytest.fixture
def secondary(plain_registry: Place, double: Distribution3) -> Iterator[Secondary]:
    one = Secondary(plain_registry, double, probing=True)
    yield one
    one.close()


def habits(secondary: Secondary, repository: str) -> Capabilities:
    return secondary.registries.capabilities(Repository(secondary.registries.secondary, repository))


def lacking(double: Distribution3, index: Made) -> list[str]:
    """The children of an index that the secondary's registry has not got."""
    return [one for one in index.children if not double.has_manifest(index.repository, one)]


def arrive(secondary: Secondary, made: Made) -> None:
    secondary.receive(pushed(made))
    wait_for(secondary, made.repository)
    assert secondary.digest(made.repository, made.reference) == made.digest
    assert secondary.row(made.repository).state == SYNCED


@pytest.mark.parametrize("platforms", [None, LISTED], ids=["none", "list"])
def test_children_are_there_though_the_registry_stopped_checking_after_it_was_asked(
    secondary: Secondary,
    double: Distribution3,
    make: ImageMaker,
    repository: str,
    platforms: frozenset[tuple[str, str]] | None,
) -> None:
    arrive(secondary, make.index(repository, "v1"))
    assert habits(secondary, repository).checks_children
    double.indexes.checks, double.indexes.platforms = platforms is not None, platforms
    for tag in ("v2", "v3"):
        index = make.index(repository, tag)
        arrive(secondary, index)
        assert lacking(double, index) == []


def test_a_registry_that_was_seen_not_to_check_is_asked_anew_and_gets_children_first(
    secondary: Secondary, double: Distribution3, make: ImageMaker, repository: str
) -> None:
    arrive(secondary, make.index(repository, "v1"))
    double.indexes.checks = False
    arrive(secondary, make.index(repository, "v2"))
    secondary.reset()
    arrive(secondary, make.index(repository, "v3"))
    assert not habits(secondary, repository).checks_children
    assert secondary.secondary_proxy.counts()["PUT", "tag"] == 1


@pytest.mark.parametrize("platforms", [LISTED, frozenset({("riscv64", "linux")})], ids=["some", "none of them"])
def test_a_registry_that_checks_some_platforms_from_the_beginning_is_copied_to(
    secondary: Secondary,
    double: Distribution3,
    make: ImageMaker,
    repository: str,
    platforms: frozenset[tuple[str, str]],
) -> None:
    double.indexes.platforms = platforms
    index = make.index(repository, "v1")
    arrive(secondary, index)
    assert lacking(double, index) == []
    found = habits(secondary, repository)
    assert (found.checks_children, found.unsure) == (False, False)


def test_what_was_put_before_an_attempt_broke_off_is_looked_below_by_the_next(
    secondary: Secondary, double: Distribution3, make: ImageMaker, repository: str
) -> None:
    arrive(secondary, make.index(repository, "v1"))
    double.indexes.checks = False
    index = make.index(repository, "v2")
    looks = Status(method="HEAD", kind="manifest", times=100, status=503)
    secondary.secondary_proxy.add(looks)
    secondary.receive(pushed(index))
    assert secondary.digest(repository, "v2") == index.digest, "the tag is there before the looks"
    assert len(lacking(double, index)) == 2
    looks.times = 0
    wait_for(secondary, repository)
    assert lacking(double, index) == []


@pytest.mark.parametrize("remembers", [True, False])
def test_an_index_of_blobs_is_taken_or_parked_with_what_to_do(
    secondary: Secondary, double: Distribution3, make: ImageMaker, repository: str, *, remembers: bool
) -> None:
    double.indexes.remembers_blobs = remembers
    cache = make.buildkit_cache(repository, "cache", form="A")
    secondary.receive(pushed(cache))
    settle(secondary, repository)
    if remembers:
        assert secondary.owed(repository) == []
        return
    (owed,) = secondary.owed(repository)
    assert owed.parked
    assert owed.attempts == 1
    assert "it takes no index of blobs: export it with image-manifest=true,oci-mediatypes=true" in (owed.failure or "")
    secondary.dlq.messages.clear()


def test_distribution_2_checks_whatever_its_validation_says(
    start_registry: StartRegistry, plain_registry: Place
) -> None:
    """The settings by which 3 stops checking are in no version of 2: live, 2.8.2."""
    validation = {"disabled": True, "manifests": {"indexes": {"platforms": "none"}}}
    there = Place(registry=start_registry(RegistrySpec(name="unvalidated", more={"validation": validation})))
    secondary = Secondary(plain_registry, there, probing=True)
    assert probe(Repository(secondary.registries.secondary, "team/app")) == Capabilities()
    secondary.close()
