"""Backfill brings images without a tag where the vendor lists them, by the rules of its double."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, pushed
from tests.integration.vendors.world import World, wait_for
from tests.support.vendors.acr import AcrDouble
from tests.support.vendors.ecr import ACCOUNT, REGION, EcrDouble
from tests.support.vendors.ghcr import GhcrDouble
from tests.support.vendors.tokens import TokenDouble

from geosync.messages.work import WorkMessage
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry
from geosync.registries.vendors.ecr import Ecr, EcrAccess
from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Comparison, Mark

VENDORS = ("acr", "gar", "ghcr")
NUMBER = 5


def compare(secondary: Secondary, repository: str, *, walk: int) -> None:
    """Compare a repository for the walk through the catalogue that began at `walk` (ms)."""
    comparison = Comparison(walk=walk)
    secondary.sync_registry.mark(repository, Reference.whole(), Mark(pushed_at=walk - 1, comparison=comparison))
    secondary.receive(WorkMessage(repository=repository, reason="sweep").to_json())
    wait_for(secondary, repository)


def followed(world: World, double: TokenDouble, vendor: str) -> Secondary:
    secret = double.listing_secret() if isinstance(double, GhcrDouble) else double.secret
    return world.out_of(vendor, double, secret)


@pytest.fixture
def name(vendor: str, below: str) -> str:
    """A repository that no other test has, as the vendor's names are."""
    return f"octocat/{below.replace('/', '-')}/app" if vendor == "ghcr" else below


@pytest.fixture
def double(world: World, vendor: str) -> TokenDouble:
    made = world.double(vendor)
    made.page = 2
    return made


@pytest.fixture
def digests(world: World, double: TokenDouble, name: str) -> list[str]:
    """The digests of images pushed under one tag before Geosync's first comparison; the last one has the tag."""
    made = [world.beside.image(name, "latest", layers=1).digest for _ in range(NUMBER)]
    double.untagged[name] = made
    return made


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_comparison_brings_what_has_no_tag_and_asks_nothing_about_it_again(
    world: World, double: TokenDouble, vendor: str, name: str, digests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosync.registries.vendors.github_packages.PAGE_SIZE", 2)
    secondary = followed(world, double, vendor)
    compare(secondary, name, walk=1000)
    assert [one for one in digests if secondary.digest(name, one) is None] == []
    (suspected,) = secondary.sync_registry.suspected.read(limit=10)
    assert suspected.reference == Reference.tag("latest"), "of what has no tag nobody can tell if it was announced"

    compare(secondary, name, walk=2000)  # they are known to be here now
    secondary.reset()
    compare(secondary, name, walk=3000)
    assert [one.target for one in secondary.secondary_proxy.exchanges if "sha256:" in one.target] == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_untagged_image_is_brought_where_superseded_images_are_skipped(
    world: World, double: TokenDouble, vendor: str, name: str, digests: list[str]
) -> None:
    secondary = followed(world, double, vendor)
    secondary.registries = replace(secondary.registries, selection=Selection(superseded_images=False))
    secondary.open()
    compare(secondary, name, walk=1000)
    assert [one for one in digests if secondary.digest(name, one) is not None] == [digests[-1]]


@pytest.mark.parametrize("vendor", ["gar"])
def test_no_untagged_image_is_brought_where_tags_are_selected(
    world: World, double: TokenDouble, vendor: str, name: str, digests: list[str]
) -> None:
    secondary = followed(world, double, vendor)
    secondary.registries = replace(secondary.registries, selection=Selection.parse(include_tags="latest"))
    secondary.open()
    compare(secondary, name, walk=1000)
    assert [one for one in digests if secondary.digest(name, one) is not None] == [digests[-1]]


@pytest.mark.parametrize("vendor", ["acr"])
def test_azure_s_account_without_metadata_read_lists_none(
    world: World, double: TokenDouble, vendor: str, name: str, digests: list[str]
) -> None:
    assert isinstance(double, AcrDouble)
    assert len(digests) == NUMBER
    assert double.untagged[name]
    double.may = {"pull"}
    assert world.open(vendor, double, double.basic_secret).untagged_digests(name) is None


@pytest.mark.parametrize("vendor", ["ghcr"])
def test_github_s_packages_are_asked_for_an_organization_as_for_a_user(
    world: World, double: TokenDouble, vendor: str, below: str
) -> None:
    assert isinstance(double, GhcrDouble)
    org = below.replace("/", "-")
    double.api.accounts[org] = "Organization"
    made = [world.beside.image(f"{org}/group/app", "v1", layers=1).digest for _ in range(2)]
    double.untagged[f"{org}/group/app"] = made
    registry = world.open(vendor, double, double.listing_secret(org))
    pages = registry.untagged_digests(f"{org}/group/app")
    assert pages is not None
    assert [one for page in pages for one in page] == made[:1]
    assert registry.untagged_digests(f"{org}/group/none") is None
    assert world.open(vendor, double).untagged_digests(f"{org}/group/app") is None  # no token for that API


def test_plain_oci_lists_no_untagged_image(world: World, below: str) -> None:
    plain = Registry(world.plain.url, Anonymous(), deadline=Deadline())
    assert plain.untagged_digests(below) is None
    plain.close()


def test_amazon_s_images_without_a_tag_are_brought_with_the_children_of_an_index(
    ecr: EcrDouble, plain_registry: Place, second_registry: Place, repository: str
) -> None:
    access = EcrAccess(account=ACCOUNT, region=REGION)
    filled = Secondary(plain_registry, ecr, vendors=(Registry, Ecr), accesses=(Anonymous(), access), probing=True)
    with plain_registry.maker(seed=time.time_ns()) as maker:
        made = [maker.image(repository, "latest", layers=1) for _ in range(3)]
        index = maker.index(repository, "latest", children=2)
    filled.receive_together(*map(pushed, [*made, index]))
    wait_for(filled, repository)
    filled.close()
    assert len(ecr.repositories[repository].images) == 3 + 1 + 2

    secondary = Secondary(ecr, second_registry, vendors=(Ecr, Registry), accesses=(access, Anonymous()))
    compare(secondary, repository, walk=1000)
    assert [one for one in ecr.repositories[repository].images if secondary.digest(repository, one) is None] == []
    secondary.close()
