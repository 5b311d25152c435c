"""A primary's Distribution whose listings give less than others: small pages, nothing for 404, a tag left out."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from local.registries import RegistrySpec
from tests.integration.comparing.emptied import QUICK, WINDOW, compare
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, pushed
from tests.support.images import ImageMaker
from tests.support.vendors.distribution3 import Distribution3

from geosync.messages.work import WorkMessage
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.breaker import Limits


@pytest.fixture
def primary(second_registry: Place) -> Iterator[Distribution3]:
    with Distribution3(second_registry.url) as one:
        yield one


@pytest.fixture
def secondary(primary: Distribution3, plain_registry: Place) -> Iterator[Secondary]:
    one = Secondary(primary, plain_registry, timing=QUICK, limits=Limits(window_s=WINDOW))
    yield one
    one.close()


@pytest.fixture
def make(primary: Distribution3) -> Iterator[ImageMaker]:
    with ImageMaker(primary.url, seed=time.time_ns()) as one:
        yield one


def opened(url: str) -> Registry:
    return Registry(url, Anonymous(), deadline=Deadline())


# -------------------------------------------------------------------------------------------------------- small pages


@pytest.mark.parametrize("most", [1000, 999, 100, 99, 10, 3, 1])
def test_a_catalogue_that_gives_few_names_at_a_time_is_read_whole(primary: Distribution3, most: int) -> None:
    names = [f"team/app-{number:02}" for number in range(12)]
    for name in names:
        primary.tags[name] = {}
    primary.max_entries = most
    registry = opened(primary.url)
    assert [name for page in registry.repositories() for name in page] == names
    asked = len(primary.requests)
    assert [name for page in registry.repositories(last=names[8]) for name in page] == names[9:]
    refused = [one for one in primary.requests[asked:] if "n=1000" in one.target]
    assert not refused or most == 1000, "what it took is asked for from then on"
    registry.close()


@pytest.mark.parametrize("most", [100, 2])
def test_a_catalogue_of_distribution_2_with_few_names_a_page_is_read_whole(
    start_registry: StartRegistry, most: int
) -> None:
    registry = start_registry(RegistrySpec(name="few", more={"catalog": {"maxentries": most}}))
    with ImageMaker(registry.url, seed=1) as make:
        names = [f"team/app-{number}" for number in range(5)]
        for name in names:
            make.image(name, "v1", layers=0)
    client = opened(registry.url)
    assert [name for page in client.repositories() for name in page] == names
    client.close()


# --------------------------------------------------------------------------- an unknown repository that lists as empty


def test_a_repository_that_is_gone_and_lists_as_empty_is_missing_on_the_primary(
    secondary: Secondary, primary: Distribution3, make: ImageMaker, repository: str
) -> None:
    primary.on_s3 = True
    secondary.receive(pushed(make.image(repository, "v1")))
    compare(secondary, repository)
    assert not secondary.row(repository).missing_on_primary
    del primary.tags[repository]
    compare(secondary, repository)
    assert secondary.row(repository).missing_on_primary


def test_a_repository_without_tags_is_not_missing(
    secondary: Secondary, primary: Distribution3, make: ImageMaker, repository: str
) -> None:
    primary.on_s3 = True
    secondary.receive(pushed(make.image(repository, "v1")))
    primary.tags[repository].clear()
    compare(secondary, repository)
    assert not secondary.row(repository).missing_on_primary


def test_a_resync_of_what_was_never_there_leaves_no_row(
    secondary: Secondary, primary: Distribution3, repository: str
) -> None:
    primary.on_s3 = True
    whole = WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),))
    secondary.receive(whole.to_json())
    assert secondary.owed(repository) == []
    assert secondary.sync_registry.row(repository) is None


# ------------------------------------------------------------------------------------- a tag that a listing leaves out


def test_a_tag_that_is_not_listed_and_is_there_is_neither_missing_nor_removed(
    secondary: Secondary, primary: Distribution3, make: ImageMaker, repository: str
) -> None:
    made = {tag: make.image(repository, tag) for tag in ("1.2", "1.20")}
    secondary.receive(*map(pushed, made.values()))
    primary.on_s3 = True
    registry = opened(primary.url)
    assert [tag for page in registry.tags(repository) for tag in page] == ["1.2"]
    registry.close()
    for _ in range(3):
        found = compare(secondary, repository)
        assert found is None or found.missing == 0
    assert {tag: secondary.digest(repository, tag) for tag in made} == {tag: one.digest for tag, one in made.items()}
