"""The clients of a registry: they push images as docker does, blobs first, and they retag and delete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from tests.simulation.calls import Caller
from tests.simulation.registry.server import Answer, Server
from tests.simulation.registry.storage import INDEXES, digest_of
from tests.simulation.scheduler import Scheduler

IMAGE = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its manifest, and its blobs by digest."""

    manifest: bytes
    blobs: tuple[bytes, ...]

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        return digest_of(self.manifest)


def make_image(random: Random, shared: list[bytes]) -> Image:
    """Make an image of one to three layers, some of them from `shared`."""
    layers = [
        random.choice(shared) if shared and random.random() < 0.4 else random.randbytes(random.choice((8, 60, 400)))
        for _ in range(random.randrange(1, 4))
    ]
    shared += layers
    config = json.dumps({"made": random.getrandbits(40)}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor(CONFIG, config),
        "layers": [descriptor(LAYER, layer) for layer in layers],
    }
    return Image(json.dumps(manifest).encode(), (config, *layers))


def make_index(images: list[Image]) -> bytes:
    """Make the index of some images."""
    children = [descriptor(IMAGE, image.manifest) for image in images]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": children}).encode()


def descriptor(media_type: str, content: bytes) -> dict[str, str | int]:
    """Describe content as a manifest does."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


class Client:
    """One client of one registry."""

    def __init__(self, server: Server, scheduler: Scheduler, random: Random) -> None:
        self._server = server
        self._scheduler = scheduler
        self._random = random
        self.place = Caller("client")

    def push(self, repository: str, tag: str | None, images: list[Image]) -> str | None:
        """Push an image, or an index of several; returns the digest that was accepted, None where it was not."""
        for image in images:
            for blob in image.blobs:
                if not self._push_blob(repository, blob):
                    return None
            if len(images) > 1 and not self._put(repository, image.digest, image.manifest, IMAGE):
                return None
        top, media_type = (make_index(images), INDEXES[0]) if len(images) > 1 else (images[0].manifest, IMAGE)
        digest = digest_of(top)
        return digest if self._put(repository, tag or digest, top, media_type) else None

    def retag(self, repository: str, digest: str, tag: str) -> bool:
        """Put a manifest that is there under another tag."""
        storage = self._server.storage
        media_type = storage.repository(repository).manifests.get(digest)
        content = storage.blobs.get(digest)
        return media_type is not None and content is not None and self._put(repository, tag, content, media_type)

    def delete(self, repository: str, reference: str) -> bool:
        """Delete a tag, or a manifest by its digest."""
        return self._ask("DELETE", f"/v2/{repository}/manifests/{reference}", {}, b"").status == 202

    def _push_blob(self, repository: str, blob: bytes) -> bool:
        digest = digest_of(blob)
        if self._ask("HEAD", f"/v2/{repository}/blobs/{digest}", {}, b"").status == 200:
            return True
        begun = self._ask("POST", f"/v2/{repository}/blobs/uploads/", {}, b"")
        if begun.status != 202:
            return False
        location = dict(begun.headers)["Location"]
        return self._ask("PUT", f"{location}?digest={digest}", {}, blob).status == 201

    def _put(self, repository: str, reference: str, content: bytes, media_type: str) -> bool:
        answer = self._ask("PUT", f"/v2/{repository}/manifests/{reference}", {"Content-Type": media_type}, content)
        self._scheduler.sleep(answer.after_s)
        return answer.status == 201

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self._scheduler.sleep(self._random.random() * 0.03)
        if self._server.is_down:
            return Answer(503)
        return self._server.answer(method, f"https://{self._server.host}{path}", headers, body, why="client")
