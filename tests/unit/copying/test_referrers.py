"""What belongs to a digest: found by the API, by tags, and kept findable at the destination."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from tests.unit.copying.fakes import FakeRegistry, descriptor_of

from geosync.copying import referrers
from geosync.copying.copy import Copier
from geosync.copying.route import Route
from geosync.errors import LeaseLost, MalformedManifest
from geosync.oci.manifests import MAX_MANIFEST_BYTES, Descriptor, Manifest
from geosync.oci.memory import MIB, Memory
from geosync.oci.repository import Repository
from geosync.pair.capabilities import Capabilities
from geosync.pair.pair import Pair

REPOSITORY = "team/app"
PATIENCE_S = 60
GONE = f"sha256:{'0' * 64}"
SIGNATURE = "application/vnd.example.signature.v1"


def sign(registry: FakeRegistry, subject: Manifest, what: bytes = b"signature", **more: Any) -> Manifest:
    return registry.add_image(what, subject=descriptor_of(subject), artifactType=SIGNATURE, **more)


class ByName(FakeRegistry):
    """Answers with an error's name where it has nothing to list, as one may that has the API and one that has not."""

    def referrers(self, repository: str, digest: str) -> list[Descriptor] | None:
        found = super().referrers(repository, digest)
        self._has_referrers = True
        return found if digest in self.manifests else None


def copier(
    source: FakeRegistry,
    destination: FakeRegistry,
    *,
    tag_write: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Copier:
    route = Route(
        pair=Pair(Repository(source, REPOSITORY), Repository(destination, REPOSITORY)),
        capabilities=Capabilities(referrers_api=destination.referrers_api),
    )
    return Copier(route, tag_write=tag_write)


def test_the_fallback_tag_of_a_digest_is_that_of_the_specification() -> None:
    encoded = "ab" * 32
    assert referrers.fallback_tag(f"sha256:{encoded}") == f"sha256-{encoded}"
    assert referrers.fallback_tag("sha512:" + "cd" * 64) == "sha512-" + "cd" * 32, "cut to 64 characters"


def test_a_backfill_brings_referrers_of_the_image_of_its_children_and_of_the_referrers() -> None:
    source, destination = FakeRegistry(referrers_api=True), FakeRegistry(referrers_api=True)
    child = source.add_image(b"layer")
    index = source.add_index(child)
    sbom = sign(source, index, b"sbom")
    expected = [sign(source, index), sbom, sign(source, child, b"of the child"), sign(source, sbom, b"of the sbom")]
    with copier(source, destination) as one:
        one.copy(index, "v1")
        source.requests.clear()
        assert one.copy_referrers(index) == 4
        assert all(referrer.digest in destination.manifests for referrer in expected)
        assert source.count("GET referrers") == 2 + 4, "one for each manifest"
        destination.requests.clear()
        assert one.copy_referrers(index) == 0
        assert destination.count("PUT manifest") == 0
    assert destination.tagged == {"v1": index.digest}


def test_a_backfill_brings_the_referrers_of_what_is_in_an_index_within_an_index_and_within_a_referrer() -> None:
    source, destination = FakeRegistry(referrers_api=True), FakeRegistry(referrers_api=True)
    deep, inside = source.add_image(b"deep"), source.add_image(b"inside")
    index = source.add_index(source.add_index(source.add_index(deep)))
    referrer = source.add_index(inside, subject=descriptor_of(index))
    expected = [sign(source, deep, b"of the deep one"), referrer, sign(source, inside, b"of one within a referrer")]
    with copier(source, destination) as one:
        one.copy(index, "v1")
        assert one.copy_referrers(index) == 3
    assert all(referrer.digest in destination.manifests for referrer in expected)


def test_a_source_without_the_api_is_asked_once() -> None:
    source, destination = FakeRegistry(), FakeRegistry()
    index = source.add_index(source.add_image(b"a"), source.add_image(b"b"))
    with copier(source, destination) as one:
        assert one.copy_referrers(index) == 0
    assert source.count("GET referrers") == 1


def test_a_404_for_a_deleted_digest_does_not_mean_that_the_referrers_api_is_absent() -> None:
    source = ByName(referrers_api=True)
    image = source.add_image(b"layer")
    signature = sign(source, image)
    listings = referrers.Listings(Repository(source, REPOSITORY))
    assert listings.of(GONE) == []
    assert not listings.unavailable
    assert [one.digest for one in listings.of(image.digest)] == [signature.digest]
    assert listings.of(GONE) == []
    assert [one.digest for one in listings.of(image.digest)] == [signature.digest]


def test_a_404_for_a_present_digest_means_that_the_referrers_api_is_absent() -> None:
    source = ByName(referrers_api=False)
    image = source.add_image(b"layer")
    listings = referrers.Listings(Repository(source, REPOSITORY))
    assert listings.of(GONE) == []
    assert listings.of(image.digest) == []
    assert listings.unavailable
    assert listings.of(GONE) == listings.of(image.digest) == []
    assert source.count("GET referrers") == 2


def test_a_chain_of_referrers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "MAX_ASKED", 3)
    source, destination = FakeRegistry(referrers_api=True), FakeRegistry(referrers_api=True)
    image = last = source.add_image(b"layer")
    for number in range(6):
        last = sign(source, last, b"%d" % number)
    with copier(source, destination) as one:
        assert one.copy_referrers(image) == 3


