"""Odd manifests that a client can have pushed: Distribution 2.8 takes each of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.support.images import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    ImageMaker,
    digest_of,
)

from geosync.oci.media_types import DOCKER_LIST

Document = dict[str, Any]
Build = Callable[[ImageMaker, str], Document | bytes]


def index(*entries: Document) -> Document:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}


def child_called(media_type: str | None) -> Build:
    """An index whose child is an image, with another media type in the index."""

    def build(make: ImageMaker, repository: str) -> Document:
        entry = dict(make.image(repository, layers=1).descriptor)
        if media_type is None:
            del entry["mediaType"]
        else:
            entry["mediaType"] = media_type
        return index(entry)

    return build


def blob_called_a_manifest(make: ImageMaker, repository: str) -> Document:
    return index({**make.layer(repository, 2000), "mediaType": OCI_MANIFEST})


def image(make: ImageMaker, repository: str, *layers: Document, docker: bool = False, **more: Any) -> Document:
    config = make.blob(repository, make._word().encode(), DOCKER_CONFIG if docker else OCI_CONFIG)
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    return {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": list(layers), **more}


def layer_with(**fields: Any) -> Build:
    """An image whose layer's descriptor says this; None: it lacks the field."""

    def build(make: ImageMaker, repository: str) -> Document:
        layer = {**make.layer(repository, 2000), **fields}
        return image(make, repository, {name: value for name, value in layer.items() if value is not None})

    return build


def config_with_a_wrong_size(make: ImageMaker, repository: str) -> Document:
    document = image(make, repository, make.layer(repository, 2000))
    return {**document, "config": {**document["config"], "size": 1}}


def child_with_a_wrong_size(make: ImageMaker, repository: str) -> Document:
    return index({**make.image(repository, layers=1).descriptor, "size": 1})


def subject_that_is(subject: object) -> Build:
    return lambda make, repository: image(make, repository, make.layer(repository, 2000), subject=subject)


def annotated(value: bytes) -> Build:
    """An image with this, byte for byte, as the value of a field that nobody knows."""

    def build(make: ImageMaker, repository: str) -> bytes:
        document = image(make, repository, make.layer(repository, 2000), unknown="@")
        return json.dumps(document).encode().replace(b'"@"', value)

    return build


def keys_in_other_case(make: ImageMaker, repository: str) -> bytes:
    document = image(make, repository, make.layer(repository, 2000))
    text = json.dumps(document).replace('"layers"', '"Layers"').replace('"config"', '"CONFIG"')
    return text.replace('"digest"', '"Digest"').encode()


def image_with_manifests(make: ImageMaker, repository: str) -> Document:
    return image(make, repository, make.layer(repository, 2000), docker=True, manifests=[])


def index_without_manifests(make: ImageMaker, repository: str) -> Document:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "annotations": {"made-by": make._word()}}


def list_with_layers(make: ImageMaker, repository: str) -> Document:
    child = make.image(repository, layers=1, docker=True).descriptor
    child["platform"] = {"os": "linux", "architecture": "amd64"}
    return {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child], "layers": [], "config": {}}


ODD: dict[str, Build] = {
    "child-of-an-unknown-media-type": child_called("application/vnd.example+json"),
    "child-without-a-media-type": child_called(None),
    "child-with-a-parameter": child_called(f"{OCI_MANIFEST}; charset=utf-8"),
    "child-in-other-case": child_called("Application/VND.OCI.Image.Manifest.V1+JSON"),
    "child-called-a-layer": child_called(OCI_LAYER),
    "blob-called-a-manifest": blob_called_a_manifest,
    "child-with-a-wrong-size": child_with_a_wrong_size,
    "size-too-small": layer_with(size=1),
    "size-too-large": layer_with(size=2001),
    "size-0": layer_with(size=0),
    "size-below-0": layer_with(size=-5),
    "size-missing": layer_with(size=None),
    "size-huge": layer_with(size=2**62),
    "config-with-a-wrong-size": config_with_a_wrong_size,
    "subject-that-is-a-text": subject_that_is("sha256:00"),
    "subject-that-is-a-number": subject_that_is(5),
    "subject-with-a-short-digest": subject_that_is({"mediaType": OCI_MANIFEST, "digest": "sha256:00", "size": 2}),
    "latin-1": annotated(b'"caf\xe9 \xff"'),
    "integer-of-5000-digits": annotated(b"9" * 5000),
    "nested-5000-deep": annotated(b"[" * 5000 + b"]" * 5000),
    "keys-in-other-case": keys_in_other_case,
    "image-with-manifests": image_with_manifests,
    "list-with-layers": list_with_layers,
    "index-without-manifests": index_without_manifests,
}
"""By the tag that each is pushed under."""


def push(make: ImageMaker, repository: str, tag: str, build: Build) -> str:
    """Push a manifest's exact bytes; returns its digest."""
    built = build(make, repository)
    content = built if isinstance(built, bytes) else json.dumps(built).encode()
    media_type = re.findall(rb'"mediaType": "([^"]+)"', content)[0].decode()
    answer = make.send("PUT", f"/v2/{repository}/manifests/{tag}", repository, content, media_type)
    assert answer.status_code == 201, f"{tag}: {answer.text}"
    return digest_of(content)
