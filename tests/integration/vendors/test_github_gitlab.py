"""GitHub's and GitLab's registries as their doubles have them: unsupported requests and untrusted tokens."""

from __future__ import annotations

import json

import pytest
from tests.integration.secondary import Secondary, event, pushed
from tests.integration.vendors.world import MIB, World, settle, wait_for
from tests.support.vendors.acr import AcrDouble
from tests.support.vendors.ghcr import GhcrDouble
from tests.support.vendors.gitlab import GitLabDouble

from geosync.errors import Refused, Unauthorized
from geosync.messages.work import WorkMessage
from geosync.registries.vendors import find
from geosync.sync_registry.items import Reference


def test_github_s_deletes_are_parked_and_say_so(world: World, below: str) -> None:
    double = world.double("ghcr")
    secondary = world.into("ghcr", double)
    image = world.make.image(below, "v1", layers=1)
    secondary.receive(pushed(image))
    wait_for(secondary, below)
    world.make.delete(image)
    secondary.receive(event("deleted", below, tag="v1"))
    secondary.sweep_until(lambda: any(owed.parked for owed in secondary.owed(below)))
    (owed,) = secondary.owed(below)
    assert "deletes nothing through its registry API" in (owed.failure or "")
    assert secondary.digest(below, "v1") == image.digest


def test_github_s_repositories_are_not_listed_and_one_is_brought_when_it_is_named(world: World, below: str) -> None:
    double = world.double("ghcr")
    secondary = world.out_of("ghcr", double)
    with pytest.raises(Refused, match=r"lists no repositories: give its secret .* by geosync resync <repository>"):
        list(secondary.registries.primary.repositories())
    made = [world.beside.image(below, f"v{number}", layers=1) for number in range(2)]
    secondary.sync_registry.mark(below, Reference.whole())
    secondary.receive(WorkMessage(repository=below, reason="resync").to_json())
    wait_for(secondary, below)
    assert [secondary.digest(below, one.reference) for one in made] == [one.digest for one in made]


def test_the_row_says_which_issuer_gitlab_s_registry_does_not_trust(world: World, below: str) -> None:
    double = world.double("gitlab")
    secret = json.dumps(json.loads(double.secret) | {"issuer": "somebody-else"})
    secondary = world.out_of("gitlab", double, secret)
    secondary.receive(pushed(world.beside.image(below, "v1", layers=1)))
    settle(secondary, below)
    (owed,) = secondary.owed(below)
    failure = owed.failure or ""
    assert secondary.registries.primary.name in failure
    assert f"GET /v2/{below}/manifests/v1: 401" in failure
    assert "invalid_token: does the registry trust the issuer somebody-else" in failure


def test_github_s_limits_are_known() -> None:
    limits = find("https://ghcr.io").upload_limits
    assert (limits.max_chunk, limits.max_blob) == (4 * MIB, 10_000_000_000)


def test_github_s_token_without_the_scope_says_what_is_lacking(world: World, below: str) -> None:
    double = world.double("ghcr")
    assert isinstance(double, GhcrDouble)
    double.may = {"pull"}
    world.beside.image(below, "v1", layers=1)
    registry = world.open("ghcr", double)
    with pytest.raises(Unauthorized, match="insufficient_scope"):
        registry.begin_upload(below)


def test_gitlab_s_registry_without_its_database_is_compared_by_the_plain_listing(world: World, below: str) -> None:
    double = world.double("gitlab", database=False)
    registry = world.open("gitlab", double)
    made = world.beside.image(below, "v1", layers=1)
    assert not registry.lists_digests
    assert [list(page) for page in registry.tags_with_digests(below)] == [[(made.reference, None)]]
    assert sum(request.path == "/gitlab/v1/" for request in double.requests) <= 2


def test_gitlab_s_listing_goes_page_by_page(world: World, below: str, monkeypatch: pytest.MonkeyPatch) -> None:
    double = world.double("gitlab")
    monkeypatch.setattr("geosync.registries.vendors.gitlab.PAGE_SIZE", 2)
    for number in range(5):
        world.beside.image(below, f"v{number}", layers=1)
    pages = list(world.open("gitlab", double).tags_with_digests(below))
    assert [len(page) for page in pages] == [2, 2, 1]


def test_gitlab_s_refusals_are_final_and_say_what_to_do(world: World, below: str) -> None:
    double = world.double("gitlab")
    secondary = world.into("gitlab", double)
    old, odd = world.make.schema1(below, "old"), world.make.artifact(below, "odd")
    secondary.receive(pushed(old), pushed(odd))
    settle(secondary, below)
    failures = {owed.reference.value: owed.failure or "" for owed in secondary.owed(below) if owed.parked}
    assert "takes no schema 1 manifests" in failures["old"]
    assert "unknown media type" in failures["odd"]
    assert "exclude the repository" in failures["odd"]


def test_gitlab_s_untrusted_issuer_and_missing_scope_are_told_apart(world: World, below: str) -> None:
    double = world.double("gitlab")
    document = json.loads(double.secret)
    for key in ("issuer", "service"):
        registry = world.open("gitlab", double, json.dumps(document | {key: "somebody-else"}))
        with pytest.raises(Unauthorized) as refused:
            registry.head_manifest(below, "v1")
        assert "invalid_token: does the registry trust the issuer" in str(refused.value)
        assert "somebody-else" in str(refused.value)
        assert registry.name in str(refused.value)
        assert f"/v2/{below}/manifests/v1" in str(refused.value)


def test_gitlab_s_comparison_with_azure_s_registry_costs_no_look_at_a_tag(world: World, below: str) -> None:
    double = world.double("gitlab")
    secondary = world.out_of("gitlab", double)
    images = [world.beside.image(below, f"v{number}", layers=1) for number in range(3)]
    secondary.receive(*(pushed(image) for image in images))
    wait_for(secondary, below)
    azure = world.stack.enter_context(AcrDouble(world.plain.url))
    again = Secondary(
        double,
        azure,
        vendors=(find("", "gitlab"), find("", "acr")),
        accesses=(World.access("gitlab", double.secret), World.access("acr", azure.secret)),
        store=secondary.store,
    )
    world.stack.callback(again.close)
    again.sync_registry.mark(below, Reference.whole())
    again.receive(WorkMessage(repository=below, reason="resync").to_json())
    again.sweep_until(lambda: not again.owed(below))
    kinds = {one.kind for proxy in (again.primary_proxy, again.secondary_proxy) for one in proxy.exchanges}
    assert "tag" not in kinds
    assert isinstance(double, GitLabDouble)
    assert double.listings >= 1
