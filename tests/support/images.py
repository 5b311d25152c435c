"""Images of every kind, pushed to a registry by plain HTTP (not by our own client), the same ones for the same seed.

make = ImageMaker(registry.url, seed=1)
image = make.image("team/app", "v1", layers=3, size=100_000)
index = make.index("team/app", "latest", children=4)
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any
from urllib.parse import urljoin

import requests
from tests.support.patience import PATIENCE_S
from tests.support.schema1 import sign_schema1

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
BUILDKIT_CACHE = "application/vnd.buildkit.cacheconfig.v0"

Descriptor = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was pushed: a manifest's exact bytes, and the digests below it (`blobs` with those of its children)."""

    repository: str
    reference: str
    media_type: str
    digest: str
    content: bytes = field(repr=False)
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()

    @property
    def descriptor(self) -> Descriptor:
        """How an index or a subject names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


class ImageMaker:
    """Pushes to one registry; a context manager (or call `close`). Anonymous, Basic or Bearer, as the registry asks."""

    def __init__(
        self, url: str, *, seed: int = 0, username: str = "", password: str = "", verify: str | bool = True
    ) -> None:
        self.url = url
        self._random = random.Random(seed)  # noqa: S311 - the same images for the same seed
        self._credentials = (username, password) if username else None
        self._tokens: dict[str, str] = {}
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = verify

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> ImageMaker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- the kinds

    def image(  # noqa: PLR0913 - the kinds of images; each test asks for one
        self,
        repository: str,
        tag: str | None = None,
        *,
        layers: int = 2,
        size: int = 2000,
        docker: bool = False,
        subject: Made | None = None,
        platform: Mapping[str, str] | None = None,
        reuse: Sequence[Descriptor] = (),
    ) -> Made:
        """Push an image of `layers` gzipped layers with `size` random bytes each, before them those of `reuse`."""
        kind = DOCKER_LAYER if docker else OCI_LAYER
        parts = [*reuse]
        unpacked = []
        for number in range(layers):
            archive = self.archive(f"layer-{number}", size)
            unpacked.append(digest_of(archive))
            parts.append(self.blob(repository, pack(archive), kind))
        config = {
            "architecture": (platform or {}).get("architecture", "amd64"),
            "os": "linux",
            "config": {"Labels": {"made": self._word()}},
            "rootfs": {"type": "layers", "diff_ids": unpacked},
            "history": [{"created_by": f"layer {number}"} for number in range(layers)],
        }
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
            "config": self.blob(repository, encode(config), DOCKER_CONFIG if docker else OCI_CONFIG),
            "layers": parts,
        }
        if subject is not None:
            document["subject"] = subject.descriptor
        return self.put(repository, tag, document)

    def index(  # noqa: PLR0913 - as of image
        self,
        repository: str,
        tag: str | None = None,
        *,
        children: int = 2,
        layers: int = 2,
        size: int = 2000,
        docker: bool = False,
        share: bool = False,
    ) -> Made:
        """Push an index of `children` images; with `share` they have their first layer in common."""
        common = [self.layer(repository, size, docker=docker)] if share else []
        platforms = [{"os": "linux", "architecture": f"arch{number}"} for number in range(children)]
        images = [
            self.image(
                repository,
                layers=layers - len(common),
                size=size,
                docker=docker,
                platform=platform,
                reuse=common,
            )
            for platform in platforms
        ]
        return self.index_of(repository, tag, images, docker=docker, platforms=platforms)

    def index_of(
        self,
        repository: str,
        tag: str | None,
        children: Sequence[Made],
        *,
        docker: bool = False,
        platforms: Sequence[Mapping[str, str]] = (),
    ) -> Made:
        """Push an index of what is there already: images, or other indexes."""
        listed = [one.descriptor for one in children]
        for one, platform in zip(listed, platforms, strict=False):
            one["platform"] = dict(platform)
        document = {
            "schemaVersion": 2,
            "mediaType": DOCKER_LIST if docker else OCI_INDEX,
            "manifests": listed,
        }
        return self.put(repository, tag, document, below=children)

    def nested_index(self, repository: str, tag: str | None = None, *, depth: int = 2, size: int = 2000) -> Made:
        """Push an index of an image and of an index, `depth` levels of them."""
        inner = self.image(repository, layers=1, size=size)
        for level in range(depth):
            last = level == depth - 1
            beside = self.image(repository, layers=1, size=size)
            inner = self.index_of(repository, tag if last else None, [inner, beside])
        return inner

    def buildkit_cache(self, repository: str, tag: str, *, form: str = "A", layers: int = 3, size: int = 2000) -> Made:
        """Push a BuildKit cache: form A, an index whose `manifests` are blobs; form B, an image with its own config."""
        parts = [self.layer(repository, size) for _ in range(layers)]
        config = self.blob(repository, encode({"layers": [], "records": [], "made": self._word()}), BUILDKIT_CACHE)
        if form == "A":
            document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*parts, config]}
        else:
            document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": parts}
        return self.put(repository, tag, document)

    def artifact(
        self,
        repository: str,
        tag: str | None = None,
        *,
        size: int = 2000,
        subject: Made | None = None,
        artifact_type: str = "application/vnd.example.sbom.v1+json",
    ) -> Made:
        """Push an OCI artifact: the empty config, one blob of its own media type, maybe a subject."""
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": self.blob(repository, b"{}", OCI_EMPTY),
            "layers": [self.blob(repository, self._random.randbytes(size), artifact_type)],
            "annotations": {"org.example.made": self._word()},
        }
        if subject is not None:
            document["subject"] = subject.descriptor
        return self.put(repository, tag, document)

    def fallback_tag(self, repository: str, subject: Made, referrers: Sequence[Made]) -> Made:
        """Push the index that stands in for the referrers API (distribution-spec, "Referrers Tag Schema")."""
        return self.index_of(repository, subject.digest.replace(":", "-"), referrers)

    def cosign_signature(self, repository: str, subject: Made) -> Made:
        """Push a signature as cosign does without the referrers API: an image under the tag sha256-<hex>.sig."""
        payload = encode({"critical": {"image": {"docker-manifest-digest": subject.digest}}, "optional": self._word()})
        layer = self.blob(repository, payload, "application/vnd.dev.cosign.simplesigning.v1+json")
        layer["annotations"] = {"dev.cosignproject.cosign/signature": base64.b64encode(b"not real").decode()}
        config = {"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(repository, encode(config), OCI_CONFIG),
            "layers": [layer],
        }
        return self.put(repository, subject.digest.replace(":", "-") + ".sig", document)

    def foreign(self, repository: str, tag: str, *, url: str = "https://example.com/layer") -> Made:
        """Push an image whose first layer is only at a URL; the registry must allow the URL."""
        own = self.layer(repository, 2000, docker=True)
        elsewhere = {
            "mediaType": FOREIGN_LAYER,
            "digest": digest_of(self._random.randbytes(32)),
            "size": 1234,
            "urls": [url],
        }
        config = self.blob(repository, encode({"os": "windows", "made": self._word()}), DOCKER_CONFIG)
        document = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": config,
            "layers": [elsewhere, own],
        }
        made = self.put(repository, tag, document)
        return replace(made, blobs=tuple(digest for digest in made.blobs if digest != elsewhere["digest"]))

    def schema1(self, repository: str, tag: str, *, layers: int = 2, size: int = 2000) -> Made:
        """Push a signed Docker schema 1 manifest; the registry must have `schema1` switched on."""
        parts = [self.layer(repository, size, docker=True) for _ in range(layers)]
        document = {
            "schemaVersion": 1,
            "name": repository,
            "tag": tag,
            "architecture": "amd64",
            "fsLayers": [{"blobSum": one["digest"]} for one in parts],
            "history": [{"v1Compatibility": json.dumps({"id": self._word()})} for _ in parts],
        }
        payload = json.dumps(document, indent=3).encode()
        content = sign_schema1(payload)
        return self._push(
            Made(
                repository=repository,
                reference=tag,
                media_type=SCHEMA1,
                digest=digest_of(payload),
                content=content,
                blobs=tuple(dict.fromkeys(one["digest"] for one in parts)),
            )
        )

    # ---- the parts

    def layer(self, repository: str, size: int, *, docker: bool = False) -> Descriptor:
        """Push one gzipped layer of random bytes, and return its descriptor."""
        return self.blob(repository, pack(self.archive("layer", size)), DOCKER_LAYER if docker else OCI_LAYER)

    def archive(self, name: str, size: int) -> bytes:
        """Return a tar archive of one file with `size` random bytes."""
        content = self._random.randbytes(size)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = size
            archive.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    def blob(self, repository: str, content: bytes, media_type: str) -> Descriptor:
        """Push a blob, and return its descriptor."""
        digest = digest_of(content)
        begun = self.send("POST", f"/v2/{repository}/blobs/uploads/", repository)
        location = urljoin(self.url, begun.headers["Location"])
        closing = f"{location}{'&' if '?' in location else '?'}digest={digest}"
        put = self.send("PUT", closing, repository, content, "application/octet-stream")
        if put.status_code != 201:
            raise AssertionError(f"blob: {put.status_code} {put.text[:300]}")
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def put(self, repository: str, tag: str | None, document: Mapping[str, Any], *, below: Sequence[Made] = ()) -> Made:
        """Push a manifest under a tag, or under its digest when there is none."""
        content = encode(document)
        own = [document["config"]] if "config" in document else []
        own += [*document.get("layers", []), *(document.get("manifests", []) if not below else [])]
        blobs = [digest for one in below for digest in one.blobs] + [one["digest"] for one in own]
        digest = digest_of(content)
        return self._push(
            Made(
                repository=repository,
                reference=tag or digest,
                media_type=document["mediaType"],
                digest=digest,
                content=content,
                blobs=tuple(dict.fromkeys(blobs)),
                children=tuple(one.digest for one in below),
            )
        )

    def retag(self, made: Made, tag: str) -> Made:
        """Put the same manifest under another tag."""
        return self._push(replace(made, reference=tag))

    def _push(self, made: Made) -> Made:
        target = f"/v2/{made.repository}/manifests/{made.reference}"
        put = self.send("PUT", target, made.repository, made.content, made.media_type)
        if put.status_code != 201:
            raise AssertionError(f"manifest: {put.status_code} {put.text[:300]}")
        return made

    def delete(self, made: Made) -> None:
        """Delete the manifest by digest: every tag on it goes with it."""
        answer = self.send("DELETE", f"/v2/{made.repository}/manifests/{made.digest}", made.repository)
        if answer.status_code != 202:
            raise AssertionError(f"delete: {answer.status_code} {answer.text[:300]}")

    def send(
        self, method: str, target: str, repository: str, body: bytes | None = None, media_type: str | None = None
    ) -> requests.Response:
        """Send one request, authorised as the registry asks; a token that has ended is renewed."""
        headers = {"Content-Type": media_type} if media_type else {}
        if token := self._tokens.get(repository):
            headers["Authorization"] = token
        url = urljoin(self.url, target)
        answer = self._session.request(method, url, data=body, headers=headers, timeout=120)
        if answer.status_code == 401 and self._credentials:
            self._tokens[repository] = self._authorize(answer.headers["WWW-Authenticate"], repository)
            headers["Authorization"] = self._tokens[repository]
            answer = self._session.request(method, url, data=body, headers=headers, timeout=120)
        return answer

    def _authorize(self, challenge: str, repository: str) -> str:
        if self._credentials is None:
            raise AssertionError("no credentials")
        if challenge.lower().startswith("basic"):
            return "Basic " + base64.b64encode(":".join(self._credentials).encode()).decode()
        fields = dict(part.split("=", 1) for part in challenge.partition(" ")[2].split(",") if "=" in part)
        answer = self._session.get(
            fields["realm"].strip('"'),
            params={"service": fields["service"].strip('"'), "scope": f"repository:{repository}:pull,push,delete"},
            auth=self._credentials,
            timeout=PATIENCE_S,
        )
        answer.raise_for_status()
        return f"Bearer {answer.json()['token']}"

    def _word(self) -> str:
        return self._random.randbytes(8).hex()


def digest_of(content: bytes) -> str:
    """Return the sha256 digest of bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a document as JSON bytes."""
    return json.dumps(document, indent=2).encode()


def pack(archive: bytes) -> bytes:
    """Gzip without compressing: random bytes would not get smaller, and real clients accept it."""
    return gzip.compress(archive, compresslevel=0, mtime=0)
