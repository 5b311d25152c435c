"""A layer in chunks, and what can happen to one: broken connections, tokens that run out, answers that get lost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from bench.images import MIB
from local.certificates import KeyPair
from local.registries import RegistrySpec, RunningRegistry, TokenAuth
from local.token_service import TokenService
from tests.integration.conftest import SERVICE, Place
from tests.integration.secondary import Secondary, pushed
from tests.support.images import Made
from tests.support.proxy import Call, Cut, Delay, Slow, Status
from tests.support.vendors.distribution3 import Distribution3

from geosync.copying.route import Route
from geosync.oci.credentials import Anonymous, Basic
from geosync.oci.transport import Body
from geosync.oci.uploads import UploadLimits
from geosync.registries.registry import Registry

LAYER = 4 * MIB
TOKEN_ACCOUNT = Basic(username="geo", password="s3cret-token")


class SmallBodies(Registry):
    """A registry that takes small bodies only: a layer goes in chunks of a MiB."""

    upload_limits = UploadLimits(max_body=MIB)


class OwnCount(Registry):
    """Such a registry whose reports about an upload cannot be trusted."""

    upload_limits = UploadLimits(max_body=MIB, tells_offset=False)


Follow = Callable[..., Secondary]


@pytest.fixture
def follow(plain_registry: Place) -> Iterator[Follow]:
    """Follow the plain registry into another, `follow(place, vendor)`."""
    made: list[Secondary] = []

    def start(place: Place | Distribution3, vendor: type[Registry] = SmallBodies) -> Secondary:
        access = place.credentials if isinstance(place, Place) else Anonymous()
        made.append(Secondary(plain_registry, place, vendors=(Registry, vendor), accesses=(Anonymous(), access)))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def image(plain_registry: Place, repository: str) -> Made:
    """An image of one layer of some 4 MiB."""
    with plain_registry.maker(seed=5) as make:
        return make.image(repository, "v1", layers=1, size=LAYER)


def arrives(secondary: Secondary, made: Made) -> None:
    secondary.receive(pushed(made))
    assert not secondary.owed(made.repository), "in one invocation, without a failure"
    assert secondary.digest(made.repository, "v1") == made.digest


def count(secondary: Secondary, method: str, kind: str = "upload") -> int:
    return secondary.secondary_proxy.counts()[method, kind]


def test_a_body_that_is_too_large_goes_in_chunks(follow: Follow, second_registry: Place, image: Made) -> None:
    secondary = follow(second_registry)
    arrives(secondary, image)
    patches = [one for one in secondary.secondary_proxy.exchanges if one.method == "PATCH"]
    assert len(patches) == 5
    assert max(one.sent for one in patches) <= MIB
    assert secondary.requests() == 3 * 1 + 6 + len(patches), "a request more for each chunk, and no other"


def test_every_byte_of_a_chunk_is_counted_before_it_goes(
    follow: Follow, second_registry: Place, image: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def noted(_: Route, reader: Body, size: int) -> bytes:
        block = reader.read(size)
        read.append(len(block))
        return block

    monkeypatch.setattr(Route, "read", noted)
    arrives(follow(second_registry), image)
    document = json.loads(image.content)
    assert sum(read) == sum(one["size"] for one in (document["config"], *document["layers"]))


# ---------------------------------------------------------------------------------------------- connections that break


@pytest.mark.parametrize("where", [0, 300_000])
def test_a_chunk_that_breaks_is_gone_on_with_where_the_registry_can(
    follow: Follow, second_registry: Place, image: Made, where: int
) -> None:
    with Distribution3(second_registry.url) as registry:
        secondary = follow(registry)
        secondary.secondary_proxy.add(Cut(method="PATCH", nth=2, request_bytes=where))
        arrives(secondary, image)
        assert registry.begun == 2, "the layer's upload and the config's, and no other"
        assert count(secondary, "GET") >= 1
        ranges = [one.headers["content-range"] for one in registry.requests if one.method == "PATCH"]
        assert f"{MIB + where}-{2 * MIB + where - 1}" in ranges, "in the middle of the chunk, to the byte"


def test_a_chunk_whose_answer_is_lost_is_not_sent_again_where_the_registry_tells(
    follow: Follow, second_registry: Place, image: Made
) -> None:
    with Distribution3(second_registry.url) as registry:
        secondary = follow(registry)
        secondary.secondary_proxy.add(Cut(method="PATCH", nth=2))
        arrives(secondary, image)
        ranges = [one.headers["content-range"] for one in registry.requests if one.method == "PATCH"]
        assert len(ranges) == len(set(ranges)) == 5


def test_a_chunk_that_breaks_begins_the_layer_anew_where_the_registry_drops_it(
    follow: Follow, second_registry: Place, image: Made
) -> None:
    """Distribution 2.8, the real one. It may tell an offset before it drops the upload: then one more chunk is lost."""
    secondary = follow(second_registry)
    secondary.secondary_proxy.add(Cut(method="PATCH", nth=3, request_bytes=300_000))
    arrives(secondary, image)
    assert count(secondary, "POST", "uploads") == 3
    assert count(secondary, "PATCH") - 5 in (3, 4)


def test_a_broken_chunk_is_sent_again_where_only_our_own_count_is_right(
    follow: Follow, second_registry: Place, image: Made
) -> None:
    with Distribution3(second_registry.url) as registry:
        secondary = follow(registry, OwnCount)
        secondary.secondary_proxy.add(Cut(method="PATCH", nth=2, request_bytes=0))
        arrives(secondary, image)
        assert count(secondary, "GET") == 0
        assert registry.begun == 2


def test_a_chunk_that_landed_unheard_begins_the_layer_anew_where_only_our_own_count_is_known(
    follow: Follow, second_registry: Place, image: Made
) -> None:
    """The registry answers 416 to the chunk that it has already."""
    with Distribution3(second_registry.url) as registry:
        secondary = follow(registry, OwnCount)
        secondary.secondary_proxy.add(Cut(method="PATCH", nth=2))
        arrives(secondary, image)
        assert registry.begun == 3


def test_a_source_that_breaks_in_a_chunk_is_read_on_from_there(
    follow: Follow, second_registry: Place, image: Made
) -> None:
    secondary = follow(second_registry)
    secondary.primary_proxy.add(Cut(method="GET", kind="blob", nth=1, times=2, response_bytes=2_500_000))
    arrives(secondary, image)
    assert count(secondary, "PATCH") == 5


def test_the_closing_put_whose_answer_is_lost_is_looked_for(
    follow: Follow, second_registry: Place, image: Made
) -> None:
    secondary = follow(second_registry)
    secondary.secondary_proxy.add(Cut(method="PUT", kind="upload", nth=2))
    arrives(secondary, image)
    assert count(secondary, "HEAD", "blob") == 1
    assert count(secondary, "PATCH") == 5


def test_a_registry_that_stores_a_layer_while_nobody_waits_any_more_is_asked_for_it_next(
    follow: Follow, second_registry: Place, image: Made
) -> None:
    secondary = follow(second_registry)
    secondary.secondary_proxy.add(Delay(method="PUT", kind="upload", nth=2, after=1.5))
    secondary.secondary_proxy.add(Call(method="PATCH", nth=5, after=lambda: secondary.deadline.set(1.0)))
    secondary.receive(pushed(image))
    (owed,) = secondary.owed(image.repository)
    assert (owed.attempts, owed.failure) == (0, None)
    sent = count(secondary, "PATCH")
    secondary.deadline.clear()

    secondary.sweep_until(lambda: not secondary.owed(image.repository))

    assert secondary.digest(image.repository, "v1") == image.digest
    assert count(secondary, "PATCH") == sent == 5


def test_a_registry_that_refuses_chunks_gets_the_layer_in_one_piece(
    follow: Follow, second_registry: Place, image: Made
) -> None:
    secondary = follow(second_registry)
    body = b'{"errors":[{"code":"UNSUPPORTED","message":"chunked uploads are not supported"}]}'
    secondary.secondary_proxy.add(Status(method="PATCH", times=100, status=405, body=body))
    arrives(secondary, image)
    assert count(secondary, "PATCH") == 1


# -------------------------------------------------------------------------------------------------- tokens that run out


def challenge(service: TokenService) -> dict[str, str]:
    parameters = f'realm="{service.realm}",service="{SERVICE}",error="invalid_token"'
    return {"WWW-Authenticate": f"Bearer {parameters}"}


def test_a_chunk_refused_for_its_token_is_sent_again_with_another(
    follow: Follow, token_registry: Place, token_service: TokenService, image: Made
) -> None:
    secondary = follow(token_registry)
    secondary.secondary_proxy.add(Status(method="PATCH", nth=3, status=401, headers=challenge(token_service)))
    arrives(secondary, image)
    assert count(secondary, "PATCH") == 6
    assert count(secondary, "POST", "uploads") == 2 + 1, "one was refused, and said to the other what is wanted"


def test_a_layer_in_one_piece_refused_for_its_token_is_begun_again_once(
    follow: Follow, token_registry: Place, token_service: TokenService, image: Made
) -> None:
    secondary = follow(token_registry, Registry)
    refused = Status(method="PUT", kind="upload", nth=2, status=401, headers=challenge(token_service))
    secondary.secondary_proxy.add(refused)
    arrives(secondary, image)
    assert count(secondary, "PUT") == 3


def test_a_token_that_is_always_refused_is_a_failure(
    follow: Follow, token_registry: Place, token_service: TokenService, image: Made
) -> None:
    secondary = follow(token_registry)
    refused = Status(method="PATCH", times=100, status=401, headers=challenge(token_service))
    secondary.secondary_proxy.add(refused)
    secondary.receive(pushed(image))
    (owed,) = secondary.owed(image.repository)
    assert "401" in (owed.failure or "")
    assert count(secondary, "PATCH") < 10


_names = itertools.count(1)


def test_a_layer_outlives_many_tokens(
    follow: Follow,
    start_registry: Callable[[RegistrySpec], RunningRegistry],
    token_service: TokenService,
    signing: KeyPair,
    image: Made,
) -> None:
    """Tokens that the registry really refuses a second after they were made."""
    rules = replace(token_service.rules, expires_in=2, leeway=60)
    with TokenService(rules) as service:
        auth = TokenAuth(
            realm=service.realm, certificate=signing.certificate, service=SERVICE, issuer=service.rules.issuer
        )
        registry = start_registry(RegistrySpec(name=f"short-{next(_names)}", auth=auth))
        secondary = follow(Place(registry=registry, credentials=TOKEN_ACCOUNT))
        secondary.secondary_proxy.add(Slow(method="PATCH", times=100, rate=1.2 * MIB))
        arrives(secondary, image)
        assert len(service.requests) >= 3
