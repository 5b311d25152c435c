"""What the copier does when something fails, stops, or is not what it says it is."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import pytest
from tests.support.patience import PATIENCE_S
from tests.unit.copying.fakes import FakeRegistry, descriptor_of, digest_of
from tests.unit.copying.sites import REPOSITORY, Site, layers

from geosync.copying import blobs
from geosync.errors import (
    BlobsUnknown,
    GeosyncError,
    LeaseLost,
    NotFound,
    OutcomeUnknown,
    OutOfTime,
    Refused,
    RegistryUnavailable,
)
from geosync.oci import media_types
from geosync.oci.manifests import Manifest

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
            assert failed.wait(PATIENCE_S)
        if digest == broken:
            assert slow_is_reading.wait(PATIENCE_S)
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
            assert release.wait(PATIENCE_S)

    def before_source(verb: str, what: str) -> None:
        if what == broken:
            assert both_want_it.wait(PATIENCE_S)

    def before_destination(verb: str, what: str) -> None:
        if what == digest_of(b"fine"):
            both_want_it.set()

    site.source.before_block = before_block
    site.source.before = before_source
    site.destination.before = before_destination
    with site.copier() as copier, ThreadPoolExecutor(2) as callers:
        bad = callers.submit(copier.copy, failing, "bad")
        assert shared_is_reading.wait(PATIENCE_S)
        good = callers.submit(copier.copy, fine, "good")
        with pytest.raises(NotFound, match=broken):
            bad.result(PATIENCE_S)
        release.set()
        good.result(PATIENCE_S)
    assert site.destination.tagged == {"good": fine.digest}
    assert site.source.of("GET blob").count(digest_of(shared)) == 1


def test_after_a_failure_the_next_copy_moves_only_the_rest(site: Site) -> None:
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

    def lost() -> AbstractContextManager[None]:
        raise LeaseLost("somebody else has it")

    with (
        site.copier(tag_write=lost) as copier,
        pytest.raises(LeaseLost),
    ):
        copier.copy(image, "v1")
    assert site.destination.requests == []


def test_a_tag_write_without_an_answer_is_told_though_its_copy_was_stopped_before(site: Site) -> None:
    image = site.source.add_image(*layers(1))
    ended = threading.Event()
    told: list[OutcomeUnknown] = []

    @contextmanager
    def guard() -> Iterator[None]:
        try:
            yield
        except OutcomeUnknown as error:
            told.append(error)
            raise

    def stop_and_wait(verb: str, what: str) -> None:
        if (verb, what) == ("PUT manifest", "v1"):
            copier.stop(OutOfTime("the holder stopped"))
            assert ended.wait(PATIENCE_S)
            raise OutcomeUnknown("destination:5000", "PUT")

    site.destination.before = stop_and_wait
    with site.copier(tag_write=guard) as copier:
        with pytest.raises(OutOfTime):
            copier.copy(image, "v1")
        assert not told
        ended.set()
    assert len(told) == 1


@pytest.mark.parametrize("how", ["stop", "close"])
def test_stopping_ends_every_copy_and_every_later_one(site: Site, how: str) -> None:
    image = site.source.add_image(*layers(4))
    inside, release = threading.Event(), threading.Event()

    def before_block(digest: str) -> None:
        inside.set()
        release.wait(PATIENCE_S)

    site.source.before_block = before_block
    with site.copier(parallelism=2) as copier, ThreadPoolExecutor(2) as callers:
        running = callers.submit(copier.copy, image, "v1")
        assert inside.wait(PATIENCE_S)
        if how == "stop":
            copier.stop(LeaseLost("gone"))
        else:
            closing = callers.submit(copier.close)
        with pytest.raises(LeaseLost if how == "stop" else OutOfTime):
            running.result(PATIENCE_S)
        release.set()
        if how == "close":
            closing.result(PATIENCE_S)
        with pytest.raises(LeaseLost if how == "stop" else OutOfTime):
            copier.copy(image, "v2")
    assert site.destination.count("PUT blob") <= 2
    assert site.destination.tagged == {}


def test_an_unexpected_error_reaches_the_caller(site: Site) -> None:
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


def test_a_destination_that_still_misses_given_parts_gets_no_third_put(site: Site) -> None:
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

    def vague(self: FakeRegistry, repository: str, reference: str, manifest: Manifest) -> bool:
        try:
            return put(self, repository, reference, manifest)
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
    with site.copier() as copier, pytest.raises(Refused, match="only at a URL"):
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
    monkeypatch.setattr(blobs, "COMMIT_LOOKS_S", (0.0, 0.001, 0.001))
    monkeypatch.setattr(blobs, "LONG_COMMIT", 0)
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


@pytest.mark.parametrize(
    ("codes", "permanent"), [(("UNKNOWN",), True), (("UNKNOWN", "MANIFEST_BLOB_UNKNOWN"), True), ((), False)]
)
def test_a_format_that_a_registry_answers_with_500_is_a_refusal_if_the_answer_is_its_own(
    site: Site, codes: tuple[str, ...], permanent: bool
) -> None:
    document = {"name": "app", "tag": "v1", "fsLayers": [{"blobSum": site.source.add_blob(b"layer")["digest"]}]}
    content = json.dumps({"schemaVersion": 1, **document}).encode()
    schema1 = Manifest.read(content, media_types.DOCKER_SCHEMA1)

    def fail(verb: str, what: str) -> None:
        if verb == "PUT manifest":
            raise OutcomeUnknown("destination:5000", "PUT manifest", status=500, codes=codes)

    site.destination.before = fail
    with site.copier() as copier:
        with pytest.raises(Refused if permanent else OutcomeUnknown, match="schema 1" if permanent else "500"):
            copier.copy(schema1, "v1")
        with pytest.raises(OutcomeUnknown):
            copier.copy(site.source.add_image(b"any other format"), "v2")


def test_every_error_is_one_of_the_tree(site: Site) -> None:
    index = site.source.add({"mediaType": media_types.OCI_INDEX, "manifests": [{"digest": "sha256:short"}]})
    with site.copier() as copier, pytest.raises(GeosyncError):
        copier.copy(index, "v1")
    assert descriptor_of(index)["digest"] not in site.destination.manifests
