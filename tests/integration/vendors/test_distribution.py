"""CNCF Distribution: whatever it stores in and asks for, several nodes of it, and what version 3 does differently."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator

import pytest
from local.registries import S3, FileSystem, RegistrySpec, RunningS3
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, event, pushed
from tests.integration.vendors.world import settle, wait_for
from tests.support.images import ImageMaker, Made
from tests.support.round_robin import RoundRobinProxy
from tests.support.vendors.distribution3 import Distribution3

from geosync.errors import Refused
from geosync.messages.work import WorkMessage
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Reference


def everything(make: ImageMaker, repository: str) -> list[Made]:
    """An image, an index, a BuildKit cache of either form, an artifact and what refers to it."""
    artifact = make.artifact(repository, "artifact")
    referrer = make.artifact(repository, subject=artifact, artifact_type="application/vnd.example.signature")
    return [
        make.image(repository, "image"),
        make.index(repository, "index", share=True),
        make.buildkit_cache(repository, "cache-a", form="A"),
        make.buildkit_cache(repository, "cache-b", form="B"),
        artifact,
        referrer,
    ]


def arrived(secondary: Secondary, made: list[Made]) -> list[str]:
    """The references that are not at the secondary as they should be."""
    at_secondary = secondary.registries.at_secondary(made[0].repository)
    found = {one.reference: secondary.registries.secondary.head_manifest(at_secondary, one.reference) for one in made}
    return [one.reference for one in made if (there := found[one.reference]) is None or there.digest != one.digest]


@pytest.mark.parametrize(
    ("source", "destination"),
    [("s3", "token"), ("basic", "s3_direct"), ("s3_direct", "basic"), ("token", "s3")],
)
def test_images_and_indexes_come_from_and_to_each_storage_and_each_way_in(
    request: pytest.FixtureRequest, repository: str, source: str, destination: str
) -> None:
    primary: Place = request.getfixturevalue(f"{source}_registry")
    there: Place = request.getfixturevalue(f"{destination}_registry")
    secondary = Secondary(
        primary,
        there,
        accesses=(primary.credentials, there.credentials),
    )
    with primary.maker(seed=time.time_ns()) as make:
        made = [make.image(repository, "image"), make.index(repository, "index", share=True)]
    secondary.receive(*(pushed(one) for one in made))
    wait_for(secondary, repository)
    assert arrived(secondary, made) == []
    secondary.close()


# ------------------------------------------------------------------------------------------------------ several nodes


@pytest.fixture(params=["files", "s3"])
def nodes(
    request: pytest.FixtureRequest,
    start_registry: StartRegistry,
    s3: RunningS3,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RoundRobinProxy]:
    """Two nodes on one storage and with one `http.secret`; no request goes to the node of the one before it."""
    storage: FileSystem | S3 = FileSystem(root=tmp_path_factory.mktemp("shared"))
    if request.param == "s3":
        storage = S3(endpoint=s3.url, bucket="registries", root=f"/nodes-{time.time_ns()}")
    running = [start_registry(RegistrySpec(name=f"node-{number}", storage=storage)) for number in range(2)]
    proxy = RoundRobinProxy([one.url for one in running])
    yield proxy
    proxy.close()


def test_no_two_requests_have_to_hit_the_same_node(
    nodes: RoundRobinProxy, plain_registry: Place, repository: str
) -> None:
    secondary = Secondary(plain_registry, nodes, probing=True)
    with plain_registry.maker(seed=time.time_ns()) as make:
        made = everything(make, repository)
        secondary.receive(*(pushed(one) for one in made))
        wait_for(secondary, repository)
        assert arrived(secondary, made) == []

        image = made[0]
        make.retag(image, "sibling")
        secondary.receive(event("created", repository, tag="sibling", digest=image.digest))
        wait_for(secondary, repository)
        make.delete(image)
        make.put(repository, "sibling", json.loads(image.content))
        secondary.receive(event("deleted", repository, tag="image"))
        secondary.sweep_until(lambda: secondary.digest(repository, "image") is None)
        assert secondary.digest(repository, "sibling") is not None

        secondary.receive(
            WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),)).to_json()
        )
        secondary.sweep_until(lambda: not secondary.owed(repository))
    assert not secondary.dlq.messages
    assert min(nodes.served.values()) > 0.3 * sum(nodes.served.values()), nodes.served
    secondary.close()


def test_a_primary_of_several_nodes_is_read_from_whichever_answers(
    nodes: RoundRobinProxy, second_registry: Place, repository: str
) -> None:
    secondary = Secondary(nodes, second_registry)
    with ImageMaker(nodes.url, seed=time.time_ns()) as make:
        made = [make.image(repository, "image"), make.index(repository, "index", share=True)]
        secondary.receive(*(pushed(one) for one in made))
        wait_for(secondary, repository)
    assert arrived(secondary, made) == []
    secondary.close()


def test_chunks_of_a_layer_go_to_one_node_after_the_other(nodes: RoundRobinProxy, repository: str) -> None:
    registry = Registry(nodes.url, Anonymous(), deadline=Deadline(), writes=True)
    part = bytes(range(256)) * 24_576  # 6 MiB: a part of S3 has 5 at least
    upload = registry.begin_upload(repository)
    assert upload is not None
    for number in range(2):
        upload = registry.put_chunk(upload, number * len(part), Body(part))
    digest = "sha256:" + hashlib.sha256(part * 2).hexdigest()
    registry.close_upload(upload, digest, 2 * len(part))
    assert registry.head_blob(repository, digest) == 2 * len(part)
    registry.close()


class Body:
    """Bytes that are read once."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def __len__(self) -> int:
        return len(self._content)

    def read(self, size: int, /) -> bytes:
        block = self._content[self._at : self._at + size]
        self._at += len(block)
        return block


