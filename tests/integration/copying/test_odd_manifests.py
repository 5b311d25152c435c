"""Odd manifests that a real registry takes: each arrives byte for byte on every way, and is verified as whole.

Each was pushed to Distribution 2.8 (this test does), so it is what a client can have pushed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, quick
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

from geosync.clock import SYSTEM_CLOCK
from geosync.messages.work import VerifyMessage
from geosync.oci.documents import field, read_object
from geosync.oci.media_types import ACCEPT, DOCKER_LIST
from geosync.sync_registry.items import SYNCED, Reference
from geosync.verifying.choose import MOST

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
}
"""By the tag that each is pushed under."""
WAYS = ["announced", "found", "asked for"]


@pytest.fixture
def following(plain_registry: Place, second_registry: Place) -> Iterator[Secondary]:
    """A secondary whose verification is done with what looks different after a moment."""
    made = Secondary(plain_registry, second_registry, timing=quick(settle=10.0, suspect=10.0))
    yield made
    made.close()


@pytest.mark.parametrize("way", WAYS)
def test_each_arrives_byte_for_byte_and_is_verified(
    following: Secondary, make: ImageMaker, second_registry: Place, repository: str, way: str
) -> None:
    digests = {tag: push(make, repository, tag, build) for tag, build in ODD.items()}
    if way == "announced":
        following.receive(*(event("created", repository, tag=tag, digest=digest) for tag, digest in digests.items()))
    elif way == "found":
        following.registry.mark(repository, Reference.whole())
    else:
        for tag in ODD:
            following.registry.mark(repository, Reference.tag(tag))
    following.sweep_until(lambda: all(one.parked for one in following.owed(repository)))
    assert {str(one.reference): one.failure for one in following.owed(repository)} == {}
    assert following.row(repository).state == SYNCED
    assert not following.dlq.messages
    with requests.Session() as session:
        for tag in ODD:
            assert_same(session, f"{make.url}/v2/{repository}", f"{second_registry.url}/v2/{repository}", tag)
    verify(following, repository)
    row = following.row(repository)
    assert (row.verification_state, row.verification_failure) == ("2", None)


def push(make: ImageMaker, repository: str, tag: str, build: Build) -> str:
    """Push a manifest's exact bytes; returns its digest."""
    built = build(make, repository)
    content = built if isinstance(built, bytes) else json.dumps(built).encode()
    media_type = re.findall(rb'"mediaType": "([^"]+)"', content)[0].decode()
    answer = make.send("PUT", f"/v2/{repository}/manifests/{tag}", repository, content, media_type)
    assert answer.status_code == 201, f"{tag}: {answer.text}"
    return digest_of(content)


def verify(secondary: Secondary, repository: str) -> None:
    """Verify until there is a verdict."""
    secondary.receive(VerifyMessage(repository=repository, asked_at=SYSTEM_CLOCK.now_ms()).to_json())
    until = time.monotonic() + 300
    while secondary.row(repository).verification_state not in ("2", "3") and time.monotonic() < until:
        secondary.have_passed(5.0)
        for due in secondary.registry.verification.due(now_ms=SYSTEM_CLOCK.now_ms(), limit=MOST):
            secondary.receive(VerifyMessage(repository=due).to_json())


def assert_same(session: requests.Session, here: str, there: str, reference: str) -> None:
    """The same bytes under `reference`, and the same of everything below it, as a manifest or as a blob."""
    manifests = [session.get(f"{url}/manifests/{reference}", headers={"Accept": ACCEPT}) for url in (here, there)]
    assert [one.status_code for one in manifests] == [200, 200], reference
    assert manifests[0].content == manifests[1].content
    assert manifests[0].headers["Content-Type"] == manifests[1].headers["Content-Type"]
    document = read_object(manifests[0].content)
    for entry in document.get("manifests") or ():
        if session.head(f"{here}/blobs/{entry['digest']}").status_code == 404:
            assert_same(session, here, there, entry["digest"])
        else:
            assert_same_blob(session, here, there, entry["digest"])
    for blob in (*filter(None, [field(document, "config")]), *(field(document, "layers") or ())):
        assert_same_blob(session, here, there, field(blob, "digest"))


def assert_same_blob(session: requests.Session, here: str, there: str, digest: str) -> None:
    blobs = [session.get(f"{url}/blobs/{digest}") for url in (here, there)]
    assert [one.status_code for one in blobs] == [200, 200], digest
    assert blobs[0].content == blobs[1].content
