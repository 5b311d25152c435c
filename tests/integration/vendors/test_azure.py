"""Azure Container Registry as its double has it: exchanged tokens, passwords, listings, chunks."""

from __future__ import annotations

import json
import time

import pytest
from tests.integration.secondary import pushed
from tests.integration.vendors.world import MIB, World, wait_for
from tests.support.moved_clock import MovedClock
from tests.support.vendors.acr import AcrDouble

from geosync.errors import ConfigurationError, Unauthorized
from geosync.oci.deadline import Deadline
from geosync.registries.opening import open_registry


def test_azure_s_principal_is_exchanged_once_and_its_tokens_say_when_they_end(world: World, below: str) -> None:
    double = world.double("acr")
    secondary = world.into("acr", double)
    for number in range(4):
        secondary.receive(pushed(world.make.image(below, f"v{number}", layers=1)))
    wait_for(secondary, below)
    assert double.asked.count("exchange") == 1
    # One access token for the repository, kept for its five minutes although the answer has no expires_in.
    assert double.asked.count("refresh_token") <= 2
    assert "basic" not in double.asked


def test_azure_s_refresh_token_is_renewed_before_it_ends(
    world: World, below: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = world.double("acr", token_seconds=100, refresh_seconds=200)
    clock = MovedClock()
    registry = world.open("acr", double, clock=clock)
    world.beside.image(below, "v1", layers=1)
    assert registry.head_manifest(below, "v1") is not None
    real = time.time
    clock.ahead_s = 120
    monkeypatch.setattr(time, "time", lambda: real() + 120)  # the double's
    assert registry.head_manifest(below, "v1") is not None
    assert double.asked == ["exchange", "refresh_token", "exchange", "refresh_token"]


def test_azure_s_token_passwords_go_to_the_token_service_as_basic(world: World, below: str) -> None:
    double = world.double("acr")
    assert isinstance(double, AcrDouble)
    secondary = world.into("acr", double, double.basic_secret)
    made = world.make.image(below, "v1", layers=1)
    secondary.receive(pushed(made))
    wait_for(secondary, below)
    assert secondary.digest(below, "v1") == made.digest
    assert set(double.asked) == {"basic"}


def test_azure_s_account_without_metadata_read_lists_without_digests(world: World, below: str) -> None:
    double = world.double("acr")
    assert isinstance(double, AcrDouble)
    double.may = {"pull"}
    registry = world.open("acr", double, double.basic_secret)
    made = [world.beside.image(below, f"v{number}", layers=1) for number in range(4)]
    listed = [one for page in registry.tags_with_digests(below) for one in page]
    assert [one.tag for one in listed] == [one.reference for one in made]
    assert {one.digest for one in listed} == {None}


def test_azure_s_principal_without_a_role_says_what_to_grant(world: World) -> None:
    double = world.double("acr")
    assert isinstance(double, AcrDouble)
    double.principal_has_role = False
    with pytest.raises(Unauthorized, match=r"/oauth2/exchange.*AcrPull"):
        world.open("acr", double).head_manifest("group/app", "v1")


def test_azure_s_large_layers_go_in_chunks(world: World, below: str) -> None:
    double = world.double("acr")
    secondary = world.into("acr", double)
    made = world.make.image(below, "large", layers=1, size=21 * MIB)
    secondary.receive(pushed(made))
    wait_for(secondary, below)
    assert secondary.digest(below, "large") == made.digest
    assert max(len(request.body) for request in double.requests) <= 16 * MIB
    assert sum(request.method == "PATCH" for request in double.requests) == 2


def test_azure_s_authority_is_https_unless_the_registry_is_not(world: World) -> None:
    document = json.loads(world.double("acr").secret) | {"authority": "http://login.example.com"}
    with pytest.raises(ConfigurationError, match="authority must be an https URL"):
        open_registry("https://contoso.azurecr.io", json.dumps(document), deadline=Deadline())
