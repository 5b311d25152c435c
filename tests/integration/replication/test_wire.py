"""The requests of each case, counted on the wire between real registries: the numbers of copy.py, exactly."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from local.registries import RunningRegistry
from tests.integration.replication.conftest import Way
from tests.integration.replication.plain import OCI_CONFIG, OCI_MANIFEST, assert_same, digest_of, random_layer
from tests.support.proxy import Delay

from geosync.errors import BlobsUnknown
from geosync.oci.manifests import Manifest
from geosync.replication.capabilities import Capabilities, probe

LATENCY = 0.08


def layers(count: int) -> list[bytes]:
    return [random_layer() for _ in range(count)]


@pytest.mark.parametrize("count", [1, 5, 20])
def test_a_first_copy_of_an_image_is_3n_plus_7(way: Way, count: int) -> None:
    way.source.image(layers(count), reference="v1")
    way.copy("v1")
    assert way.requests() == 3 * count + 7
    assert way.source_proxy.counts() == {("GET", "tag"): 1, ("GET", "blob"): count + 1}
    assert way.destination_proxy.counts() == {
        ("PUT", "tag"): 2,
        ("POST", "uploads"): count + 1,
        ("PUT", "upload"): count + 1,
        ("HEAD", "tag"): 1,
    }
    assert_same(way.source, way.destination, "v1")


@pytest.mark.parametrize("children", [2, 4])
def test_a_first_copy_of_an_index_is_3u_plus_2k_plus_4(way: Way, children: int) -> None:
    shared = layers(2)
    way.source.index([way.source.image([*shared, *layers(2)]) for _ in range(children)], reference="v1")
    unique = 2 + 3 * children
    way.copy("v1")
    assert way.requests() == 3 * unique + 2 * children + 4
    assert_same(way.source, way.destination, "v1")


def test_another_tag_on_what_is_there_is_3(way: Way) -> None:
    pushed = way.source.image(layers(3), reference="v1")
    way.copy("v1")
    way.source.manifest(pushed.content, pushed.media_type, "v2")
    way.reset()
    way.copy("v2")
    assert way.requests() == 3
    assert_same(way.source, way.destination, "v2")


def test_a_new_config_on_layers_that_are_there_is_7(way: Way) -> None:
    same = layers(5)
    way.source.image(same, reference="v1")
    way.copy("v1")
    way.source.image(same, reference="v1")
    way.reset()
    result = way.copy("v1")
    assert way.requests() == 7
    assert result.blobs_copied == 1
    assert_same(way.source, way.destination, "v1")


def test_below_a_new_child_a_blob_that_is_there_is_one_request_and_no_bytes(way: Way) -> None:
    base = layers(4)
    way.source.image(base, reference="base")
    way.copy("base")
    way.source.index([way.source.image([*base, *layers(1)])], reference="v1")
    way.reset()
    result = way.copy("v1")
    assert (result.blobs_there, result.blobs_copied) == (4, 2)
    assert way.requests() == 4 + 3 * 2 + 2 * 1 + 4
    assert way.source_proxy.counts()[("GET", "blob")] == 2


def test_two_references_that_share_layers_move_each_blob_once(way: Way) -> None:
    shared = layers(6)
    way.source.image(shared, reference="latest")
    way.source.image(shared, reference="sha-0123")
    with way.copier() as copier, ThreadPoolExecutor(2) as callers:
        manifests = {tag: way.look(tag) for tag in ("latest", "sha-0123")}
        # Both learn what is missing before any blob is there.
        way.source_proxy.add(Delay(kind="blob", times=100, before=0.1))
        list(callers.map(lambda tag: copier.copy(manifests[tag], tag), manifests))
    read = Counter(one.path for one in way.source_proxy.exchanges if one.kind == "blob")
    assert set(read.values()) == {1}
    assert len(read) == 8
    assert way.destination_proxy.counts()[("POST", "uploads")] == 8
    for tag in ("latest", "sha-0123"):
        assert_same(way.source, way.destination, tag)


def test_an_index_its_children_and_their_tags_at_once_move_each_thing_once(way: Way) -> None:
    children = [way.source.image(layers(3), reference=f"child-{number}") for number in range(3)]
    way.source.index(children, reference="v1")
    wanted = [("v1", "v1"), *((child.digest, None) for child in children), ("child-0", "child-0")]
    manifests = [(way.look(reference), tag) for reference, tag in wanted]
    way.reset()
    with way.copier() as copier, ThreadPoolExecutor(len(wanted)) as callers:
        list(callers.map(lambda one: copier.copy(*one), manifests))
    read = Counter(one.path for one in way.source_proxy.exchanges if one.kind == "blob")
    assert set(read.values()) == {1}
    assert way.destination_proxy.counts()[("PUT", "upload")] == 12
    assert_same(way.source, way.destination, "v1")
    assert_same(way.source, way.destination, "child-0")


# --- rounds to a far source


def _exactly(digest: str) -> re.Pattern[str]:
    return re.compile(re.escape(digest))


def _seconds(way: Way, tag: str) -> float:
    started = time.monotonic()
    way.copy(tag)
    return time.monotonic() - started


@pytest.mark.parametrize(("shape", "rounds"), [("image", 2), ("index", 3)])
def test_a_far_source_is_waited_for_two_rounds_for_an_image_and_three_for_an_index(
    source_registry: RunningRegistry, destination_registry: RunningRegistry, shape: str, rounds: int
) -> None:
    far = Way(source_registry, destination_registry, latency=LATENCY)
    near = Way(source_registry, destination_registry)
    try:
        for way in (near, far):
            way.source.image(layers(1), reference="warm")
            way.copy("warm")
            if shape == "image":
                way.source.image(layers(8), reference="v1")
            else:
                way.source.index([way.source.image(layers(3)) for _ in range(4)], reference="v1")
        local = _seconds(near, "v1")
        assert rounds * LATENCY <= _seconds(far, "v1") < (rounds + 0.9) * LATENCY + local
    finally:
        far.close()
        near.close()


def test_the_blobs_of_one_child_do_not_wait_for_its_siblings(way: Way) -> None:
    quick, slow = way.source.image(layers(2)), way.source.image(layers(2))
    way.source.index([quick, slow], reference="v1")
    way.source_proxy.add(Delay(kind="manifest", target=_exactly(slow.digest), before=0.5))
    way.copy("v1")
    slow_read = next(one for one in way.source_proxy.exchanges if one.path.endswith(slow.digest))
    put = next(one for one in way.destination_proxy.exchanges if one.path.endswith(quick.digest))
    assert put.started + put.seconds < slow_read.started + slow_read.seconds


# --- what the destination is


def test_distribution_is_probed_to_be_what_the_defaults_say(way: Way) -> None:
    assert probe(way.writer, way.repository) == Capabilities()
    assert way.destination_proxy.total() <= 8


def test_a_destination_that_is_only_looked_at_ends_with_the_same(way: Way) -> None:
    """The way for a registry that accepts everything: nothing is put before its parts are there."""
    way.capabilities = Capabilities(checks_blobs=False, checks_children=False, mounts=False)
    way.source.index([way.source.image(layers(2)), way.source.image(layers(1))], reference="v1")
    way.copy("v1")
    assert_same(way.source, way.destination, "v1")
    assert {one.status for one in way.destination_proxy.exchanges if one.method == "PUT"} == {201}


def test_a_destination_that_lies_about_a_blob_is_reported_not_looped_on(way: Way) -> None:
    """A mount that says 201 for a blob of which the registry then denies to have it."""
    layer = random_layer()
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": way.source.blob(json.dumps({"u": os.urandom(4).hex()}).encode(), OCI_CONFIG),
        "layers": [way.source.blob(layer)],
    }
    way.source.manifest(document, OCI_MANIFEST, "v1")
    digest = digest_of(layer)
    real = way.writer.begin_upload

    def begin_upload(repository: str, *, mount: str | None = None, mount_from: str | None = None) -> object:
        return None if mount == digest else real(repository, mount=mount, mount_from=mount_from)

    way.writer.begin_upload = begin_upload  # type: ignore[method-assign,assignment]
    manifest: Manifest = way.look("v1")
    with way.copier() as copier, pytest.raises(BlobsUnknown) as raised:
        copier.copy(manifest, "v1")
    assert raised.value.missing == (digest,)
    assert way.destination_proxy.counts()[("PUT", "tag")] == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("copy-")]