def test_a_pushed_referrer_needs_no_look_up_where_the_destination_has_the_api() -> None:
    source, destination = FakeRegistry(referrers_api=True), FakeRegistry(referrers_api=True)
    signature = sign(source, source.add_image(b"layer"))
    with copier(source, destination) as one:
        one.copy(signature, None)
    assert source.count("GET referrers") == 0
    assert destination.tagged == {}


def test_a_destination_without_the_api_gets_every_referrer_listed_under_the_fallback_tag() -> None:
    source, destination = FakeRegistry(referrers_api=True), FakeRegistry()
    image = source.add_image(b"layer")
    signatures = [sign(source, image, b"%d" % number, annotations={"number": str(number)}) for number in range(8)]
    with copier(source, destination) as one, ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda signature: one.copy(signature, None), signatures))
    listed = destination.manifests[destination.tagged[referrers.fallback_tag(image.digest)]]
    assert {child.digest for child in listed.children} == {signature.digest for signature in signatures}
    entries = json.loads(listed.content)["manifests"]
    assert {entry["artifactType"] for entry in entries} == {SIGNATURE}
    assert {entry["annotations"]["number"] for entry in entries} == {str(number) for number in range(8)}
    destination.requests.clear()
    with copier(source, destination) as one:
        one.copy(signatures[0], None)
    assert destination.of("PUT manifest") == [signatures[0].digest], "what is listed is not written again"


class Counted:
    """A lock that says when so many have asked for it."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._asked = threading.Semaphore(0)
        self._most = most

    def __enter__(self) -> None:
        self._asked.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait_for_all(self) -> None:
        for _ in range(self._most):
            assert self._asked.acquire(timeout=PATIENCE_S)


def test_a_waiter_leaves_its_memory_to_the_copy_that_lists_a_large_referrer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three of the largest have all that there is for steps, and the one before them needs some to read the tag."""
    has_lock, all_have_memory, give_back = threading.Event(), threading.Barrier(3), Memory.give_back

    def once_all_have_it(memory: Memory) -> None:
        if has_lock.is_set():  # one of the large: the small one is past this
            all_have_memory.wait(PATIENCE_S)
        give_back(memory)

    monkeypatch.setattr(Memory, "give_back", once_all_have_it)
    source, destination = FakeRegistry(referrers_api=True), FakeRegistry()
    image = source.add_image(b"layer")
    small = sign(source, image, b"small")
    padding = "x" * (MAX_MANIFEST_BYTES - 100_000)
    large = [sign(source, image, b"%d" % number, annotations={"pad": padding}) for number in range(3)]
    source.deadline.set(PATIENCE_S)
    destination.deadline.set(PATIENCE_S)
    with copier(source, destination) as one, ThreadPoolExecutor(4) as callers:
        lock: Any = Counted(4)
        one._fallback_tags._lock = lock

        def before(verb: str, what: str) -> None:
            if verb == "GET referrers" and not has_lock.is_set():
                has_lock.set()
                lock.wait_for_all()
                source.memory.need(8 * MIB)

        source.before = before
        copies = [callers.submit(one.copy, small, None)]
        assert has_lock.wait(PATIENCE_S)
        copies += [callers.submit(one.copy, signature, None) for signature in large]
        for copy in copies:
            copy.result()
    listed = destination.manifests[destination.tagged[referrers.fallback_tag(image.digest)]]
    assert {child.digest for child in listed.children} == {one.digest for one in (small, *large)}
    assert source.memory.steps.most_held > 30 * MIB, "together they had as much as there is"
    assert source.memory.steps.held == 0


def test_a_fallback_tag_that_the_primary_keeps_itself_is_left_to_the_copy_of_tags() -> None:
    image_digests = []
    for api in (True, False):
        source, destination = FakeRegistry(referrers_api=api), FakeRegistry()
        image = source.add_image(b"layer")
        signature = sign(source, image)
        source.add_index(signature, tag=referrers.fallback_tag(image.digest))
        with copier(source, destination) as one:
            one.copy(signature, None)
        assert destination.tagged == {}
        image_digests.append(image.digest)
    assert len(image_digests) == 2


def test_a_fallback_tag_that_holds_an_image_is_not_overwritten() -> None:
    source, destination = FakeRegistry(referrers_api=True), FakeRegistry()
    image = source.add_image(b"layer")
    occupied = destination.add_image(b"else", tag=referrers.fallback_tag(image.digest))
    with copier(source, destination) as one, pytest.raises(MalformedManifest, match="not an index"):
        one.copy(sign(source, image), None)
    assert destination.tagged[referrers.fallback_tag(image.digest)] == occupied.digest


def test_the_fallback_tag_is_a_tag_and_asks_the_guard() -> None:
    def lost() -> AbstractContextManager[None]:
        raise LeaseLost("gone")

    source, destination = FakeRegistry(referrers_api=True), FakeRegistry()
    signature = sign(source, source.add_image(b"layer"))
    with (
        copier(source, destination, tag_write=lost) as one,
        pytest.raises(LeaseLost),
    ):
        one.copy(signature, None)
    assert destination.tagged == {}