# --------------------------------------------------------------------------------------------------------- version 3


def test_version_3_takes_every_format_and_loses_a_tag_without_its_manifest(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    with Distribution3(second_registry.url) as double, plain_registry.maker(seed=time.time_ns()) as make:
        secondary = Secondary(plain_registry, double, probing=True)
        made = everything(make, repository)
        secondary.receive(*(pushed(one) for one in made))
        wait_for(secondary, repository)
        assert arrived(secondary, made) == []

        image = made[0]
        make.retag(image, "sibling")
        secondary.receive(event("created", repository, tag="sibling", digest=image.digest))
        wait_for(secondary, repository)
        make.delete(image)
        secondary.reset()
        secondary.receive(event("deleted", repository, tag="image"))
        secondary.sweep_until(lambda: secondary.digest(repository, "image") is None)

        assert double.tags[repository]["sibling"] == image.digest
        assert secondary.secondary_proxy.counts()["DELETE", "tag"] == 1
        assert ("PUT", "tag") not in secondary.secondary_proxy.counts(), (
            "no marker is needed where a tag can be deleted"
        )
        secondary.close()


def test_version_3_is_compared_page_by_page(plain_registry: Place, second_registry: Place, repository: str) -> None:
    with Distribution3(second_registry.url) as double:
        double.tags[repository] = {f"v{number:04}": f"sha256:{number:064x}" for number in range(2300)}
        registry = Registry(double.url, Anonymous(), deadline=Deadline())
        pages = list(registry.tags(repository))
        assert [len(page) for page in pages] == [1000, 1000, 300]
        assert list(registry.tags(repository, last="v2290")) == [[f"v{number:04}" for number in range(2291, 2300)]]
        registry.close()


def test_version_3_does_not_take_schema_1_and_says_so(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    with Distribution3(second_registry.url) as double, plain_registry.maker(seed=1) as make:
        secondary = Secondary(plain_registry, double)
        secondary.receive(pushed(make.schema1(repository, "old")))
        settle(secondary, repository)
        (owed,) = secondary.owed(repository)
        assert owed.parked
        assert "MANIFEST_INVALID" in (owed.failure or "")
        secondary.close()


def test_version_3_refuses_a_chunk_at_another_place(second_registry: Place, repository: str) -> None:
    with Distribution3(second_registry.url) as double:
        registry = Registry(double.url, Anonymous(), deadline=Deadline(), writes=True)
        upload = registry.begin_upload(repository)
        assert upload is not None
        upload = registry.put_chunk(upload, 0, Body(b"a" * 1000))
        with pytest.raises(Refused) as caught:
            registry.put_chunk(upload, 500, Body(b"a" * 1000))
        assert caught.value.status == 416
        registry.close()
