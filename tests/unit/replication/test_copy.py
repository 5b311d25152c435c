"""What the copier asks of the two registries, and in which order; what it does when something fails."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.unit.replication.fakes import FakeRegistry, descriptor_of, digest_of

from geosync.errors import (
    BlobsUnknown,
    GeosyncError,
    LeaseLost,
    MalformedManifest,
    NotFound,
    OutcomeUnknown,
    OutOfTime,
    Refused,
    RegistryUnavailable,
    TooLarge,
)
from geosync.oci import media_types
from geosync.oci.manifests import Manifest
from geosync.replication import blobs, graph
from geosync.replication.capabilities import Capabilities
from geosync.replication.copy import Copier

REPOSITORY = "team/app"


class Site:
    """A source and a destination, and a copier between them as a holder would make it."""

    def __init__(self, **habits: bool) -> None:
        self.source = FakeRegistry("source:5000")
        self.destination = FakeRegistry("destination:5000", **habits)
        self.guarded = 0

    def copier(self, parallelism: int = 8) -> Copier:
        habits = Capabilities(
            checks_blobs=self.destination.checks_blobs,
            checks_children=self.destination.checks_children,
            mounts=self.destination.mounts,
            referrers_api=self.destination.referrers_api,
        )
        return Copier(
            self.source,
            REPOSITORY,
            self.destination,
            "mirror/app",
            before_tag_write=self.guard,
            capabilities=habits,
            parallelism=parallelism,
        )

    def guard(self) -> None:
        self.guarded += 1

    def is_whole(self, manifest: Manifest) -> bool:
        if self.destination.manifests.get(manifest.digest) != manifest:
            return False
        if any(blob.digest not in self.destination.blobs for blob in manifest.blobs):
            return False
        return all(self.is_whole(self.source.manifests[child.digest]) for child in manifest.children)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = {thread for thread in threading.enumerate() if thread.name.startswith("copy-")}
    yield
    assert {thread for thread in threading.enumerate() if thread.name.startswith("copy-")} == before


def layers(count: int, start: int = 0) -> list[bytes]:
    return [f"layer {number} ".encode() * 40 for number in range(start, start + count)]


# --- the requests of each case; the caller's GET and HEAD come on top


@pytest.mark.parametrize("count", [0, 1, 5, 20])
def test_a_first_copy_asks_once_and_moves_each_blob_with_three_requests(site: Site, count: int) -> None:
    image = site.source.add_image(*layers(count))
    with site.copier() as copier:
        result = copier.copy(image, "v1")
    assert Counter(verb for verb, _ in site.destination.requests) == {
        "PUT manifest": 2,
        "POST upload": count + 1,
        "PUT blob": count + 1,
    }
    assert Counter(verb for verb, _ in site.source.requests) == {"GET blob": count + 1}
    assert site.destination.tagged == {"v1": image.digest}
    assert site.is_whole(image)
    assert (result.blobs_copied, result.blobs_there, result.manifests_put) == (count + 1, 0, 1)
    assert result.bytes_copied == sum(len(site.source.blobs[blob.digest]) for blob in image.blobs)


@pytest.mark.parametrize("children", [2, 4])
def test_the_first_copy_of_an_index_costs_two_requests_a_child_and_three_a_unique_blob(
    site: Site, children: int
) -> None:
    shared = layers(2)
    images = [
        site.source.add_image(*shared, *layers(2, start=10 * number), config=b"%d" % number)
        for number in range(1, children + 1)
    ]
    index = site.source.add_index(*images)
    unique = len({blob.digest for image in images for blob in image.blobs})
    with site.copier() as copier:
        result = copier.copy(index, "v1")
    total = len(site.source.requests) + len(site.destination.requests)
    assert total + 2 == 3 * unique + 2 * children + 4
    assert site.is_whole(index)
    assert result.manifests_put == children + 1
    assert result.blobs_copied == unique


def test_another_tag_for_what_is_there_is_one_put(site: Site) -> None:
    image = site.source.add_image(*layers(3))
    with site.copier() as copier:
        copier.copy(image, "v1")
        site.destination.requests.clear()
        site.source.requests.clear()
        copier.copy(image, "v2")
    assert site.destination.requests == [("PUT manifest", "v2")]
    assert site.source.requests == []


def test_a_new_config_on_layers_that_are_there_moves_only_the_config(site: Site) -> None:
    old = site.source.add_image(*layers(3), config=b"old")
    new = site.source.add_image(*layers(3), config=b"new")
    with site.copier() as copier:
        copier.copy(old, "v1")
        before = len(site.destination.requests) + len(site.source.requests)
        copier.copy(new, "v1")
    assert len(site.destination.requests) + len(site.source.requests) - before == 5
    assert site.destination.tagged == {"v1": new.digest}


def test_below_a_missing_child_a_blob_that_is_there_costs_one_request_and_no_bytes(site: Site) -> None:
    image = site.source.add_image(*layers(3))
    there = image.blobs[1]
    site.destination.blobs[there.digest] = site.source.blobs[there.digest]
    index = site.source.add_index(image)
    with site.copier() as copier:
        result = copier.copy(index, "v1")
    assert there.digest not in site.source.of("GET blob")
    assert site.destination.of("POST upload").count(there.digest) == 1
    assert (result.blobs_copied, result.blobs_there) == (3, 1)


def test_only_the_changed_child_of_an_index_is_touched(site: Site) -> None:
    same, old, new = (site.source.add_image(*layers(2, start=s)) for s in (0, 10, 20))
    with site.copier() as copier:
        copier.copy(site.source.add_index(same, old), "v1")
    with site.copier() as copier:
        site.source.requests.clear()
        copier.copy(site.source.add_index(same, new), "v1")
    assert site.source.of("GET manifest") == [new.digest]


def test_an_index_of_indexes_is_copied_whole(site: Site) -> None:
    images = [site.source.add_image(*layers(2, start=n), config=b"c%d" % n) for n in range(4)]
    inner = [site.source.add_index(*images[:2]), site.source.add_index(*images[1:])]
    outer = site.source.add_index(*inner, images[0])
    with site.copier(parallelism=1) as copier:
        copier.copy(outer, "v1")
    assert site.is_whole(outer)
    assert Counter(site.destination.of("PUT blob")).most_common(1)[0][1] == 1
    assert Counter(site.source.of("GET manifest")).most_common(1)[0][1] == 1


def test_a_buildkit_cache_index_lists_blobs_and_they_are_copied_as_blobs(site: Site) -> None:
    listed = [site.source.add_blob(layer) for layer in layers(2)]
    listed.append({**site.source.add_blob(b"{}"), "mediaType": "application/vnd.buildkit.cacheconfig.v0"})
    cache = site.source.add({"mediaType": media_types.OCI_INDEX, "manifests": listed})
    with site.copier() as copier:
        copier.copy(cache, "cache")
    assert site.is_whole(cache)
    assert site.source.count("GET manifest") == 0


def test_by_digest_no_tag_is_written_and_the_guard_is_not_asked(site: Site) -> None:
    image = site.source.add_image(*layers(1))
    with site.copier() as copier:
        copier.copy(image, None)
    assert set(site.destination.of("PUT manifest")) == {image.digest}
    assert site.destination.tagged == {}
    assert site.guarded == 0


def test_the_guard_is_asked_before_every_write_of_a_tag(site: Site) -> None:
    image = site.source.add_image(*layers(1))
    with site.copier() as copier:
        copier.copy(site.source.add_index(image), "v1")
    assert site.guarded == site.destination.of("PUT manifest").count("v1") == 2


# --- what a copier shares between references


def test_references_copied_at_once_move_what_they_share_once(site: Site) -> None:
    shared = layers(4)
    images = [site.source.add_image(*shared, config=b"config %d" % number) for number in range(6)]
    begin = threading.Barrier(6)

    def copy(number: int) -> None:
        begin.wait(5)
        copier.copy(images[number], f"v{number}")

    with site.copier() as copier, ThreadPoolExecutor(6) as callers:
        list(callers.map(copy, range(6)))
    assert all(site.is_whole(image) for image in images)
    assert max(Counter(site.destination.of("PUT blob")).values()) == 1
    assert max(Counter(site.source.of("GET blob")).values()) == 1
    assert max(Counter(site.destination.of("POST upload")).values()) == 1


def test_an_index_and_its_child_by_digest_copied_at_once_share_the_child(site: Site) -> None:
    child = site.source.add_image(*layers(3))
    index = site.source.add_index(child, site.source.add_image(*layers(2, start=7)))
    inside, released = threading.Event(), threading.Event()

    def hold_a_blob(digest: str) -> None:
        inside.set()
        assert released.wait(5)

    site.source.before_block = hold_a_blob
    with site.copier() as copier, ThreadPoolExecutor(2) as callers:
        whole = callers.submit(copier.copy, index, "v1")
        assert inside.wait(5)
        part = callers.submit(copier.copy, child, None)
        released.set()
        whole.result(5)
        part.result(5)
        site.destination.requests.clear()
        copier.copy(child, None)
    assert site.destination.requests == [], "the child was done"
    assert max(Counter(site.source.of("GET blob")).values()) == 1
    assert site.is_whole(index)


# --- failures


def test_the_first_error_ends_the_copy_and_the_transfers_that_only_it_wanted(site: Site) -> None:
    image = site.source.add_image(*layers(3))
    broken, slow = image.blobs[1].digest, image.blobs[2].digest
    slow_is_reading = threading.Event()
    failed = threading.Event()
    blocks = Counter[str]()

    def before_block(digest: str) -> None:
        blocks[digest] += 1
        if digest == slow:
            slow_is_reading.set()
            assert failed.wait(5)
        if digest == broken:
            assert slow_is_reading.wait(5)
            raise RegistryUnavailable("source:5000", "GET blob", status=503)

    site.source.before_block = before_block
    with site.copier() as copier:
        with pytest.raises(RegistryUnavailable, match="503"):
            copier.copy(image, "v1")
        failed.set()
    assert blocks[slow] == 1, "it read on although nobody waited for it"
    assert site.destination.tagged == {}


def test_a_transfer_goes_on_when_one_of_those_that_want_it_fails(site: Site) -> None:
    shared = layers(1)[0]
    fine = site.source.add_image(shared, config=b"fine")
    failing = site.source.add_image(shared, config=b"failing")
    broken = digest_of(b"failing")
    del site.source.blobs[broken]
    shared_is_reading, both_want_it, release = threading.Event(), threading.Event(), threading.Event()

    def before_block(digest: str) -> None:
        if digest == digest_of(shared):
            shared_is_reading.set()
            assert release.wait(5)

    def before_source(verb: str, what: str) -> None:
        if what == broken:
            assert both_want_it.wait(5)

    def before_destination(verb: str, what: str) -> None:
        if what == digest_of(b"fine"):
            both_want_it.set()

    site.source.before_block = before_block
    site.source.before = before_source
    site.destination.before = before_destination
    with site.copier() as copier, ThreadPoolExecutor(2) as callers:
        bad = callers.submit(copier.copy, failing, "bad")
        assert shared_is_reading.wait(5)
        good = callers.submit(copier.copy, fine, "good")
        with pytest.raises(NotFound, match=broken):
            bad.result(5)
        release.set()
        good.result(5)
    assert site.destination.tagged == {"good": fine.digest}
    assert site.source.of("GET blob").count(digest_of(shared)) == 1


def test_what_failed_can_be_copied_again_and_only_the_rest_moves(site: Site) -> None:
    image = site.source.add_image(*layers(3))
    lost = image.blobs[2].digest
    content = site.source.blobs.pop(lost)
    with site.copier(parallelism=1) as copier:
        with pytest.raises(NotFound, match=lost):
            copier.copy(image, "v1")
        site.source.blobs[lost] = content
        copier.copy(image, "v1")
    assert site.is_whole(image)
    assert max(Counter(site.destination.of("PUT blob")).values()) == 1


def test_a_lost_lease_ends_the_copy_before_the_tag_is_written(site: Site) -> None:
    image = site.source.add_image(*layers(1))

    def lost() -> None:
        raise LeaseLost("somebody else has it")

    with (
        Copier(site.source, REPOSITORY, site.destination, REPOSITORY, before_tag_write=lost) as copier,
        pytest.raises(LeaseLost),
    ):
        copier.copy(image, "v1")
    assert site.destination.requests == []


@pytest.mark.parametrize("how", ["stop", "close"])
def test_stopping_ends_every_copy_and_every_later_one(site: Site, how: str) -> None:
    image = site.source.add_image(*layers(4))
    inside, release = threading.Event(), threading.Event()

    def before_block(digest: str) -> None:
        inside.set()
        release.wait(5)

    site.source.before_block = before_block
    with site.copier(parallelism=2) as copier, ThreadPoolExecutor(2) as callers:
        running = callers.submit(copier.copy, image, "v1")
        assert inside.wait(5)
        if how == "stop":
            copier.stop(LeaseLost("gone"))
        else:
            closing = callers.submit(copier.close)
        with pytest.raises(LeaseLost if how == "stop" else OutOfTime):
            running.result(5)
        release.set()
        if how == "close":
            closing.result(5)
        with pytest.raises(LeaseLost if how == "stop" else OutOfTime):
            copier.copy(image, "v2")
    assert site.destination.count("PUT blob") <= 2
    assert site.destination.tagged == {}


def test_an_error_nobody_foresaw_reaches_the_caller(site: Site) -> None:
    image = site.source.add_image(*layers(1))

    def bug(verb: str, what: str) -> None:
        if verb == "GET blob":
            raise ZeroDivisionError

    site.source.before = bug
    with site.copier() as copier, pytest.raises(ZeroDivisionError):
        copier.copy(image, "v1")


def test_a_child_that_the_source_has_no_more_is_named(site: Site) -> None:
    image = site.source.add_image(*layers(1))
    index = site.source.add_index(image)
    del site.source.manifests[image.digest]
    with site.copier() as copier, pytest.raises(NotFound, match=f"{REPOSITORY}/manifests/{image.digest}"):
        copier.copy(index, "v1")


def test_a_destination_that_goes_on_missing_what_it_was_given_is_asked_no_third_time(site: Site) -> None:
    image = site.source.add_image(*layers(2))
    forgets = image.blobs[1].digest

    def forget(verb: str, what: str) -> None:
        if verb == "PUT manifest":
            site.destination.blobs.pop(forgets, None)

    site.destination.before = forget
    with site.copier() as copier, pytest.raises(BlobsUnknown, match=forgets):
        copier.copy(image, "v1")
    assert site.destination.count("PUT manifest") == 2
    assert site.destination.of("PUT blob").count(forgets) == 1


def test_a_blob_that_went_missing_meanwhile_is_brought_after_the_second_put(site: Site) -> None:
    image = site.source.add_image(*layers(2))
    collected = image.blobs[1].digest
    site.destination.blobs[collected] = site.source.blobs[collected]

    def collect(verb: str, what: str) -> None:
        if site.destination.count("PUT manifest") == 2:
            site.destination.before = lambda verb, what: None
            del site.destination.blobs[collected]

    site.destination.before = collect
    with site.copier() as copier:
        copier.copy(image, "v1")
    assert site.destination.count("PUT manifest") == 3
    assert site.is_whole(image)


def test_a_destination_that_names_nothing_is_given_everything(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    image = site.source.add_image(*layers(2))
    put = FakeRegistry.put_manifest

    def vague(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> None:
        try:
            put(self, repository, reference, manifest)
        except BlobsUnknown as answer:
            raise BlobsUnknown(answer.registry, answer.request, ()) from None

    monkeypatch.setattr(FakeRegistry, "put_manifest", vague)
    with site.copier() as copier:
        copier.copy(image, "v1")
    assert site.is_whole(image)


def test_a_destination_that_wants_a_foreign_layer_is_a_refusal_that_says_so(site: Site) -> None:
    foreign = {
        "mediaType": media_types.DOCKER_FOREIGN_LAYER,
        "digest": digest_of(b"somewhere else"),
        "size": 14,
        "urls": ["https://example.test/layer"],
    }
    image = site.source.add(
        {
            "mediaType": media_types.DOCKER_MANIFEST,
            "config": {**site.source.add_blob(b"{}"), "mediaType": media_types.DOCKER_CONFIG},
            "layers": [foreign],
        }
    )
    with site.copier() as copier:
        copier.copy(image, "v1")
    assert foreign["digest"] not in site.source.of("GET blob")

    def wants_it(verb: str, what: str) -> None:
        if verb == "PUT manifest":
            raise BlobsUnknown("destination:5000", "PUT manifest", [str(foreign["digest"])])

    site.destination.before = wants_it
    with site.copier() as copier, pytest.raises(Refused, match="not distributed"):
        copier.copy(image, "v2")


def test_an_unanswered_write_of_the_tag_is_not_repeated(site: Site) -> None:
    image = site.source.add_image(*layers(1))

    def silence(verb: str, what: str) -> None:
        if what == "v1" and site.destination.count("PUT manifest") == 2:
            raise OutcomeUnknown("destination:5000", "PUT manifest")

    site.destination.before = silence
    with site.copier() as copier, pytest.raises(OutcomeUnknown):
        copier.copy(image, "v1")
    assert site.destination.count("PUT manifest") == 2


# --- one blob's accidents


def test_a_lost_upload_session_is_begun_anew_once(site: Site) -> None:
    image = site.source.add_image(*layers(1))
    lost = image.blobs[1].digest

    def lose(verb: str, what: str) -> None:
        if verb == "PUT blob" and what == lost and site.destination.of("PUT blob").count(lost) == 1:
            raise NotFound("destination:5000", "PUT upload", status=404, codes=("BLOB_UPLOAD_UNKNOWN",))

    site.destination.before = lose
    with site.copier() as copier:
        copier.copy(image, "v1")
    assert site.destination.of("POST upload").count(lost) == 2
    assert site.is_whole(image)


@pytest.mark.parametrize("registry", ["source", "destination"])
def test_a_broken_connection_is_tried_again_once_and_then_reported(site: Site, registry: str) -> None:
    image = site.source.add_image(*layers(1))
    broken = image.blobs[1].digest

    def cut(verb: str, what: str) -> None:
        if what == broken and verb in ("GET blob", "PUT blob"):
            raise RegistryUnavailable(f"{registry}:5000", verb, detail="connection reset")

    getattr(site, registry).before = cut
    with site.copier() as copier, pytest.raises(RegistryUnavailable, match=f"{registry}:5000"):
        copier.copy(image, "v1")
    assert site.destination.of("POST upload").count(broken) == 2


def test_a_registry_that_says_busy_is_not_asked_again_at_once(site: Site) -> None:
    image = site.source.add_image(*layers(1))
    busy = image.blobs[1].digest

    def refuse(verb: str, what: str) -> None:
        if what == busy and verb == "PUT blob":
            raise RegistryUnavailable("destination:5000", verb, status=429, retry_after=7)

    site.destination.before = refuse
    with site.copier() as copier, pytest.raises(RegistryUnavailable) as raised:
        copier.copy(image, "v1")
    assert raised.value.retry_after == 7
    assert site.destination.of("POST upload").count(busy) == 1


def test_an_unanswered_upload_that_landed_is_not_sent_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "COMMIT_LOOKS", (0.0, 0.001, 0.001))
    image = site.source.add_image(*layers(1))
    slow = image.blobs[1].digest
    put = FakeRegistry.put_blob

    def commit_later(self: FakeRegistry, upload: object, digest: str, body: object) -> None:
        put(self, upload, digest, body)  # type: ignore[arg-type]
        if digest == slow:
            content = self.blobs.pop(slow)
            looks = iter(range(2))

            def land(verb: str, what: str) -> None:
                if verb == "HEAD blob" and next(looks, None) is None:
                    self.blobs[slow] = content

            self.before = land
            raise OutcomeUnknown("destination:5000", "PUT upload", detail="timed out")

    monkeypatch.setattr(FakeRegistry, "put_blob", commit_later)
    with site.copier() as copier:
        result = copier.copy(image, "v1")
    assert site.destination.of("PUT blob").count(slow) == 1
    assert site.destination.of("HEAD blob") == [slow] * 3
    assert result.blobs_copied == 2


# --- registries with other habits


def test_where_a_put_checks_nothing_nothing_is_put_before_its_parts_are_there() -> None:
    site = Site(checks_blobs=False, checks_children=False)
    image = site.source.add_image(*layers(3))
    index = site.source.add_index(image, site.source.add_image(*layers(2, start=9)))

    def whole_before_put(verb: str, what: str) -> None:
        if verb == "PUT manifest" and what == "v1":
            assert all(site.is_whole(site.source.manifests[child.digest]) for child in index.children)

    site.destination.before = whole_before_put
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert site.is_whole(index)
    assert site.destination.of("PUT manifest").count("v1") == 1


def test_where_a_put_checks_nothing_a_child_that_is_there_is_only_looked_at() -> None:
    site = Site(checks_blobs=False, checks_children=False)
    image = site.source.add_image(*layers(3))
    with site.copier() as copier:
        copier.copy(image, "v1")
    site.source.requests.clear()
    site.destination.requests.clear()
    with site.copier() as copier:
        copier.copy(site.source.add_index(image), "v2")
    assert site.destination.requests == [("HEAD manifest", image.digest), ("PUT manifest", "v2")]
    assert site.source.requests == []


def test_where_only_images_are_checked_an_index_is_not_put_to_ask() -> None:
    site = Site(checks_children=False)
    image = site.source.add_image(*layers(1))
    index = site.source.add_index(image)
    with site.copier() as copier:
        copier.copy(index, "v1")
    assert site.destination.of("PUT manifest") == [image.digest, "v1"]


def test_where_mounts_never_succeed_a_blob_that_is_there_is_found_by_a_look() -> None:
    site = Site(mounts=False)
    image = site.source.add_image(*layers(2))
    there = image.blobs[1]
    site.destination.blobs[there.digest] = site.source.blobs[there.digest]
    with site.copier() as copier:
        copier.copy(site.source.add_index(image), "v1")
    assert there.digest not in site.source.of("GET blob")
    assert set(site.destination.of("POST upload")) == {""}, "a mount was asked for"
    assert site.is_whole(image)


# --- what a hostile source may serve


def test_a_manifest_that_contains_itself_is_refused(site: Site) -> None:
    first = site.source.add_index()
    second = site.source.add_index(first)
    looped = replace(first, content=site.source.add_index(second).content)
    site.source.manifests[first.digest] = looped
    with site.copier() as copier, pytest.raises(MalformedManifest, match="contains itself"):
        copier.copy(second, "v1")
    with site.copier() as copier, pytest.raises(MalformedManifest, match="contains itself"):
        copier.copy(second, None)


def test_a_loop_met_by_two_copies_at_once_ends_both(site: Site) -> None:
    first = site.source.add_index()
    second = site.source.add_index(first)
    third = site.source.add_index(second)
    site.source.manifests[first.digest] = replace(first, content=site.source.add_index(third).content)
    for _ in range(20):
        with site.copier() as copier, ThreadPoolExecutor(3) as callers:
            copies = [
                callers.submit(copier.copy, site.source.manifests[one.digest], tag)
                for one, tag in ((first, None), (second, "b"), (third, None))
            ]
            for copy in copies:
                with pytest.raises(MalformedManifest):
                    copy.result(5)


def test_nesting_has_a_bound(site: Site) -> None:
    deep = site.source.add_image(b"bottom")
    for _ in range(graph.MAX_DEPTH + 1):
        deep = site.source.add_index(deep)
    with site.copier() as copier, pytest.raises(MalformedManifest, match="nested deeper"):
        copier.copy(deep, "v1")


def test_the_number_of_parts_has_a_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MAX_PARTS", 10)
    wide = site.source.add_index(*(site.source.add_image(*layers(4, start=10 * n)) for n in range(3)))
    with site.copier() as copier, pytest.raises(MalformedManifest, match="more than 10 "):
        copier.copy(wide, "v1")


def test_the_manifests_in_memory_have_a_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [site.source.add_image(*layers(4, start=10 * n)) for n in range(3)]
    monkeypatch.setattr(graph, "MAX_MANIFEST_BYTES", 2 * len(images[0].content) + 100)
    with site.copier() as copier, pytest.raises(TooLarge, match="bytes of manifests"):
        copier.copy(site.source.add_index(*images), "v1")


def test_every_error_is_one_of_the_tree(site: Site) -> None:
    index = site.source.add({"mediaType": media_types.OCI_INDEX, "manifests": [{"digest": "sha256:short"}]})
    with site.copier() as copier, pytest.raises(GeosyncError):
        copier.copy(index, "v1")
    assert descriptor_of(index)["digest"] not in site.destination.manifests
