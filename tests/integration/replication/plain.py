"""The registry API by plain HTTP: what the tests push and read without any of the code that they test."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

import requests

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ACCEPT = ", ".join((OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST))

Json = dict[str, Any]


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def random_layer(size: int = 2000) -> bytes:
    return gzip.compress(os.urandom(size))


@dataclass(frozen=True)
class Pushed:
    """A manifest that was pushed: its media type and exact bytes."""

    media_type: str
    content: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    @property
    def descriptor(self) -> Json:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


class Plain:
    """One repository of a registry."""

    def __init__(self, url: str, repository: str, token: str | None = None) -> None:
        self._base = f"{url}/v2/{repository}"
        self._session = requests.Session()
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self._session.close()

    def blob(self, content: bytes, media_type: str = OCI_LAYER) -> Json:
        """Push a blob and return its descriptor."""
        digest = digest_of(content)
        begun = self._session.post(f"{self._base}/blobs/uploads/")
        assert begun.status_code == 202, begun.text
        location = begun.headers["Location"]
        done = self._session.put(f"{location}{'&' if '?' in location else '?'}digest={digest}", data=content)
        assert done.status_code == 201, done.text
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def manifest(self, document: Json | bytes, media_type: str, reference: str | None = None) -> Pushed:
        """Push a manifest under a tag or by digest; the odd layout of the JSON shows whether bytes stay as they are."""
        content = document if isinstance(document, bytes) else json.dumps(document, indent=3).encode() + b"\n"
        pushed = Pushed(media_type, content)
        answer = self._session.put(
            f"{self._base}/manifests/{reference or pushed.digest}", data=content, headers={"Content-Type": media_type}
        )
        assert answer.status_code == 201, answer.text
        return pushed

    def image(self, layers: list[bytes], *, config: bytes | None = None, reference: str | None = None) -> Pushed:
        """Push an OCI image."""
        body = os.urandom(8).hex() if config is None else config.decode()
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps({"unique": body}).encode(), OCI_CONFIG),
            "layers": [self.blob(layer) for layer in layers],
        }
        return self.manifest(document, OCI_MANIFEST, reference)

    def index(self, children: list[Pushed], *, reference: str | None = None) -> Pushed:
        """Push an OCI index."""
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [child.descriptor for child in children],
        }
        return self.manifest(document, OCI_INDEX, reference)

    def read(self, reference: str) -> Pushed | None:
        """Read a manifest, None on 404."""
        answer = self._session.get(f"{self._base}/manifests/{reference}", headers={"Accept": ACCEPT})
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return Pushed(answer.headers["Content-Type"], answer.content)

    def has_blob(self, digest: str) -> bool:
        return self._session.head(f"{self._base}/blobs/{digest}", allow_redirects=True).status_code == 200

    def read_blob(self, digest: str) -> bytes:
        answer = self._session.get(f"{self._base}/blobs/{digest}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def delete_blob(self, digest: str) -> None:
        assert self._session.delete(f"{self._base}/blobs/{digest}").status_code == 202


def assert_same(source: Plain, destination: Plain, reference: str) -> None:
    """Both hold the same bytes under `reference`, and the same content of everything below it."""
    here, there = source.read(reference), destination.read(reference)
    assert here is not None
    assert there == here
    document = json.loads(here.content)
    for child in document.get("manifests", []):
        if "manifest" in child["mediaType"] or "index" in child["mediaType"]:
            assert_same(source, destination, child["digest"])
        else:
            assert destination.read_blob(child["digest"]) == source.read_blob(child["digest"])
    for blob in [*document.get("layers", []), *document.get("blobs", []), document.get("config")]:
        if blob and not blob.get("urls"):
            assert destination.read_blob(blob["digest"]) == source.read_blob(blob["digest"])
