"""Layers that S3 copies between the buckets of two real registries: bytes, proofs, and the fallback to streaming."""

from __future__ import annotations

import base64
import logging
import os
import re
from collections.abc import Callable, Iterator

import pytest
from tests.integration.copying.s3_images import ONE_PART, PROOF, SIZE, assert_same, layer_bytes, reasons, sync
from tests.integration.copying.s3_site import LARGE, LEAST, LOCAL, PRIMARY, S3Site
from tests.integration.secondary import Secondary, pushed
from tests.support.images import OCI_LAYER, ImageMaker, Made
from tests.support.s3_double import CRC, TYPE, refusal
from tests.support.scripted import Reply

from geosync.copying import blobs
from geosync.copying.s3 import copier
from geosync.copying.s3.layout import Bucket


@pytest.fixture
def make(s3_site: S3Site) -> Iterator[ImageMaker]:
    with s3_site.primary.maker() as maker:
        yield maker


def test_ten_layers_move_inside_s3_and_none_of_their_bytes_through_the_function(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, _ = push(layers=10)
    caplog.set_level(logging.INFO)

    with s3_site.double.watched() as asked:
        sync(s3_secondary, made)

    assert sorted(asked) == sorted(PROOF + 10 * ONE_PART)
    assert layer_bytes(s3_secondary) == 0
    assert s3_site.double.bytes_moved < LEAST  # ten layers' requests and answers, and no layer
    assert_same(s3_site, made)
    assert s3_site.double.uploads_left() == 0
    (copied,) = [one.__dict__ for one in caplog.records if one.message == "layers_copied_by_s3"]
    assert (copied["layers"], copied["bytes"]) == (10, 10 * SIZE)
    assert reasons(caplog) == []
    counts = s3_secondary.secondary_proxy.counts()
    # Each layer: a POST before and after the copy, a HEAD that shows it. A HEAD of the proof. The config is streamed.
    assert (counts["POST", "uploads"], counts["HEAD", "blob"], counts["DELETE", "upload"]) == (21, 11, 0)


def test_a_small_layer_and_one_that_is_there_ask_nothing_of_s3(
    s3_site: S3Site, s3_secondary: Secondary, push: Callable[..., tuple[Made, list[str]]], make: ImageMaker
) -> None:
    small, _ = push(size=LEAST - 1000)
    first, layers = push(tag="v2")
    sync(s3_secondary, first)

    with s3_site.double.watched() as asked:
        sync(s3_secondary, small)
        parts = [{"mediaType": OCI_LAYER, "digest": layers[0], "size": SIZE}]
        sync(s3_secondary, make.image(first.repository, "v3", layers=0, reuse=parts))

    assert asked == []


def test_a_layer_of_several_parts_is_proved_by_the_full_object_checksum(
    s3_site: S3Site, s3_secondary: Secondary, push: Callable[..., tuple[Made, list[str]]]
) -> None:
    made, _ = push(size=LARGE + 1000)

    with s3_site.double.watched() as asked:
        sync(s3_secondary, made)

    assert sorted(asked) == sorted(["head_object", "upload_part_copy", *ONE_PART, *PROOF])
    assert layer_bytes(s3_secondary) == 0
    assert_same(s3_site, made)


@pytest.mark.parametrize("size", [SIZE, LARGE + 1000])
def test_a_tampered_copy_is_never_there_and_the_layer_comes_from_the_registry(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
    size: int,
) -> None:
    """One byte changes in the bucket after S3 was asked about the object; the registry's own copy is put back then."""
    made, (layer,) = push(size=size)
    right = s3_site.bytes_of(layer, PRIMARY)
    assert right is not None

    def tamper() -> None:
        wrong = bytes([right[0] ^ 1]) + right[1:]
        s3_site.store.put_object(Bucket=PRIMARY.name, Key=PRIMARY.data_key(layer), Body=wrong)

    def restore() -> None:
        assert s3_site.bytes_of(layer) is None, "nothing appears before it is proved"
        s3_site.store.put_object(Bucket=PRIMARY.name, Key=PRIMARY.data_key(layer), Body=right)

    s3_site.double.fail("create_multipart_upload", tamper)
    s3_site.double.fail("abort_multipart_upload", restore)
    sync(s3_secondary, made)

    assert layer_bytes(s3_secondary) == 2 * size, "it was streamed"
    assert_same(s3_site, made)
    (reason,) = reasons(caplog)
    assert layer in reason or "PreconditionFailed" in reason or "BadDigest" in reason
    assert s3_site.double.uploads_left() == 0


def test_what_the_primary_s_bucket_has_wrong_from_the_start_is_not_linked(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, (layer,) = push()
    s3_site.store.put_object(Bucket=PRIMARY.name, Key=PRIMARY.data_key(layer), Body=os.urandom(SIZE))

    s3_secondary.receive(pushed(made))

    assert s3_secondary.digest(made.repository, "v1") is None
    assert s3_site.bytes_of(layer) is None
    assert not s3_site.is_linked(made.repository, layer)
    assert "another SHA-256" in reasons(caplog)[0]


FAULTS = {
    "the bucket says 403": ("create_multipart_upload", refusal(403, "AccessDenied")),
    "the source's bucket says 403": ("upload_part_copy", refusal(403, "AccessDenied")),
    "the answer of a copy breaks off": ("upload_part_copy", Reply(silent=True)),
    "a copy fails with a 200": ("upload_part_copy", refusal(200, "InternalError")),
    "the end fails with a 200": ("complete_multipart_upload", refusal(200, "InternalError")),
    "the proof is refused": ("put_object", refusal(403, "AccessDenied")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_unexpected_streams_the_layers_and_is_said_once(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    operation, reply = FAULTS[fault]
    s3_site.double.fail(operation, reply, times=100)
    made, _ = push(layers=2)

    sync(s3_secondary, made)

    assert layer_bytes(s3_secondary) == 2 * 2 * SIZE
    assert_same(s3_site, made)
    assert len(reasons(caplog)) == 1
    assert s3_site.double.uploads_left() == 0


def test_a_link_that_is_refused_streams_the_layer(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    s3_site.double.fail("put_object", refusal(403, "AccessDenied"), nth=len(PROOF))  # two of the proof's come first
    made, (layer,) = push()

    sync(s3_secondary, made)

    assert layer_bytes(s3_secondary) == 2 * SIZE
    assert s3_site.bytes_of(layer) is not None
    assert "AccessDenied" in reasons(caplog)[0]


def test_a_lost_upload_streams_the_layer(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    s3_site.double.fail("complete_multipart_upload", s3_site.double.forget_uploads)
    made, _ = push()

    sync(s3_secondary, made)

    assert layer_bytes(s3_secondary) == 2 * SIZE
    assert "NoSuchUpload" in reasons(caplog)[0]


def test_an_s3_that_computes_no_checksums_proves_nothing(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    s3_site.double.computes_checksums = False
    made, _ = push()

    sync(s3_secondary, made)

    assert layer_bytes(s3_secondary) == 2 * SIZE
    assert "no SHA-256" in reasons(caplog)[0]


LACKING = {
    "an upload's name": ("create_multipart_upload", "<InitiateMultipartUploadResult/>", "no UploadId"),
    "a part's tag": (
        "upload_part_copy",
        "<CopyPartResult><ChecksumSHA256>{sha256}</ChecksumSHA256></CopyPartResult>",
        "no ETag",
    ),
    "an object's tag": ("head_object", "", "no ETag"),
}


@pytest.mark.parametrize("what", LACKING)
def test_an_answer_of_s3_that_lacks_what_it_must_have_streams_the_layer(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    operation, answer, says = LACKING[what]
    size, length = (LARGE + 1000, LARGE + 1000) if operation == "head_object" else (SIZE, None)
    made, (layer,) = push(size=size)
    sha256 = base64.b64encode(bytes.fromhex(layer.partition(":")[2])).decode()
    headers = [(CRC, "AAAAAAAAAAA="), (TYPE, "FULL_OBJECT")]
    s3_site.double.fail(operation, Reply(headers=headers, body=answer.format(sha256=sha256).encode(), length=length))

    sync(s3_secondary, made)

    assert layer_bytes(s3_secondary) == 2 * size
    assert says in reasons(caplog)[0]


def test_a_large_layer_without_a_full_object_checksum_is_streamed(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, _ = push(size=LARGE + 1000)
    s3_site.double.keeps_checksums = False

    sync(s3_secondary, made)

    assert layer_bytes(s3_secondary) == 2 * (LARGE + 1000)
    assert "no full-object" in reasons(caplog)[0]


def test_an_object_of_another_size_than_the_registry_s_layer_is_streamed(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, (layer,) = push(size=LARGE + 1000)
    right = s3_site.bytes_of(layer, PRIMARY)
    assert right is not None
    key = {"Bucket": PRIMARY.name, "Key": PRIMARY.data_key(layer)}
    s3_site.double.fail("head_object", lambda: s3_site.store.put_object(**key, Body=right + b"more"))

    s3_secondary.receive(pushed(made))

    assert s3_site.bytes_of(layer) != right + b"more"
    assert f"has {LARGE + 1004} bytes" in reasons(caplog)[0]


def test_a_manifest_that_names_another_size_than_the_layer_has_is_no_reason(
    s3_site: S3Site, s3_secondary: Secondary, push: Callable[..., tuple[Made, list[str]]], make: ImageMaker
) -> None:
    made, (layer,) = push()
    made = make.image(
        made.repository, "v2", layers=0, reuse=[{"mediaType": OCI_LAYER, "digest": layer, "size": SIZE - 1}]
    )

    sync(s3_secondary, made)

    assert layer_bytes(s3_secondary) == 0
    assert_same(s3_site, made)


@pytest.mark.parametrize(
    ("buckets", "says"),
    [
        ({"source": Bucket(PRIMARY.name, "elsewhere")}, "NoSuchKey"),
        ({"source": LOCAL}, "NoSuchKey"),
        ({"destination": Bucket(LOCAL.name, "elsewhere")}, "does not show"),
        ({"destination": PRIMARY}, "does not show"),
        ({"destination": Bucket("nobody-s-bucket")}, "NoSuchBucket"),
    ],
)
def test_a_wrong_bucket_or_root_directory_streams_the_layer(
    s3_site: S3Site,
    s3_secondaries: Callable[..., Secondary],
    push: Callable[..., tuple[Made, list[str]]],
    caplog: pytest.LogCaptureFixture,
    buckets: dict[str, Bucket],
    says: str,
) -> None:
    made, _ = push()
    secondary = s3_secondaries(**buckets)

    sync(secondary, made)

    assert layer_bytes(secondary) == 2 * SIZE
    assert_same(s3_site, made)
    assert says in reasons(caplog)[0]


def test_after_a_while_s3_is_tried_again(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copier, "REST_S", 0.0)
    s3_site.double.fail("upload_part_copy", refusal(503, "SlowDown"))
    first, _ = push()
    second, _ = push(tag="v2")

    sync(s3_secondary, first)
    assert layer_bytes(s3_secondary) == 2 * SIZE
    sync(s3_secondary, second)
    assert layer_bytes(s3_secondary) == 2 * SIZE


def test_a_copy_that_s3_does_not_end_is_left_at_the_deadline_and_streamed_by_the_next_invocation(
    s3_site: S3Site,
    s3_secondary: Secondary,
    push: Callable[..., tuple[Made, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blobs, "LARGE", LEAST)  # a layer of these tests is as one that may be under way
    made, _ = push()
    s3_secondary.deadline.set(300)
    s3_site.double.fail("upload_part_copy", Reply(hang=True))
    s3_site.double.faults.append(lambda asked, _: s3_secondary.deadline.set(0) if asked == "upload_part_copy" else None)
    s3_site.double.faults.reverse()  # the time ends once S3 has begun

    s3_secondary.receive(pushed(made))

    s3_secondary.deadline.clear()
    s3_site.double.faults.clear()
    assert s3_secondary.digest(made.repository, "v1") is None
    assert "abort_multipart_upload" in s3_site.double.operations
    s3_secondary.sweep_until(lambda: not s3_secondary.owed(made.repository))
    assert layer_bytes(s3_secondary) == 2 * SIZE
    assert_same(s3_site, made)


def test_a_layer_of_no_known_algorithm_has_no_place(s3_site: S3Site) -> None:
    assert re.fullmatch(r"docker/registry/v2/blobs/sha256/ab/(ab){32}/data", LOCAL.data_key("sha256:" + "ab" * 32))
    assert PRIMARY.data_key("sha256:" + "ab" * 32).startswith("eu/registry/docker/registry/v2/")
