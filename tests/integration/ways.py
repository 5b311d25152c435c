"""A way from one registry to another for one repository, and looks at both ends without the code under test."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext

from requests import Response
from tests.integration.conftest import Place
from tests.support.images import ImageMaker
from tests.support.proxy import CountingProxy

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.copying.copy import Copier
from geosync.copying.outcome import CopyResult
from geosync.copying.route import Route
from geosync.oci.client import RegistryClient
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Manifest
from geosync.oci.repository import Repository
from geosync.pair.capabilities import Capabilities
from geosync.pair.connections import Connections
from geosync.pair.pair import Pair

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    )
)


class Way:
    """Two registries, warm clients that go through the proxies, and makers that go past them."""

    def __init__(self, source: Place, destination: Place, repository: str, *, latency: float = 0.0) -> None:
        self.repository = repository
        self.source_place = source
        self.destination_place = destination
        self.source = CountingProxy(source.url, latency=latency)
        self.destination = CountingProxy(destination.url)
        self.deadline = Deadline()
        self.reader = RegistryClient(self.source.url, source.credentials, deadline=self.deadline)
        self.writer = RegistryClient(self.destination.url, destination.credentials, deadline=self.deadline, writes=True)
        self.capabilities = Capabilities()
        self.connections = Connections()
        self.is_new = False
        self.clock: Clock = SYSTEM_CLOCK
        self.make = source.maker(seed=time.time_ns())
        self._there = destination.maker()
        for maker in (self.make, self._there):
            maker._session.headers["Accept"] = ACCEPT

    def close(self) -> None:
        for one in (self.reader, self.writer, self.make, self._there, self.source, self.destination):
            one.close()

    @property
    def pair(self) -> Pair:
        return Pair(Repository(self.reader, self.repository), Repository(self.writer, self.repository))

    def copier(self) -> Copier:
        route = Route(
            pair=self.pair,
            capabilities=self.capabilities,
            connections=self.connections,
            is_new=self.is_new,
            clock=self.clock,
        )
        return Copier(route, tag_write=nullcontext)

    def look(self, reference: str) -> Manifest:
        manifest = self.reader.get_manifest(self.repository, reference)
        assert manifest is not None
        return manifest

    def copy(self, tag: str) -> CopyResult:
        """Do what a holder does for one tag: look at the source, copy, look at the destination."""
        manifest = self.look(tag)
        with self.copier() as copier:
            result = copier.copy(manifest, tag)
        seen = self.writer.head_manifest(self.repository, tag)
        assert seen is not None
        assert seen.digest == manifest.digest
        return result

    def requests(self) -> int:
        return self.source.total() + self.destination.total()

    def reset(self) -> None:
        self.source.reset()
        self.destination.reset()

    def blob_reads(self) -> list[str]:
        """The digests of the blobs that were asked for at the source."""
        return [one.path.rpartition("/")[2] for one in self.source.exchanges if one.kind == "blob"]

    def assert_same(self, reference: str) -> None:
        """Both registries hold the same bytes under `reference`, and the same content of everything below it."""
        target = f"/v2/{self.repository}/manifests/{reference}"
        here, there = (self._get(maker, target) for maker in (self.make, self._there))
        for header in ("Content-Type", "Docker-Content-Digest"):
            assert there.headers[header] == here.headers[header]
        document = json.loads(here.content)
        if document["schemaVersion"] == 1:
            # Every GET of a schema 1 manifest is signed anew: its digest, of what is signed, stands for its bytes.
            below = [{"digest": one["blobSum"]} for one in document["fsLayers"]]
        else:
            assert there.content == here.content
            below = [document.get("config"), *document.get("layers", []), *document.get("manifests", [])]
        for one in filter(None, below):
            media_type = one.get("mediaType", "")
            if ".manifest." in media_type or ".index." in media_type:
                self.assert_same(one["digest"])
            elif not one.get("urls"):
                blob = f"/v2/{self.repository}/blobs/{one['digest']}"
                assert self._get(self._there, blob).content == self._get(self.make, blob).content

    def has(self, reference: str) -> bool:
        """Whether the destination has this tag or manifest."""
        target = f"/v2/{self.repository}/manifests/{reference}"
        return self._there.send("GET", target, self.repository).status_code == 200

    def _get(self, maker: ImageMaker, target: str) -> Response:
        answer = maker.send("GET", target, self.repository)
        assert answer.status_code == 200, answer.text
        return answer
