"""Images for measurements: random, so that nothing on the way can compress or know them, and of a given shape."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from geosync.oci import media_types
from geosync.oci.client import RegistryClient
from geosync.oci.manifests import Manifest

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Everything of one image or index; `manifests` in the order of their PUTs, the last is what gets the tag."""

    manifests: tuple[Manifest, ...]
    blobs: Mapping[str, bytes] = field(repr=False)

    @property
    def root(self) -> Manifest:
        """The manifest that gets the tag."""
        return self.manifests[-1]

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(len(blob) for blob in self.blobs.values())


def image(sizes: Sequence[int], *, shared: Sequence[bytes] = ()) -> Image:
    """Make an image of random layers of these sizes (bytes), on top of those `shared` with others."""
    layers = [*shared, *(layer(size) for size in sizes)]
    config = json.dumps({"architecture": "amd64", "os": "linux", "unique": os.urandom(16).hex()}).encode()
    manifest = _manifest(
        media_types.OCI_MANIFEST,
        config=_descriptor(media_types.OCI_CONFIG, config),
        layers=[_descriptor(media_types.OCI_LAYER_GZIP, one) for one in layers],
    )
    return Image(manifests=(manifest,), blobs={_digest(one): one for one in (config, *layers)})


def index(children: int, sizes: Sequence[int], *, shared: Sequence[int]) -> Image:
    """Make an index of images that have layers of `shared` sizes in common and layers of `sizes` of their own."""
    common = [layer(size) for size in shared]
    images = [image(sizes, shared=common) for _ in range(children)]
    platforms = [{"os": "linux", "architecture": name} for name in ("amd64", "arm64", "s390x", "ppc64le", "riscv64")]
    root = _manifest(
        media_types.OCI_INDEX,
        manifests=[
            {
                "mediaType": one.root.media_type,
                "digest": one.root.digest,
                "size": len(one.root.content),
                "platform": platforms[number % len(platforms)],
            }
            for number, one in enumerate(images)
        ],
    )
    blobs = {digest: blob for one in images for digest, blob in one.blobs.items()}
    return Image(manifests=(*(one.root for one in images), root), blobs=blobs)


def layer(size: int) -> bytes:
    """Make a gzip stream of about `size` random bytes: it looks compressed, so no client compresses it again."""
    compressor = zlib.compressobj(level=0, wbits=31)
    return compressor.compress(os.urandom(size)) + compressor.flush()


def push(client: RegistryClient, repository: str, what: Image, tag: str) -> None:
    """Put an image into a registry."""
    push_blobs(client, repository, what.blobs)
    for manifest in what.manifests[:-1]:
        client.put_manifest(repository, manifest.digest, manifest)
    client.put_manifest(repository, tag, what.root)


def push_blobs(client: RegistryClient, repository: str, blobs: Mapping[str, bytes]) -> None:
    """Put blobs into a repository; each comes with its digest."""
    for digest, blob in blobs.items():
        upload = client.begin_upload(repository)
        if upload is not None:
            client.put_blob(upload, digest, _Bytes(blob))


def push_large(client: RegistryClient, repository: str, size: int, tag: str) -> Manifest:
    """Put an image of one layer of `size` bytes (a multiple of 1 MiB) that is never in memory as a whole."""
    seed = os.urandom(MIB)
    digest = hashlib.sha256()
    body = Blocks(seed, size)
    while block := body.read(MIB):
        digest.update(block)
    name = f"sha256:{digest.hexdigest()}"
    upload = client.begin_upload(repository)
    if upload is not None:
        client.put_blob(upload, name, Blocks(seed, size))
    return push_manifest(client, repository, {name: size}, tag)


def push_manifest(client: RegistryClient, repository: str, layers: Mapping[str, int], tag: str) -> Manifest:
    """Put the config and the manifest of an image whose layers are there: digest and size of each."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "unique": os.urandom(16).hex()}).encode()
    client.put_small_blob(repository, _digest(config), config)
    manifest = _manifest(
        media_types.OCI_MANIFEST,
        config=_descriptor(media_types.OCI_CONFIG, config),
        layers=[
            {"mediaType": media_types.OCI_LAYER_GZIP, "digest": digest, "size": size} for digest, size in layers.items()
        ],
    )
    client.put_manifest(repository, tag, manifest)
    return manifest


class Blocks:
    """Random bytes of any length: one block again and again, each time with another number at its beginning."""

    def __init__(self, seed: bytes, size: int) -> None:
        self._seed = seed
        self._size = size
        self._blocks = (number.to_bytes(8, "big") + seed[8:] for number in range(size // len(seed)))
        self._left = b""

    def __len__(self) -> int:
        return self._size

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most 1 MiB; none at the end."""
        if not self._left:
            self._left = next(self._blocks, b"")
        block, self._left = self._left[:size], self._left[size:]
        return block


class _Bytes:
    """Bytes as an upload's body."""

    def __init__(self, content: bytes) -> None:
        self._size = len(content)
        self._stream = io.BytesIO(content)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int, /) -> bytes:
        return self._stream.read(size)


def _manifest(media_type: str, **fields: object) -> Manifest:
    content = json.dumps({"schemaVersion": 2, "mediaType": media_type, **fields}).encode()
    return Manifest.read(content, media_type)


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
