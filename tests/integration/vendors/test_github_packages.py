"""Backfill from GitHub's registry: what its packages API lists, by the rules of its double."""

from __future__ import annotations

import json
import logging
import time

import pytest
from tests.integration.secondary import Secondary, pushed
from tests.integration.vendors.world import World, wait_for
from tests.support.scripted import Reply, ScriptedServer
from tests.support.vendors.ghcr import GhcrDouble

from geosync.comparing import catalogue
from geosync.errors import (
    ConfigurationError,
    ContentError,
    Denied,
    NotFound,
    Refused,
    RegistryUnavailable,
    Unauthorized,
)
from geosync.messages.work import CatalogueMessage
from geosync.oci.deadline import Deadline
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.sync_registry.site import catalogue as catalogue_item

WALK = CatalogueMessage().to_json()


@pytest.fixture
def double(world: World) -> GhcrDouble:
    made = world.double("ghcr")
    assert isinstance(made, GhcrDouble)
    return made


@pytest.fixture
def org(double: GhcrDouble, repository: str) -> str:
    """An organization that no other test has, as its repositories' names have it; GitHub shows it in capitals."""
    name = repository.replace("/", "-")
    double.api.accounts[name.upper()] = "Organization"
    return name


def opened(world: World, double: GhcrDouble, *owners: str, **more: str) -> Registry:
    return world.open("ghcr", double, double.listing_secret(*owners, **more))


def names(registry: Registry, last: str | None = None) -> list[str]:
    return [name for page in registry.repositories(last=last) for name in page]


def walk_of(secondary: Secondary) -> catalogue_item.Walk:
    walk = catalogue_item.CatalogueItem(secondary.store).latest()
    assert walk is not None
    return walk


def test_a_backfill_brings_what_github_lists_of_an_organization_and_a_user(
    world: World, double: GhcrDouble, org: str
) -> None:
    double.api.accounts[f"{org}-user"] = "User"
    made = [
        world.beside.image(f"{org}/app", "v1", layers=1),
        world.beside.index(f"{org}/group/sub/app", "multi", children=2),
        world.beside.image(f"{org}-user/tool", "v1", layers=1),
    ]
    secondary = world.out_of("ghcr", double, double.listing_secret(org.upper(), f"{org}-user"))
    secondary.receive(WALK)
    for one in made:
        wait_for(secondary, one.repository)
    assert [secondary.digest(one.repository, one.reference) for one in made] == [one.digest for one in made]
    walk = walk_of(secondary)
    assert (walk.repositories, walk.failure) == (3, None)
    assert walk.finished_at is not None


