"""The memory that a manifest or a refusal takes beside its bytes while it is read, by the interpreter's allocator."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

import pytest
from tests.hostile.answers import answering, one
from tests.hostile.large_manifests import SHAPES, filled, layers, repeating, unknown
from tests.hostile.steps import steps
from tests.support.garbage import uncollected

from geosync.copying.graph import Graph
from geosync.copying.parts import MAX_PARTS, CopyRun
from geosync.errors import MalformedManifest, TooLarge
from geosync.oci import large_pages, media_types
from geosync.oci.answers import MAX_ERROR_BYTES, MAX_MISSING, Errors, parse_errors
from geosync.oci.documents import SMALL_BYTES
from geosync.oci.listings import MAX_PAGE_BYTES
from geosync.oci.manifests import MAX_REFERRED, REMEMBERED, REMEMBERED_BYTES, Descriptor, Manifest
from geosync.oci.memory import (
    ATTEMPTS_BYTES,
    GRAPH_BYTES,
    GRAPHS_BYTES,
    KEPT_BYTES,
    MIB,
    REFERRED_BYTES,
    REFUSALS_BYTES,
    STEPS_BYTES,
)
from geosync.oci.transport import BLOCK
from geosync.pair.settings import PARALLELISM, REFERENCES

PART = 32
LEAST_NAMING = len('{"digest":"sha256:"},') + 64
"""The fewest bytes of a manifest that name one blob."""
SMALL_PARTS_BYTES = 10 * MIB
MOST = 200 * MIB
"""All of it together: the issue's bound over the idle process."""


def taken(run: Callable[[], object]) -> int:
    """The most bytes that `run` holds at one time, without garbage collection."""
    with uncollected():
        tracemalloc.start()
        try:
            run()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("shape", SHAPES)
