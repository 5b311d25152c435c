"""Images that are legal and rarely seen: each arrives byte for byte, whether announced or found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event
from tests.support.images import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    FOREIGN_LAYER,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    ImageMaker,
    digest_of,
)

from geosync.oci.media_types import ACCEPT, MANIFESTS
from geosync.sync_registry.items import SYNCED, Reference

AT_URL = {"urls": ["https://example.com/layer"]}
NON_DISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

Document = dict[str, Any]
Build = Callable[[ImageMaker, str], Document | bytes]


def image(make: ImageMaker, repository: str, *layers: Document, **more: Any) -> Document:
    """An image of these layers, with a config of its own."""
    config = make.blob(repository, make._word().encode(), OCI_CONFIG)
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": list(layers), **more}


def index(make: ImageMaker, repository: str, *children: Document, **more: Any) -> Document:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children), **more}


def layer_that_is_at_a_url_too(media_type: str) -> Build:
    """A layer that is in the registry although its URL would do."""

    def build(make: ImageMaker, repository: str) -> Document:
        return image(make, repository, {**make.blob(repository, make._word().encode(), media_type), **AT_URL})

    return build


def layer_that_is_at_a_url_only(make: ImageMaker, repository: str) -> Document:
    away = {"mediaType": FOREIGN_LAYER, "digest": digest_of(b"away"), "size": 4, **AT_URL}
    config = make.blob(repository, make._word().encode(), DOCKER_CONFIG)
    return {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [away]}


def layer_called_a_manifest(make: ImageMaker, repository: str) -> Document:
    return image(make, repository, make.blob(repository, b'{"schemaVersion":2}', OCI_MANIFEST))


def config_called_an_index(make: ImageMaker, repository: str) -> Document:
    return {**image(make, repository), "config": make.blob(repository, b'{"manifests":[]}', OCI_INDEX)}


def layers_without_bytes_and_twice(make: ImageMaker, repository: str) -> Document:
    empty, once = make.blob(repository, b"", OCI_LAYER), make.blob(repository, b"once", ZSTD)
    return image(make, repository, empty, once, once)


def config_that_is_the_layer(make: ImageMaker, repository: str) -> Document:
    document = image(make, repository)
    return {**document, "layers": [{**document["config"], "mediaType": OCI_LAYER}]}


def artifact_with_inline_data(make: ImageMaker, repository: str) -> Document:
    empty = {**make.blob(repository, b"{}", OCI_EMPTY), "data": "e30="}
    nowhere = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"nowhere"), "size": 7}
    kind = {"artifactType": "application/vnd.example", "subject": nowhere}
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, **kind, "config": empty, "layers": [empty]}


def child_twice_at_two_depths(make: ImageMaker, repository: str) -> Document:
    child = make.image(repository, layers=1).descriptor
    inner = make.put(repository, None, index(make, repository, child, child)).descriptor
    return index(make, repository, child, {**child, "platform": {"os": "linux", "architecture": "b"}}, inner)


def list_that_is_null(make: ImageMaker, repository: str) -> Document:
    return {**index(make, repository), "manifests": None}


def fields_that_are_null(make: ImageMaker, repository: str) -> Document:
    document = image(make, repository, subject=None, annotations=None)
    return {**document, "layers": None, "config": {**document["config"], "urls": None, "annotations": None}}


def odd_json(make: ImageMaker, repository: str) -> bytes:
    text = json.dumps(image(make, repository, annotations={"é": "<&>\u2028"}), ensure_ascii=False, indent="\t")
    return ("\r\n " + text.replace('": ', '"  :\t') + "\n\n").encode()


IMAGES: dict[str, Build] = {
    "oci-layer-at-a-url-too": layer_that_is_at_a_url_too(OCI_LAYER),
    "non-distributable-layer-at-a-url-too": layer_that_is_at_a_url_too(NON_DISTRIBUTABLE),
    "layer-at-a-url-only": layer_that_is_at_a_url_only,
    "layer-called-a-manifest": layer_called_a_manifest,
    "config-called-an-index": config_called_an_index,
    "layers-without-bytes-and-twice": layers_without_bytes_and_twice,
    "config-that-is-the-layer": config_that_is_the_layer,
    "artifact-with-inline-data": artifact_with_inline_data,
    "child-twice-at-two-depths": child_twice_at_two_depths,
    "list-that-is-null": list_that_is_null,
    "fields-that-are-null": fields_that_are_null,
    "odd-json": odd_json,
    "_" + "Z9._-" * 25 + "xx": image,
}
"""By the tag that each is pushed under."""


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "found"])
def test_each_arrives_byte_for_byte(
    secondary: Secondary, make: ImageMaker, second_registry: Place, repository: str, announced: bool
) -> None:
    repository = f"{repository}/manifests/a__b---c/tags/list"
    digests = {tag: push(make, repository, tag, build) for tag, build in IMAGES.items()}
    if announced:
        events = [event("created", repository, tag=tag, digest=digest) for tag, digest in digests.items()]
        secondary.receive(*events)
    else:
        secondary.sync_registry.mark(repository, Reference.whole())
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert secondary.row(repository).state == SYNCED
    assert not secondary.dlq.messages
    with requests.Session() as session:
        for tag in IMAGES:
            assert_same(session, f"{make.url}/v2/{repository}", f"{second_registry.url}/v2/{repository}", tag)


def push(make: ImageMaker, repository: str, tag: str, build: Build) -> str:
    """Push an image's exact bytes; returns its digest."""
    built = build(make, repository)
    content = built if isinstance(built, bytes) else json.dumps(built).encode()
    media_type = json.loads(content)["mediaType"]
    answer = make.send("PUT", f"/v2/{repository}/manifests/{tag}", repository, content, media_type)
    assert answer.status_code == 201, answer.text
    return digest_of(content)


def assert_same(session: requests.Session, here: str, there: str, reference: str) -> None:
    """The same bytes under `reference`, and the same of everything below it that the primary has."""
    manifests = [session.get(f"{url}/manifests/{reference}", headers={"Accept": ACCEPT}) for url in (here, there)]
    assert [one.status_code for one in manifests] == [200, 200], reference
    assert manifests[0].content == manifests[1].content
    assert manifests[0].headers["Content-Type"] == manifests[1].headers["Content-Type"]
    document = manifests[0].json()
    for child in document.get("manifests") or ():
        assert child["mediaType"] in MANIFESTS
        assert_same(session, here, there, child["digest"])
    for blob in (*filter(None, [document.get("config")]), *(document.get("layers") or ())):
        blobs = [session.get(f"{url}/blobs/{blob['digest']}") for url in (here, there)]
        assert blobs[0].status_code == blobs[1].status_code, f"{reference}: {blob}"
        if blobs[0].status_code == 200:
            assert blobs[0].content == blobs[1].content
