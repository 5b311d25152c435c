"""The requests of each case, counted on the wire between real registries: the numbers of copy.py, exactly."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from local.token_service import TokenService
from tests.integration.conftest import Place
from tests.integration.ways import Way
from tests.support.proxy import Call

from geosync.errors import BlobsUnknown
from geosync.oci import media_types
from geosync.oci.manifests import Manifest
from geosync.pair.capabilities import Capabilities, probe

Ways = Callable[..., Way]


@pytest.mark.parametrize("layers", [1, 5, 20])
def test_a_first_copy_of_an_image_is_3n_plus_7(way: Way, layers: int) -> None:
    way.make.image(way.repository, "v1", layers=layers)
    way.copy("v1")
    assert way.requests() == 3 * layers + 7
    assert way.source.counts() == {("GET", "tag"): 1, ("GET", "blob"): layers + 1}
    assert way.destination.counts() == {
        ("PUT", "tag"): 2,
        ("POST", "uploads"): layers + 1,
        ("PUT", "upload"): layers + 1,
        ("HEAD", "tag"): 1,
    }
    way.assert_same("v1")


def test_in_a_repository_that_is_new_the_put_that_asks_is_spared(way: Way) -> None:
    way.is_new = True
    way.make.image(way.repository, "v1", layers=5)
    way.copy("v1")
    assert way.destination.counts() == {
        ("POST", "uploads"): 6,
        ("PUT", "upload"): 6,
        ("PUT", "tag"): 1,
        ("HEAD", "tag"): 1,
    }
    assert way.requests() == 3 * 5 + 6
    way.assert_same("v1")


@pytest.mark.parametrize("children", [2, 4])
def test_in_a_repository_that_is_new_an_index_is_3u_plus_2k_plus_3(way: Way, children: int) -> None:
    way.is_new = True
    made = way.make.index(way.repository, "v1", children=children, layers=3, share=True)
    way.copy("v1")
    assert way.requests() == 3 * len(made.blobs) + 2 * children + 3
    way.assert_same("v1")


def test_a_repository_that_counts_as_new_and_is_not_costs_no_byte(way: Way) -> None:
    """A row that was lost, or a holder that ran out of time: the first POST that finds a blob says so."""
    made = way.make.image(way.repository, "v1", layers=5)
    way.copy("v1")
    way.make.retag(made, "v2")
    way.reset()
    way.is_new = True
    result = way.copy("v2")
    assert result.bytes_copied == 0
    assert way.destination.counts() == {("POST", "uploads"): 6, ("PUT", "tag"): 1, ("HEAD", "tag"): 1}
    way.assert_same("v2")


@pytest.mark.parametrize("children", [2, 4])
def test_a_first_copy_of_an_index_is_3u_plus_2k_plus_4(way: Way, children: int) -> None:
    made = way.make.index(way.repository, "v1", children=children, layers=3, share=True)
    way.copy("v1")
    assert len(made.blobs) == 1 + 3 * children
    assert way.requests() == 3 * len(made.blobs) + 2 * children + 4
    way.assert_same("v1")


def test_another_tag_in_the_same_run_is_3(way: Way) -> None:
    made = way.make.image(way.repository, "v1", layers=3)
    way.make.retag(made, "v2")
    with way.copier() as copier:
        copier.copy(way.look("v1"), "v1")
        way.reset()
        copier.copy(way.look("v2"), "v2")
    assert way.requests() + 1 == 3, "the caller's HEAD comes on top"
    way.assert_same("v2")


def test_another_tag_of_an_image_that_is_there_is_n_plus_4_and_no_bytes(way: Way) -> None:
    """Nothing but a look shows that the registry has what it takes without a word."""
    made = way.make.image(way.repository, "v1", layers=3)
    way.copy("v1")
    way.make.retag(made, "v2")
    way.reset()
    way.copy("v2")
    assert way.source.counts() == {("GET", "tag"): 1}
    assert way.destination.counts() == {("PUT", "tag"): 1, ("POST", "uploads"): 3 + 1, ("HEAD", "tag"): 1}
    assert way.requests() == 3 + 4
    way.assert_same("v2")


def test_another_tag_of_an_index_that_is_there_is_k_plus_3(way: Way) -> None:
    made = way.make.index(way.repository, "v1", children=4, layers=3)
    way.copy("v1")
    way.make.retag(made, "v2")
    way.reset()
    way.copy("v2")
    assert way.source.counts() == {("GET", "tag"): 1}
    assert way.destination.counts() == {("PUT", "tag"): 1, ("HEAD", "manifest"): 4, ("HEAD", "tag"): 1}
    assert way.requests() == 4 + 3


def test_a_new_child_in_an_index_of_others_that_are_there_is_one_request_more_for_each_of_these(way: Way) -> None:
    there = [way.make.image(way.repository, layers=2) for _ in range(3)]
    way.make.index_of(way.repository, "v1", there)
    way.copy("v1")
    way.make.index_of(way.repository, "v1", [*there, way.make.image(way.repository, layers=2)])
    way.reset()
    way.copy("v1")
    assert way.destination.counts()[("HEAD", "manifest")] == 3
    assert way.requests() == 3 * 3 + 2 * 1 + 4 + 3


def test_a_new_config_on_layers_that_are_there_is_7(way: Way) -> None:
    same = [way.make.layer(way.repository, 2000) for _ in range(5)]
    way.make.image(way.repository, "v1", layers=0, reuse=same)
    way.copy("v1")
    way.make.image(way.repository, "v1", layers=0, reuse=same)
    way.reset()
    result = way.copy("v1")
    assert way.requests() == 7
    assert result.blobs_copied == 1
    way.assert_same("v1")


def test_below_a_new_child_a_blob_that_is_there_is_one_request_and_no_bytes(way: Way) -> None:
    base = [way.make.layer(way.repository, 2000) for _ in range(4)]
    way.make.image(way.repository, "base", layers=0, reuse=base)
    way.copy("base")
    way.make.index_of(way.repository, "v1", [way.make.image(way.repository, layers=1, reuse=base)])
    way.reset()
    result = way.copy("v1")
    assert (result.blobs_there, result.blobs_copied) == (4, 2)
    assert way.requests() == 4 + 3 * 2 + 2 * 1 + 4
    assert len(way.blob_reads()) == 2


def test_with_tokens_a_warm_copy_makes_no_token_request_and_is_never_refused(
    ways: Ways, token_registry: Place, token_service: TokenService, repository: str
) -> None:
    way = ways(token_registry, token_registry, repository)
    with way.copier() as copier:
        way.make.image(repository, "cold", layers=1)
        copier.copy(way.look("cold"), "cold")
        made = way.make.image(repository, "v1", layers=5)
        way.make.send("GET", f"/v2/{repository}/tags/list", repository)
    way.reset()
    token_service.requests.clear()
    # Source and destination are one registry here, so that everything is there: what matters is what is asked.
    way.copy("v1")
    assert made.digest == way.look("v1").digest
    assert list(token_service.requests) == []
    assert {one.status for one in (*way.source.exchanges, *way.destination.exchanges)} <= {200, 201}
    assert all(one.authorized for one in (*way.source.exchanges, *way.destination.exchanges))


def test_with_tokens_at_both_ends_the_numbers_stay(
    ways: Ways, token_registry: Place, basic_registry: Place, token_service: TokenService, repository: str
) -> None:
    for source, destination in ((token_registry, basic_registry), (basic_registry, token_registry)):
        way = ways(source, destination, repository)
        way.make.image(repository, "warm", layers=1)
        way.copy("warm")
        way.make.image(repository, "v1", layers=5)
        way.reset()
        token_service.requests.clear()
        way.copy("v1")
        assert list(token_service.requests) == []
        assert way.requests() == 3 * 5 + 7
        way.assert_same("v1")


def test_of_requests_that_begin_side_by_side_without_a_token_one_is_refused(
    ways: Ways, plain_registry: Place, token_registry: Place, token_service: TokenService, repository: str
) -> None:
    way = ways(plain_registry, token_registry, repository)
    way.is_new = True
    way.make.image(repository, "v1", layers=5)
    token_service.requests.clear()
    way.copy("v1")
    assert Counter(one.status for one in way.destination.exchanges)[401] == 1
    assert way.requests() == 3 * 5 + 6 + 1
    assert len(token_service.requests) == 1
    way.assert_same("v1")


# ------------------------------------------------------------------------------------------------- each thing once


def test_two_references_that_share_layers_move_each_blob_once(way: Way) -> None:
    shared = [way.make.layer(way.repository, 2000) for _ in range(6)]
    for tag in ("latest", "sha-0123"):
        way.make.image(way.repository, tag, layers=0, reuse=shared)
    manifests = {tag: way.look(tag) for tag in ("latest", "sha-0123")}
    # Both learn what is missing before any blob is there.
    both_know = threading.Event()
    way.destination.add(Call(method="PUT", kind="tag", nth=2, after=both_know.set))
    way.source.add(Call(kind="blob", times=100, before=lambda: both_know.wait(timeout=60)))
    with way.copier() as copier, ThreadPoolExecutor(2) as callers:
        list(callers.map(lambda tag: copier.copy(manifests[tag], tag), manifests))
    assert sorted(way.blob_reads()) == sorted({blob.digest for one in manifests.values() for blob in one.blobs})
    assert way.destination.counts()[("POST", "uploads")] == 8
    for tag in manifests:
        way.assert_same(tag)


def test_an_index_its_children_and_a_tag_on_one_of_them_at_once_move_each_thing_once(way: Way) -> None:
    index = way.make.index(way.repository, "v1", children=3, layers=3)
    first = way.make.retag(way.make.image(way.repository, layers=1), "other")
    wanted: list[tuple[str, str | None]] = [("v1", "v1"), *((child, None) for child in index.children)]
    manifests = [(way.look(reference), tag) for reference, tag in (*wanted, (first.digest, "other"))]
    way.reset()
    with way.copier() as copier, ThreadPoolExecutor(len(manifests)) as callers:
        list(callers.map(lambda one: copier.copy(*one), manifests))
    assert max(Counter(way.blob_reads()).values()) == 1
    assert way.destination.counts()[("PUT", "upload")] == len(index.blobs) + len(first.blobs)
    for reference, _ in (*wanted, ("other", None)):
        way.assert_same(reference)


# ------------------------------------------------------------------------------------------ rounds to a far source


@pytest.mark.parametrize(
    ("shape", "rounds"),
    [("image", [("tag", 1), ("blob", 9)]), ("index", [("tag", 1), ("manifest", 4), ("blob", 16)])],
)
def test_a_far_source_is_waited_for_two_rounds_for_an_image_and_three_for_an_index(
    way: Way, shape: str, rounds: list[tuple[str, int]]
) -> None:
    """No request of a round is answered before all of it have come: who asks for them one by one gets no answer."""
    way.make.image(way.repository, "warm", layers=1)
    way.copy("warm")
    if shape == "image":
        way.make.image(way.repository, "v1", layers=8)
    else:
        way.make.index(way.repository, "v1", children=4, layers=3)
    way.reset()
    for kind, number in rounds:
        way.source.add(Call(method="GET", kind=kind, times=number, before=Barrier(number, timeout=60).wait))
    way.copy("v1")
    assert way.source.counts() == {("GET", kind): number for kind, number in rounds}


@pytest.mark.parametrize(("is_new", "rounds"), [(True, 4), (False, 5)])
def test_a_far_destination_is_waited_for_four_rounds_and_one_more_to_ask_what_is_missing(
    way: Way, is_new: bool, rounds: int
) -> None:
    """Each request of a round is answered once all of it have come: who asks for them one by one gets no answer."""
    way.is_new = is_new
    way.make.image(way.repository, "v1", layers=8)
    plan = [("PUT", "tag", 1)] * (not is_new)
    plan += [("POST", "uploads", 9), ("PUT", "upload", 9), ("PUT", "tag", 1), ("HEAD", "tag", 1)]
    for kind in ("uploads", "upload"):
        way.destination.add(Call(kind=kind, times=9, before=Barrier(9, timeout=60).wait))
    way.copy("v1")
    assert len(plan) == rounds
    assert [(one.method, one.kind) for one in way.destination.exchanges] == [
        (method, kind) for method, kind, number in plan for _ in range(number)
    ]


def test_the_source_is_asked_for_a_blob_beside_the_post_that_begins_its_upload(way: Way) -> None:
    """No POST is answered before all GETs have come, and no GET before all POSTs have."""
    way.make.image(way.repository, "v1", layers=8)
    together = Barrier(2 * 9, timeout=60)
    way.source.add(Call(method="GET", kind="blob", times=9, before=together.wait))
    way.destination.add(Call(method="POST", kind="uploads", times=9, before=together.wait))
    way.copy("v1")
    assert way.requests() == 3 * 8 + 7
    way.assert_same("v1")


def test_the_blobs_of_one_child_do_not_wait_for_its_siblings(way: Way) -> None:
    quick, slow = (way.make.image(way.repository, layers=2) for _ in range(2))
    way.make.index_of(way.repository, "v1", [quick, slow])
    there, waited = threading.Event(), []
    way.source.add(
        Call(kind="manifest", target=re.compile(slow.digest), before=lambda: waited.append(there.wait(timeout=60)))
    )
    way.destination.add(Call(method="PUT", target=re.compile(quick.digest), after=there.set))
    way.copy("v1")
    assert waited == [True], "one child was put whole before the other's manifest was read"


# --------------------------------------------------------------------------------------------- what a destination is


@pytest.mark.parametrize("place", ["second_registry", "s3_registry", "token_registry"])
def test_distribution_is_probed_to_be_what_the_defaults_say(
    request: pytest.FixtureRequest, ways: Ways, plain_registry: Place, place: str, repository: str
) -> None:
    way = ways(plain_registry, request.getfixturevalue(place), repository)
    assert probe(way.pair.secondary) == Capabilities()
    assert sum(count for (_, kind), count in way.destination.counts().items() if kind != "token") <= 9


def test_to_a_destination_that_checks_nothing_nothing_is_put_before_its_parts_are_there(way: Way) -> None:
    way.capabilities = Capabilities(checks_blobs=False, checks_children=False, mounts=False)
    way.make.nested_index(way.repository, "v1")
    way.copy("v1")
    way.assert_same("v1")
    assert {one.status for one in way.destination.exchanges if one.method == "PUT"} == {201}


def test_a_destination_that_says_a_blob_is_there_and_denies_it_is_not_asked_for_ever(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie = way.make.image(way.repository, "v1", layers=2).blobs[1]
    begin_upload = way.writer.begin_upload

    def begin(repository: str, *, mount: str | None = None, mount_from: str | None = None) -> object:
        return None if mount == lie else begin_upload(repository, mount=mount, mount_from=mount_from)

    monkeypatch.setattr(way.writer, "begin_upload", begin)
    manifest = way.look("v1")
    with way.copier() as copier, pytest.raises(BlobsUnknown) as raised:
        copier.copy(manifest, "v1")
    assert raised.value.missing == (lie,)
    assert way.destination.counts()[("PUT", "tag")] == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("copy-")]


def test_every_missing_blob_of_a_large_manifest_is_named(way: Way) -> None:
    """Thousands of layers are rare; some hundred are a build cache."""
    digests = [f"sha256:{number:064x}" for number in range(3000)]
    layers = [{"mediaType": media_types.OCI_LAYER_GZIP, "digest": digest, "size": 1} for digest in digests]
    config = {**layers[0], "mediaType": media_types.OCI_CONFIG}
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": config, "layers": layers}
    manifest = Manifest.read(json.dumps(document).encode(), media_types.OCI_MANIFEST)
    with pytest.raises(BlobsUnknown) as raised:
        way.writer.put_manifest(way.repository, "v1", manifest)
    assert set(raised.value.missing) == set(digests)