def test_to_read_a_manifest_takes_no_more_than_its_descriptors(shape: str) -> None:
    manifest = Manifest.read(SHAPES[shape](), media_types.OCI_MANIFEST)
    found: list[Collection[Descriptor]] = []
    assert taken(lambda: found.append(manifest.all_blobs)) < REFERRED_BYTES
    assert taken(lambda: manifest.subject) < 1 * MIB
    assert len(found[0]) == (MAX_REFERRED if shape == "layers" else 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_manifest_without_a_media_type_takes_no_more(shape: str) -> None:
    content = SHAPES[shape]()
    assert taken(lambda: Manifest.read(content, None)) < 1 * MIB


def test_one_that_refers_to_more_than_a_copy_takes_is_not_read_to_its_end() -> None:
    manifest = Manifest.read(layers(lambda one: b'{"digest":"sha256:%064x"}' % one), media_types.OCI_MANIFEST)

    def read() -> None:
        with pytest.raises(MalformedManifest, match="refers to more than"):
            _ = manifest.all_blobs

    assert taken(read) < REFERRED_BYTES


@pytest.mark.parametrize("entry", [b"{}", b'{"code":"MANIFEST_BLOB_UNKNOWN","detail":"sha256:%064x"}', b"[[],[],[]]"])
def test_a_refusal_takes_its_bytes_and_what_it_names(entry: bytes) -> None:
    before, after = b'{"errors":[', b"]}"
    if b"%" in entry:
        body = filled(lambda number: entry % number, before=before, after=after, size=MAX_ERROR_BYTES)
    else:
        body = repeating(entry, before=before, after=after, size=MAX_ERROR_BYTES)
    # The blocks that were read are gone by then, and the body is there.
    found: list[Errors] = []
    assert taken(lambda: found.append(parse_errors(body))) < REFUSALS_BYTES - MAX_ERROR_BYTES
    assert len(found[0].missing) == (MAX_MISSING if b"%" in entry else 0)


ENTRIES: dict[str, Callable[[int], bytes]] = {
    "lists": lambda _: b"[]",
    "names": lambda number: b'"%04x"' % number,
    "objects": lambda _: b"{}",
    "fields": lambda number: b'{"name":"%x","digest":"%x"}' % (number, number),
    "names of an object": lambda _: b'{"tags":["ab","cd","ef","gh","ij","kl","mn","op","qr"]}',
}


@pytest.mark.parametrize("beginning", [b'{"tags":[', b'{"manifest":{'])
@pytest.mark.parametrize("entry", sorted(ENTRIES))
def test_a_page_of_a_listing_takes_no_more_than_is_reckoned(
    beginning: bytes, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a part of the size. Parsed whole, lists of lists took 22 times their bytes, and objects more."""
    monkeypatch.setattr(large_pages, "MAX_ENTRIES", large_pages.MAX_ENTRIES // PART)
    end = {"[": b"]}", "{": b"}}"}[chr(beginning[-1])]

    def item(number: int) -> bytes:
        key = b'"sha256:%064x":' % number if beginning.endswith(b"{") else b""
        return key + ENTRIES[entry](number)

    body = filled(item, before=beginning, after=end, size=MAX_PAGE_BYTES // PART)

    def read() -> object:
        try:
            return large_pages.read_large(body, arrays=True)
        except TooLarge:
            return None

    assert taken(read) < large_pages.MAX_READ_BYTES / PART + 3 * SMALL_BYTES


def test_a_page_waits_for_its_memory_and_gives_it_back_with_the_reading() -> None:
    body = b'{"tags":[%s]}' % b",".join(b'"v%d"' % number for number in range(20_000))
    with answering([one(200, body=body)]) as client:
        (tags,) = client.tags("a/b")
        assert len(tags) == 20_000
        assert client.memory.steps.most_held >= len(body)
        assert client.memory.steps.held == 0


@pytest.mark.parametrize("item", [b"[]", b'{"":[[[[[[[]]]]]]]}', b'"', b"["])
def test_to_skip_what_is_not_read_costs_its_size(item: bytes) -> None:
    """The last two are no JSON: that is found, and costs no more."""

    def cost(size: int) -> int:
        manifest = Manifest.read(unknown(item, size), media_types.OCI_MANIFEST)

        def read() -> None:
            try:
                _ = manifest.all_blobs
            except MalformedManifest:
                return

        return steps(read)

    assert cost(512 * 1024) < 2.2 * max(cost(256 * 1024), 1000)


@pytest.mark.parametrize(
    ("references", "parts", "most"),
    [
        (GRAPHS_BYTES // GRAPH_BYTES, MAX_PARTS, GRAPHS_BYTES),
        (REFERENCES, SMALL_BYTES // LEAST_NAMING, SMALL_PARTS_BYTES),
    ],
    ids=["what takes a share", "what is not counted"],
)
def test_the_parts_of_as_many_references_as_go_at_once_take_what_the_budget_leaves_them(
    references: int, parts: int, most: int
) -> None:
    """None of their blobs is shared: all of them are in the graph at one time."""

    def build() -> Graph:
        graph = Graph()
        for reference in range(references):
            root = graph.root(CopyRun(threading.Event()), manifest(reference), f"v{reference}")
            assert root is not None
            blobs = [
                Descriptor(media_type="", digest=f"sha256:{reference * parts + one:064x}", size=1)
                for one in range(parts)
            ]
            assert len(graph.need(root, (), blobs) or ()) == parts
        return graph

    def manifest(number: int) -> Manifest:
        return Manifest.read(b'{"schemaVersion":2,"config":{},"x":%d}' % number, media_types.OCI_MANIFEST)

    assert taken(build) < most


@pytest.mark.parametrize(
    ("children", "shared", "own"),
    [(155, 4_900, 4_940), (21, 4_900, 1_900), (100, 990, 1_900), (1_000, 99, 1_000)],
    ids=["all that 64 MiB can name", "few children", "a hundred", "a thousand"],
)
def test_an_index_whose_children_name_the_same_blobs_has_room_in_its_share(
    children: int, shared: int, own: int
) -> None:
    """An edge takes memory, too. The last child has blobs of its own; what is beyond the bound of edges is refused."""

    def blobs(first: int, count: int) -> list[Descriptor]:
        return [Descriptor(media_type="", digest=f"sha256:{first + one:064x}", size=1) for one in range(count)]

    def build() -> Graph:
        graph = Graph()
        manifest = Manifest.read(b'{"schemaVersion":2,"manifests":[]}', media_types.OCI_INDEX)
        root = graph.root(CopyRun(threading.Event()), manifest, "v1")
        assert root is not None
        listed = graph.need(root, blobs(MAX_PARTS, children), ())
        assert listed is not None
        for child in listed[:-1]:
            try:
                graph.need(child, (), blobs(0, shared))
            except MalformedManifest as error:
                assert "name more than" in str(error)
                break
        with suppress(MalformedManifest):
            graph.need(listed[-1], (), blobs(2 * MAX_PARTS, own))
        return graph

    assert taken(build) < GRAPH_BYTES


def test_all_memory_together_is_within_the_bound() -> None:
    """What the budget holds, and what is not counted.

    That is small documents, blocks of layers, what is below small images, and what small manifests refer to.
    """
    budget = ATTEMPTS_BYTES + GRAPHS_BYTES + STEPS_BYTES + REFUSALS_BYTES + KEPT_BYTES
    documents = (REFERENCES + PARALLELISM) * 8 * SMALL_BYTES
    remembered = REMEMBERED * 5 * REMEMBERED_BYTES
    assert budget + documents + PARALLELISM * 3 * BLOCK + SMALL_PARTS_BYTES + remembered <= MOST


def test_what_is_remembered_of_small_manifests_takes_five_times_their_bytes_at_most() -> None:
    def small(number: int) -> Manifest:
        before = b'{"config":{"digest":"sha256:%064x"},"layers":[' % number
        layers = partial(_layer, number * 1000)
        return Manifest.read(
            filled(layers, before=before, after=b"]}", size=REMEMBERED_BYTES), media_types.OCI_MANIFEST
        )

    def remember() -> list[Manifest]:
        manifests = [small(number) for number in range(REMEMBERED)]
        assert all(len(one.all_blobs) > REMEMBERED_BYTES // 100 for one in manifests)
        return manifests

    assert taken(remember) < REMEMBERED * 5 * REMEMBERED_BYTES


def _layer(first: int, number: int) -> bytes:
    return b'{"digest":"sha256:%064x"}' % (first + number)
