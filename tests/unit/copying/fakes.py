"""A registry in memory with the client's verbs, which notes every request and lets a test step in before it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Container
from typing import Any

from geosync.errors import BlobsUnknown, NotFound, Refused, RegistryUnavailable
from geosync.oci import media_types
from geosync.oci.blobs import BlobReader
from geosync.oci.client import RegistryClient
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.memory import Memory
from geosync.oci.transport import Body
from geosync.oci.uploads import Upload

Request = tuple[str, str]
"""A verb and what it was about: a digest or a tag."""

BLOCK = 64


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class FakeReader(BlobReader):
    """Reads from memory in small blocks."""

    def __init__(self, descriptor: Descriptor, content: bytes, before_block: Callable[[], None]) -> None:
        self.descriptor = descriptor
        self._content = content
        self._position = 0
        self._before_block = before_block

    def __len__(self) -> int:
        return len(self._content)

    def read(self, size: int = BLOCK, /) -> bytes:
        self._before_block()
        block = self._content[self._position : self._position + min(size, BLOCK)]
        self._position += len(block)
        return block

    def close(self) -> None:
        pass


class FakeRegistry(RegistryClient):
    """One repository's worth of registry: names of repositories are noted by nobody."""

    def __init__(
        self,
        name: str = "fake:5000",
        *,
        checks_blobs: bool = True,
        checks_children: bool = True,
        mounts: bool = True,
        referrers_api: bool = False,
    ) -> None:
        self.name = name
        self.deadline = Deadline()
        self.memory = Memory()
        self.checks_blobs = checks_blobs
        self.checks_children = checks_children
        self.mounts = mounts
        self.referrers_api = referrers_api
        self.never_checked: set[str] = set()
        """Digests that no PUT is refused for."""
        self.says_subject = True
        """It answers `OCI-Subject` where it has the referrers API."""
        self._has_referrers = True
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, Manifest] = {}
        self.tagged: dict[str, str] = {}
        self.others: dict[str, Container[str]] = {}
        """The blobs of other repositories of this registry, as it answers to mounts from them."""
        self.lost: set[str] = set()
        """Blobs that it says it mounted, and misses afterwards."""
        self.requests: list[Request] = []
        self.before: Callable[[str, str], None] = lambda verb, what: None
        self.before_block: Callable[[str], None] = lambda digest: None
        self._lock = threading.Lock()

    def count(self, verb: str) -> int:
        return sum(1 for one, _ in self.requests if one == verb)

    def of(self, verb: str) -> list[str]:
        return [what for one, what in self.requests if one == verb]

    # What a test puts there beforehand.

    def add_blob(self, content: bytes) -> dict[str, Any]:
        digest = digest_of(content)
        self.blobs[digest] = content
        return {"mediaType": media_types.OCI_LAYER_GZIP, "digest": digest, "size": len(content)}

    def add(self, document: dict[str, Any], *, tag: str | None = None) -> Manifest:
        manifest = Manifest.read(json.dumps({"schemaVersion": 2, **document}).encode(), document["mediaType"])
        self.manifests[manifest.digest] = manifest
        if tag:
            self.tagged[tag] = manifest.digest
        return manifest

    def add_image(self, *layers: bytes, config: bytes = b"{}", tag: str | None = None, **more: Any) -> Manifest:
        document = {
            "mediaType": media_types.OCI_MANIFEST,
            "config": {**self.add_blob(config), "mediaType": media_types.OCI_CONFIG},
            "layers": [self.add_blob(layer) for layer in layers],
            **more,
        }
        return self.add(document, tag=tag)

    def add_index(self, *children: Manifest, tag: str | None = None, **more: Any) -> Manifest:
        listed = [descriptor_of(child) for child in children]
        return self.add({"mediaType": media_types.OCI_INDEX, "manifests": listed, **more}, tag=tag)

    # The verbs.

    def _request(self, verb: str, what: str) -> None:
        with self._lock:
            self.requests.append((verb, what))
        self.before(verb, what)

    def _find(self, reference: str) -> Manifest | None:
        return self.manifests.get(self.tagged.get(reference, reference))

    def ping(self) -> None:
        self._request("GET", "/v2/")

    def connections_ahead(self, most: int) -> list[Callable[[], None]]:
        return []

    def head_manifest(self, repository: str, reference: str) -> Descriptor | None:
        self._request("HEAD manifest", reference)
        self._refuse_a_blob(reference)
        found = self._find(reference)
        return Descriptor.parse(descriptor_of(found)) if found else None

    def get_manifest(self, repository: str, reference: str) -> Manifest | None:
        self._request("GET manifest", reference)
        self._refuse_a_blob(reference)
        return self._find(reference)

    def _refuse_a_blob(self, reference: str) -> None:
        """Distribution 2.8 finds a blob that is asked for as a manifest, and cannot read it."""
        if reference in self.blobs and reference not in self.manifests:
            raise RegistryUnavailable(self.name, f"GET {reference}", status=500, codes=("UNKNOWN",))

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> bool:
        self._request("PUT manifest", reference)
        missing = []
        there = self.blobs.keys() | (self.manifests.keys() if manifest.is_index else set())
        if self.checks_blobs:
            missing += [blob.digest for blob in manifest.blobs if blob.digest not in there]
        if self.checks_children:
            missing += [child.digest for child in manifest.children if child.digest not in there]
        missing = [digest for digest in missing if digest not in self.never_checked]
        if missing:
            raise BlobsUnknown(self.name, f"PUT /v2/{repository}/manifests/{reference}", missing)
        self.manifests[manifest.digest] = manifest
        if reference != manifest.digest:
            self.tagged[reference] = manifest.digest
        return self.says_subject and self.referrers_api and manifest.subject is not None

    def delete_manifest(self, repository: str, reference: str) -> None:
        self._request("DELETE manifest", reference)
        if self.tagged.pop(reference, None) is None:
            self.manifests.pop(reference, None)

    def head_blob(self, repository: str, digest: str) -> int | None:
        self._request("HEAD blob", digest)
        return len(self.blobs[digest]) if digest in self.blobs else None

    def lacks_blob(self, repository: str, digest: str) -> bool:
        return self.head_blob(repository, digest) is None

    def open_blob(self, repository: str, descriptor: Descriptor, *, offset: int = 0) -> BlobReader:
        assert offset == 0, "chunks are for real registries"
        self._request("GET blob", descriptor.digest)
        if descriptor.digest not in self.blobs:
            raise NotFound(self.name, f"GET /v2/{repository}/blobs/{descriptor.digest}", status=404)
        return FakeReader(descriptor, self.blobs[descriptor.digest], lambda: self.before_block(descriptor.digest))

    def begin_upload(
        self, repository: str, *, mount: str | None = None, mount_from: str | None = None
    ) -> Upload | None:
        if mount is not None and mount_from not in (None, repository):
            return self._mount(repository, mount, str(mount_from))
        self._request("POST upload", mount or "")
        if mount in self.blobs and self.mounts:
            return None
        return Upload(repository=repository, location="http://fake/upload")

    def _mount(self, repository: str, digest: str, source: str) -> Upload | None:
        self._request("POST mount", source)
        if digest not in self.others.get(source, ()):
            return Upload(repository=repository, location="http://fake/upload")
        if digest not in self.lost:
            self.blobs[digest] = b"mounted"
        return None

    def put_blob(self, upload: Upload, digest: str, body: Body) -> None:
        self._request("PUT blob", digest)
        content = b"".join(iter(lambda: body.read(BLOCK), b""))
        if digest_of(content) != digest or len(content) != len(body):
            raise Refused(self.name, "PUT upload", status=400, codes=("DIGEST_INVALID",))
        self.blobs[digest] = content

    def put_small_blob(self, repository: str, digest: str, content: bytes) -> None:
        self._request("PUT small blob", digest)
        self.blobs[digest] = content

    def referrers(self, repository: str, digest: str) -> list[Descriptor] | None:
        self._request("GET referrers", digest)
        if not self.referrers_api:
            self._has_referrers = False
            return None
        found = [one for one in self.manifests.values() if one.subject and one.subject.digest == digest]
        return [Descriptor.parse(descriptor_of(one)) for one in found]


def descriptor_of(manifest: Manifest) -> dict[str, Any]:
    return {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.content)}
