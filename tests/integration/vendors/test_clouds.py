"""Azure's, Google's, GitHub's and GitLab's registries as their doubles have them: what all have in common.

Each double fails the test when a rule of its vendor's is broken.
"""

from __future__ import annotations

import email.utils
import json
import time

import pytest
from local.certificates import signing_pair
from tests.integration.secondary import pushed
from tests.integration.vendors.world import DOUBLES, World, wait_for
from tests.support.proxy import Call

from geosync.errors import Unauthorized
from geosync.oci.repository import Repository
from geosync.pair.deletes import TagRemover
from geosync.registries.vendors import find
from geosync.sync_registry.items import SYNCED


@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_images_arrive_there_and_come_from_there(world: World, name: str, below: str) -> None:
    double = world.double(name)
    there, back = world.into(name, double), world.out_of(name, double)
    image, index = world.make.image(below, "v1"), world.make.index(below, "multi")
    there.receive(pushed(image), pushed(index))
    wait_for(there, below)
    assert there.digest(below, "v1") == image.digest
    assert there.digest(below, "multi") == index.digest
    assert there.row(below).state == SYNCED

    made = world.beside.index(f"{below}-back", "v1", children=2, layers=2)
    back.receive(pushed(made))
    wait_for(back, made.repository)
    assert back.digest(made.repository, "v1") == made.digest


@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_a_token_that_ends_in_the_middle_of_a_copy_is_replaced(world: World, name: str, below: str) -> None:
    double = world.double(name)
    secondary = world.into(name, double)
    secondary.receive(pushed(world.make.image(below, "v0", layers=1)))
    wait_for(secondary, below)
    made = world.make.index(below, "multi", children=2, layers=2)
    secondary.secondary_proxy.add(Call(method="POST", kind="uploads", nth=3, before=double.expire_tokens))
    secondary.secondary_proxy.add(Call(method="PUT", kind="manifest", nth=3, before=double.expire_tokens))
    secondary.receive(pushed(made))
    wait_for(secondary, below)
    assert secondary.digest(below, "multi") == made.digest

    back = world.out_of(name, double)
    made = world.beside.image(f"{below}-back", "v1", layers=3)
    back.primary_proxy.add(Call(method="GET", kind="blob", nth=2, before=double.expire_tokens))
    back.receive(pushed(made))
    wait_for(back, made.repository)
    assert back.digest(made.repository, "v1") == made.digest


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_a_registry_that_throttles_is_held_for_as_long_as_it_says(
    world: World, name: str, below: str, form: str
) -> None:
    double = world.double(name)
    secondary = world.into(name, double)
    secondary.receive(pushed(world.make.image(below, "v0", layers=1)))
    wait_for(secondary, below)
    made = world.make.image(below, "v1", layers=1)
    before = time.time()
    # A date has whole seconds, and must be more than 5 s away when it is read: those are waited for.
    double.throttle = ["40" if form == "seconds" else email.utils.formatdate(before + 40, usegmt=True)] * 100
    secondary.receive(pushed(made))
    secondary.sweep_until(lambda: bool(secondary.sync_registry.holds()))
    (hold,) = secondary.sync_registry.holds()
    assert hold.registry == secondary.registries.secondary.name
    waited = time.time() - before if form == "seconds" else 0
    assert 38 <= hold.until / 1000 - before <= 41 + waited
    assert secondary.owed(below)[0].attempts == 0


@pytest.mark.parametrize("name", ["acr", "gar", "gitlab"])
def test_a_comparison_costs_pages_where_both_list_digests(world: World, name: str, below: str) -> None:
    double = world.double(name)
    registry = world.open(name, double)
    made = {f"v{number}": world.beside.image(below, f"v{number}", layers=1).digest for number in range(7)}
    assert registry.lists_digests
    before = len(double.requests)
    pages = list(registry.tags_with_digests(below))
    asked = [request.target for request in double.requests[before:] if "tags" in request.target]
    assert {one.tag: one.digest for page in pages for one in page} == made
    assert all(page for page in pages)
    # One request a page, and the one that was refused to learn where tokens are had.
    assert len(asked) <= len(pages) + 1
    assert len(pages) == (3 if name == "acr" else 1)
    later = [one.tag for page in registry.tags_with_digests(below, last="v4") for one in page]
    assert later == ["v5", "v6"]


@pytest.mark.parametrize("name", ["acr", "gar", "gitlab"])
def test_a_tag_is_removed_alone(world: World, name: str, below: str) -> None:
    double = world.double(name)
    registry = world.open(name, double)
    image = world.beside.image(below, "v1", layers=1)
    world.beside.retag(image, "v2")
    TagRemover().remove(Repository(registry, below), "v1", before_tag_write=lambda: None)
    TagRemover().remove(Repository(registry, below), "never-there", before_tag_write=lambda: None)
    assert registry.head_manifest(below, "v1") is None
    seen = registry.head_manifest(below, "v2")
    assert seen is not None
    assert seen.digest == image.digest


@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_credentials_that_are_wrong_say_which_registry_and_what_to_check(world: World, name: str) -> None:
    double = world.double(name)
    document = json.loads(double.secret)
    key = {"acr": "client_secret", "gar": "private_key", "ghcr": "password", "gitlab": "private_key"}[name]
    document[key] = signing_pair().private_key if key == "private_key" else "not-the-secret"
    registry = world.open(name, double, json.dumps(document))
    with pytest.raises(Unauthorized) as refused:
        registry.head_manifest("my-project/geo/app", "v1")
    text = str(refused.value)
    assert registry.name in text
    expected = {
        "acr": "AADSTS7000215: Invalid client secret provided: check tenant, client_id and client_secret",
        "gar": "Invalid JWT Signature.: check that the service account is enabled",
        "ghcr": "GET token from 127.0.0.1",
        "gitlab": "does the registry trust the issuer omnibus-gitlab-issuer, the service container_registry",
    }[name]
    assert expected in text
    assert not any(str(value) in text for value in (document[key], json.loads(double.secret)[key]))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("contoso.azurecr.io", "acr"),
        ("contoso.azurecr.cn", "acr"),
        ("azurecr.io", "plain"),
        ("contoso.azurecr.io.example.com", "plain"),
        ("europe-docker.pkg.dev", "gar"),
        ("us-west1-docker.pkg.dev", "gar"),
        ("gcr.io", "gar"),
        ("eu.gcr.io", "gar"),
        ("notgcr.io", "plain"),
        ("ghcr.io", "ghcr"),
        ("evil-ghcr.io", "plain"),
        ("registry.gitlab.com", "gitlab"),
        ("registry.example.com", "plain"),
    ],
)
def test_a_vendor_is_known_by_its_host(host: str, name: str) -> None:
    assert name == find(f"https://{host}").NAME


@pytest.mark.parametrize("name", ["acr", "gar", "ghcr"])
def test_a_realm_on_another_host_gets_no_credentials(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    double = world.double(name)
    elsewhere = f"http://localhost:{double.host.rpartition(':')[2]}{double.realm_path}"
    monkeypatch.setattr(type(double), "realm", elsewhere)
    with pytest.raises(Unauthorized, match=r"its token service is at localhost: add it to realm_hosts"):
        world.open(name, double).head_manifest("group/app", "v1")
    assert double.asked == []