def test_pages_are_followed_as_their_links_lead(
    world: World, double: GhcrDouble, org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosync.registries.vendors.github_packages.PAGE_SIZE", 2)
    there = [world.beside.image(f"{org}/app-{number}", "v1", layers=1).repository for number in range(5)]
    assert names(opened(world, double, org)) == there
    assert len(double.api.asked) == 3
    assert [target.partition("?")[0] for target in double.api.asked[1:]] == ["/accounts/1/packages"] * 2


def test_full_pages_without_a_link_are_not_the_end(
    world: World, double: GhcrDouble, org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosync.registries.vendors.github_packages.PAGE_SIZE", 2)
    double.api.links = False
    there = [world.beside.image(f"{org}/app-{number}", "v1", layers=1).repository for number in range(4)]
    assert names(opened(world, double, org)) == there
    assert len(double.api.asked) == 3


def test_without_owners_the_account_s_own_packages_are_listed(world: World, double: GhcrDouble) -> None:
    made = world.beside.image("octocat/app", "v1", layers=1)
    assert made.repository in names(opened(world, double))
    assert [target.partition("?")[0] for target in double.api.asked] == ["/user/packages"]


def test_a_walk_goes_on_in_the_next_invocation_where_it_was(world: World, double: GhcrDouble, org: str) -> None:
    owners = [org, f"{org}-2", f"{org}-3"]
    for owner in owners:
        double.api.accounts[owner] = "Organization"
        world.beside.image(f"{owner}/app", "v1", layers=1)
    secondary = world.out_of("ghcr", double, double.listing_secret(*reversed(owners)))
    double.api.before = lambda target: secondary.deadline.set(0) if owners[2] in target else None
    secondary.receive(WALK)
    secondary.deadline.clear()
    assert walk_of(secondary).last == f"{owners[1]}/app"
    assert walk_of(secondary).finished_at is None

    double.api.before = lambda target: None
    before = len(double.api.asked)
    secondary.receive(WALK)
    assert walk_of(secondary).finished_at is not None
    assert walk_of(secondary).repositories == 3
    asked = [target.split("/")[2] for target in double.api.asked[before:]]
    assert asked == owners[1:], "what is before the cursor is not asked for again"


def test_a_cursor_in_the_middle_of_an_owner_is_gone_on_behind(world: World, double: GhcrDouble, org: str) -> None:
    """`-` sorts before `/`: an owner whose name goes on comes after all of the shorter one's packages."""
    other = f"{org}-2"
    double.api.accounts[other] = "Organization"
    for name in (f"{org}/a", f"{org}/b", f"{org}/b/c", f"{other}/a"):
        world.beside.image(name, "v1", layers=1)
    registry = opened(world, double, org, other)
    assert names(registry) == [f"{org}/a", f"{org}/b", f"{org}/b/c", f"{other}/a"]
    assert names(registry, last=f"{org}/b") == [f"{org}/b/c", f"{other}/a"]
    assert names(registry, last=f"{other}/a") == []


PRIMARY_LIMIT = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "{in 50 minutes}"}


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(("headers", "pause"), [({"Retry_After": "90"}, 90), (PRIMARY_LIMIT, 3000)])
def test_a_rate_limit_keeps_the_walk_alone_waiting(
    world: World, double: GhcrDouble, org: str, *, status: int, headers: dict[str, str], pause: float
) -> None:
    """The registry is another service: what is pushed goes on, and so does what was listed before."""
    made = world.beside.image(f"{org}/app", "v1", layers=1)
    secondary = world.out_of("ghcr", double, double.listing_secret(org))
    reset = str(int(time.time()) + 3000)
    double.api.limit(status, **{name: reset if "minutes" in value else value for name, value in headers.items()})
    begun = time.time()
    secondary.receive(WALK)
    walk = walk_of(secondary)
    assert walk.not_before is not None
    assert pause - 3 <= walk.not_before / 1000 - begun <= pause + 3 + (time.time() - begun)
    assert f"{double.api.host}: GET /orgs/{org}/packages: {status} You have exceeded a rate limit" in str(walk.failure)
    assert not catalogue.is_due(walk, now_ms=walk.not_before - 1, every_s=0)
    catalogue_item.CatalogueItem(secondary.store).ask()
    assert not catalogue.is_due(walk_of(secondary), now_ms=walk.not_before - 1, every_s=0), "nor because somebody asks"
    assert catalogue.is_due(walk_of(secondary), now_ms=walk.not_before, every_s=0)

    assert not secondary.sync_registry.holds()
    secondary.receive(pushed(made))
    wait_for(secondary, made.repository)
    assert secondary.digest(made.repository, "v1") == made.digest

    secondary.receive(WALK)
    walk = walk_of(secondary)
    assert walk.finished_at is not None
    assert (walk.not_before, walk.failure) == (None, None)


def test_a_429_that_says_nothing_is_waited_for_a_minute(world: World, double: GhcrDouble, org: str) -> None:
    double.api.limit(429)
    with pytest.raises(RegistryUnavailable) as caught:
        names(opened(world, double, org))
    assert caught.value.retry_after == 60


def test_a_listing_that_is_refused_is_told_by_the_walk_and_the_log(
    world: World, double: GhcrDouble, org: str, caplog: pytest.LogCaptureFixture
) -> None:
    double.api.scopes = set()
    secondary = world.out_of("ghcr", double, double.listing_secret(org))
    with caplog.at_level(logging.ERROR, "secondary"):
        secondary.receive(WALK)
    (record,) = [one for one in caplog.records if one.message == "catalogue_unreadable"]
    for text in (walk_of(secondary).failure or "", str(record.reason)):  # type: ignore[attr-defined]
        assert text.startswith(
            f"{double.api.host}: GET /orgs/{org}/packages: 403 You need at least read:packages scope"
        )
        assert "check that the registry's secret has a personal access token (classic) with read:packages" in text
        assert double.pat not in text


def test_a_wrong_token_a_missing_scope_and_an_unknown_account_are_told_apart(
    world: World, double: GhcrDouble, org: str
) -> None:
    with pytest.raises(Unauthorized, match="401 Bad credentials: check that") as wrong:
        names(opened(world, double, org, token="ghp_wrong"))
    assert "ghp_wrong" not in str(wrong.value)
    with pytest.raises(NotFound, match="GET /users/nobody-there/packages: 404 Not Found: check that"):
        names(opened(world, double, "nobody-there"))
    double.api.scopes = set()
    with pytest.raises(Denied, match="403 You need at least read:packages"):
        names(opened(world, double, org))
    with pytest.raises(Refused, match=r"these are octocat's, not somebody's: correct username"):
        double.api.scopes = {"read:packages"}
        world.beside.image("octocat/app", "v1", layers=1)
        names(opened(world, double, username="somebody"))


def test_neither_a_redirect_nor_a_link_leads_the_token_to_another_host(
    world: World, double: GhcrDouble, org: str
) -> None:
    with ScriptedServer(lambda request: Reply(body=b"[]")) as elsewhere:
        away = f"{elsewhere.url}/orgs/{org}/packages"
        for reply in (
            Reply(status=301, headers=[("Location", away)]),
            Reply(headers=[("Link", f'<{away}>; rel="next"')], body=b"[]"),
        ):
            double.api.limited.append(reply)
            with pytest.raises(RegistryUnavailable, match="it leads to another host: not followed"):
                names(opened(world, double, org))
        assert not elsewhere.requests


def test_a_redirect_of_the_api_is_followed_and_a_circle_is_not(world: World, double: GhcrDouble, org: str) -> None:
    """ "Best practices for using the REST API": any request may be redirected."""
    made = world.beside.image(f"{org}/app", "v1", layers=1)
    moved = "/accounts/1/packages?package_type=container&per_page=100"
    double.api.limited.append(Reply(status=301, headers=[("Location", moved)]))
    assert names(opened(world, double, org)) == [made.repository]

    circle = f'<{double.api.url}/orgs/{org}/packages?package_type=container&per_page=100>; rel="next"'
    double.api.limited.append(Reply(headers=[("Link", circle)], body=b"[]"))
    with pytest.raises(ContentError, match="the pages go round in a circle"):
        names(opened(world, double, org))


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'["app"]', b"[" * 100_000])
def test_a_malformed_listing_is_not_taken_for_an_empty_one(
    world: World, double: GhcrDouble, org: str, body: bytes
) -> None:
    double.api.limited.append(Reply(body=body))
    with pytest.raises(RegistryUnavailable, match="no list of packages"):
        names(opened(world, double, org))


def test_the_token_of_another_github_goes_to_no_api_that_nobody_named(double: GhcrDouble) -> None:
    document = json.loads(double.listing_secret("my-org"))
    del document["api_url"]
    assert open_registry("https://ghcr.io", json.dumps(document), deadline=Deadline()).NAME == "ghcr"
    with pytest.raises(ConfigurationError, match=r"must say api_url, https://<host>/api/v3"):
        open_registry("https://containers.example.com", json.dumps(document), vendor="ghcr", deadline=Deadline())
    with pytest.raises(ConfigurationError, match="api_url must be an https URL"):
        open_registry("https://ghcr.io", double.listing_secret("my-org"), deadline=Deadline())
