"""What a manifest refers to, and what its digest is."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.schema1 import sign_schema1

from geosync.errors import ContentError, DigestMismatch, MalformedManifest, TooLarge
from geosync.oci import media_types
from geosync.oci.manifests import (
    MAX_MANIFEST_BYTES,
    REMEMBERED_BYTES,
    SIZE_UNKNOWN,
    Descriptor,
    Manifest,
    digest_of,
)


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def descriptor(text: str, media_type: str = media_types.OCI_LAYER_GZIP, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(text), "size": len(text), **more}


def manifest(document: dict[str, Any], media_type: str = media_types.OCI_MANIFEST) -> Manifest:
    return Manifest.read(json.dumps(document).encode(), media_type)


CONFIG = descriptor("config", media_types.OCI_CONFIG)


def test_an_image_needs_its_config_and_each_layer_once_in_order() -> None:
    image = manifest({"config": CONFIG, "layers": [descriptor("b"), descriptor("a"), descriptor("b")]})
    assert [one.digest for one in image.blobs] == [digest("config"), digest("b"), digest("a")]
    assert image.children == ()
    assert not image.is_index


def test_a_small_manifest_is_read_once_however_often_it_is_asked_and_a_large_one_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[object] = []
    parse = Descriptor.parse

    def counted(value: object) -> Descriptor:
        parsed.append(value)
        return parse(value)

    layers = [descriptor("only once")]
    small = manifest({"config": CONFIG, "layers": layers})
    large = manifest({"config": CONFIG, "layers": layers, "annotations": {"x": "x" * REMEMBERED_BYTES}})
    monkeypatch.setattr(Descriptor, "parse", counted)
    for one, times in ((small, 1), (large, 3)):
        parsed.clear()
        assert one.blobs == one.all_blobs
        assert one.blobs_at_urls == ()
        assert len(parsed) == 2 * times


def test_an_index_has_children_of_every_manifest_media_type() -> None:
    kinds = sorted(media_types.MANIFESTS)
    index = manifest({"manifests": [descriptor(kind, kind) for kind in kinds]}, media_types.OCI_INDEX)
    assert [one.media_type for one in index.children] == kinds
    assert index.blobs == ()
    assert index.is_index


def test_a_buildkit_cache_index_is_made_of_blobs() -> None:
    cache = "application/vnd.buildkit.cacheconfig.v0"
    index = manifest({"manifests": [descriptor("layer"), descriptor("records", cache)]}, media_types.OCI_INDEX)
    assert index.children == ()
    assert [one.digest for one in index.blobs] == [digest("layer"), digest("records")]


@pytest.mark.parametrize(
    "media_type",
    [
        media_types.OCI_LAYER_GZIP,
        media_types.DOCKER_FOREIGN_LAYER,
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
)
def test_only_a_layer_with_urls_may_be_absent_from_the_registry(media_type: str) -> None:
    away = descriptor("away", media_type, urls=["https://example.com/layer"])
    here = descriptor("here", media_type)
    image = manifest({"config": CONFIG, "layers": [away, here]})
    assert [one.digest for one in image.blobs] == [digest("config"), digest("here")]
    assert [one.digest for one in image.blobs_at_urls] == [digest("away")]


def test_a_url_of_null_counts_as_a_url_as_in_go() -> None:
    image = manifest({"config": {**CONFIG, "urls": [None]}, "layers": []}, media_types.DOCKER_MANIFEST)
    assert [one.digest for one in image.blobs_at_urls] == [digest("config")]


@pytest.mark.parametrize("media_type", [media_types.OCI_MANIFEST, media_types.OCI_INDEX])
def test_the_parts_of_an_image_are_blobs_whatever_their_media_types(media_type: str) -> None:
    image = manifest({"config": descriptor("config", media_type), "layers": [descriptor("layer", media_type)]})
    assert [one.digest for one in image.blobs] == [digest("config"), digest("layer")]
    assert image.children == ()


def test_an_empty_list_of_manifests_may_be_null_or_missing_where_nothing_tells_of_another_kind() -> None:
    assert manifest({"manifests": None}, media_types.OCI_INDEX).children == ()
    assert manifest({"schemaVersion": 2}, media_types.OCI_INDEX).children == ()
    with pytest.raises(MalformedManifest):
        _ = manifest({}, media_types.OCI_INDEX).children


def test_the_subject_is_neither_a_child_nor_a_blob() -> None:
    subject = descriptor("image", media_types.OCI_MANIFEST)
    signature = manifest({"config": CONFIG, "layers": [], "subject": subject})
    assert signature.subject is not None
    assert signature.subject.digest == digest("image")
    assert signature.children == ()
    assert manifest({"config": CONFIG}).subject is None


def test_an_artifact_manifest_has_blobs_and_no_config() -> None:
    artifact = manifest({"blobs": [descriptor("sbom")]}, media_types.OCI_ARTIFACT_MANIFEST)
    assert [one.digest for one in artifact.blobs] == [digest("sbom")]


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        ({"schemaVersion": 2, "manifests": []}, media_types.OCI_INDEX),
        ({"schemaVersion": 2, "config": CONFIG, "layers": []}, media_types.OCI_MANIFEST),
        ({"schemaVersion": 2, "mediaType": media_types.DOCKER_LIST, "manifests": []}, media_types.DOCKER_LIST),
        ({"schemaVersion": 1, "fsLayers": []}, media_types.DOCKER_SCHEMA1),
    ],
)
@pytest.mark.parametrize("content_type", [None, "", "application/octet-stream", "application/json; charset=utf-8"])
def test_without_a_usable_content_type_the_content_says_what_it_is(
    document: dict[str, Any], media_type: str, content_type: str | None
) -> None:
    assert Manifest.read(json.dumps(document).encode(), content_type).media_type == media_type


def test_parameters_and_case_of_the_content_type_do_not_matter() -> None:
    read = Manifest.read(b'{"config":{}}', "Application/vnd.OCI.image.manifest.v1+json; charset=utf-8")
    assert read.media_type == media_types.OCI_MANIFEST


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        ({"mediaType": media_types.OCI_INDEX, "config": CONFIG}, media_types.OCI_MANIFEST),
        ({"layers": []}, media_types.OCI_MANIFEST),
        ({}, media_types.OCI_INDEX),
        ({"manifests": {}}, media_types.OCI_INDEX),
        ({"schemaVersion": 2, "config": CONFIG, "layers": []}, media_types.OCI_INDEX),
        ({"schemaVersion": 2, "config": CONFIG}, media_types.DOCKER_LIST),
        ({"schemaVersion": 2, "layers": [descriptor("layer")]}, media_types.OCI_INDEX),
        ({"config": CONFIG, "layers": [None]}, media_types.OCI_MANIFEST),
        ({"config": {**CONFIG, "digest": "sha256:../../x"}}, media_types.OCI_MANIFEST),
        ({"config": {**CONFIG, "urls": "https://example.com"}}, media_types.OCI_MANIFEST),
        ({"fsLayers": [{"blobSum": "x"}]}, media_types.DOCKER_SCHEMA1),
    ],
)
def test_a_contradictory_or_unreadable_manifest_is_malformed(document: dict[str, Any], media_type: str) -> None:
    read = manifest(document, media_type)
    with pytest.raises(MalformedManifest):
        _ = (read.blobs, read.children, read.subject)


@pytest.mark.parametrize("size", [-1, True, "7", None, 2**63, 10**30, 1.5])
def test_an_impossible_size_counts_as_0_as_the_digest_decides(size: object) -> None:
    (config,) = manifest({"config": {**CONFIG, "size": size}}).blobs
    assert (config.digest, config.size) == (digest("config"), 0)


@pytest.mark.parametrize("subject", ["sha256:00", 5, {"digest": "x"}, []])
def test_an_unreadable_subject_is_ignored(subject: object) -> None:
    read = manifest({"config": CONFIG, "subject": subject})
    assert read.subject is None
    assert len(read.blobs) == 1


def test_a_document_with_the_fields_of_both_kinds_is_what_its_media_type_says() -> None:
    both = {"manifests": [descriptor("child", media_types.OCI_MANIFEST)], "config": CONFIG, "layers": []}
    assert [one.digest for one in manifest(both, media_types.DOCKER_MANIFEST).blobs] == [digest("config")]
    assert [one.digest for one in manifest(both, media_types.DOCKER_LIST).children] == [digest("child")]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a":1}', b"\xff\xfe", b"[" * 100_000])
def test_a_document_of_no_known_kind_without_a_media_type_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedManifest):
        Manifest.read(content, None)


@given(content=st.binary(max_size=300), media_type=st.sampled_from(sorted(media_types.MANIFESTS)))
def test_any_bytes_are_read_or_refused_as_content(content: bytes, media_type: str) -> None:
    try:
        read = Manifest.read(content, media_type)
        _ = (read.blobs, read.children, read.subject)
    except ContentError:
        return
    assert isinstance(json.loads(content.decode(errors="replace")), dict)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(digest("x")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["mediaType", "digest", "size", "urls", "config", "layers", "manifests", "subject", "fsLayers"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(document=_JSON, media_type=st.sampled_from(sorted(media_types.MANIFESTS)))
def test_any_json_is_read_or_refused_as_content(document: Any, media_type: str) -> None:
    try:
        read = Manifest.read(json.dumps(document).encode(), media_type)
        found = (*read.blobs, *read.children)
    except ContentError:
        return
    assert all(one.digest.startswith("sha256:") for one in found)


def test_a_digest_of_other_bytes_is_refused() -> None:
    content = json.dumps({"config": CONFIG}).encode()
    right = "sha256:" + hashlib.sha256(content).hexdigest()
    assert Manifest.read(content, media_types.OCI_MANIFEST, right).digest == right
    with pytest.raises(DigestMismatch):
        Manifest.read(content + b" ", media_types.OCI_MANIFEST, right)


def test_a_sha512_digest_is_checked_with_sha512() -> None:
    content = json.dumps({"config": CONFIG}).encode()
    right = "sha512:" + hashlib.sha512(content).hexdigest()
    assert Manifest.read(content, media_types.OCI_MANIFEST, right).digest == right


def test_a_manifest_over_four_mebibytes_is_refused() -> None:
    content = json.dumps({"config": CONFIG, "annotations": {"a": "x" * MAX_MANIFEST_BYTES}}).encode()
    with pytest.raises(TooLarge):
        Manifest.read(content, media_types.OCI_MANIFEST)


SCHEMA1 = {
    "schemaVersion": 1,
    "name": "team/app",
    "tag": "v1",
    "fsLayers": [{"blobSum": digest("top")}, {"blobSum": digest("empty")}, {"blobSum": digest("empty")}],
    "history": [],
}


def test_a_signed_schema_1_digest_is_of_its_payload_whoever_signs() -> None:
    payload = json.dumps(SCHEMA1, indent=3).encode()
    expected = "sha256:" + hashlib.sha256(payload).hexdigest()
    once, again = sign_schema1(payload), sign_schema1(payload)
    assert once != again
    for content in (once, again):
        read = Manifest.read(content, media_types.DOCKER_SCHEMA1_SIGNED, expected)
        assert read.digest == expected
        assert read.content == content
        assert [one.digest for one in read.blobs] == [digest("top"), digest("empty")]
        assert {one.size for one in read.blobs} == {SIZE_UNKNOWN}


def test_an_unsigned_schema_1_digest_is_of_its_bytes() -> None:
    content = json.dumps(SCHEMA1).encode()
    assert digest_of(content, media_types.DOCKER_SCHEMA1) == "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "protected",
    [{}, {"formatLength": 3}, {"formatLength": "3", "formatTail": ""}, {"formatLength": 10**9, "formatTail": ""}, []],
)
def test_a_schema_1_signature_that_says_nothing_is_malformed(protected: Any) -> None:
    encoded = base64.urlsafe_b64encode(json.dumps(protected).encode()).decode()
    content = json.dumps({**SCHEMA1, "signatures": [{"protected": encoded}]}).encode()
    with pytest.raises(MalformedManifest):
        digest_of(content, media_types.DOCKER_SCHEMA1_SIGNED)


def test_the_accept_header_names_every_manifest_and_schema_1_last() -> None:
    named = media_types.ACCEPT.split(", ")
    assert set(named) == media_types.MANIFESTS
    assert set(named[-2:]) == media_types.SCHEMA1
