"""Images as a build leaves them: OCI layouts (image-spec 1.1, "Image Layout") of tar layers with files in them.

The files are random, so that no registry has a layer already and nothing on the way can make it smaller.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

MIB = 1024 * 1024
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SIGNED_PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
_REFERENCE = "org.opencontainers.image.ref.name"

Descriptor = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image or index in a layout, under `name` there; `size` is the bytes of its blobs, each counted once."""

    layout: Path
    name: str
    digest: str
    size: int
    what: str

    @property
    def location(self) -> str:
        """The image as skopeo names it."""
        return f"oci:{self.layout}:{self.name}"


class Layout:
    """A folder of images. One per image, so that what is in it is what the image consists of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def image(self, layers: Sequence[int], architecture: str = "amd64", *, shared: Sequence[Layer] = ()) -> Descriptor:
        """Write an image of layers of these sizes (bytes) on top of the `shared` ones; return its descriptor."""
        made = [*shared, *(self.layer(f"{architecture}/{number}", size) for number, size in enumerate(layers))]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/app"]},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in made]},
            "history": [{"created_by": f"COPY {number} /"} for number in range(len(made))],
        }
        return {
            **self._manifest(config=self._json(config, CONFIG), layers=[layer.descriptor for layer in made]),
            "platform": {"architecture": architecture, "os": "linux"},
        }

    def index(self, images: Sequence[Descriptor]) -> Descriptor:
        """Write an index of images; return its descriptor."""
        return self._json({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(images)}, INDEX)

    def layer(self, folder: str, size: int) -> Layer:
        """Write a layer: a gzip'd tar of a few files of random bytes, some `size` bytes in all."""
        temporary = self._folder / "layer"
        with temporary.open("wb") as file:
            tar = _Gzip(file)
            with tarfile.open(fileobj=cast(BinaryIO, tar), mode="w|") as archive:
                for number, part in enumerate(_parts(size)):
                    entry = tarfile.TarInfo(f"opt/{folder}/file-{number}")
                    entry.size = part
                    archive.addfile(entry, cast(Any, _Random(part)))
            tar.close()
        digest = f"sha256:{tar.compressed.hexdigest()}"
        temporary.rename(self._path(digest))
        descriptor = {"mediaType": LAYER, "digest": digest, "size": self._path(digest).stat().st_size}
        return Layer(descriptor=descriptor, diff_id=f"sha256:{tar.plain.hexdigest()}")

    def signature(self, repository: str, digest: str, key: ec.EllipticCurvePrivateKey) -> Descriptor:
        """Write what `cosign sign` pushes: a manifest whose layer is the signed statement about `digest`."""
        statement = {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
        payload = self._json(statement, SIGNED_PAYLOAD)
        content = self._path(payload["digest"]).read_bytes()
        signature = base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()
        config = {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [payload["digest"]]},
        }
        return self._manifest(
            config=self._json(config, CONFIG), layers=[{**payload, "annotations": {SIGNATURE: signature}}]
        )

    def tagged(self, root: Descriptor, name: str, what: str) -> Image:
        """Name the layout's image, and return it."""
        entry = {**root, "annotations": {_REFERENCE: name}}
        (self._folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        size = sum(blob.stat().st_size for blob in self._blobs.iterdir())
        return Image(layout=self._folder, name=name, digest=root["digest"], size=size, what=what)

    def _manifest(self, *, config: Descriptor, layers: Sequence[Descriptor]) -> Descriptor:
        content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": list(layers)}
        return self._json(content, MANIFEST)

    def _json(self, document: Mapping[str, Any], media_type: str) -> Descriptor:
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._path(digest).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _path(self, digest: str) -> Path:
        return self._blobs / digest.partition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer, compressed (its descriptor) and as the tar that it is (its diff id)."""

    descriptor: Descriptor
    diff_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """What is pushed."""

    multi_arch: Image
    large: Image
    signed: Image
    signature: Image
    short_lived: Image
    key: ec.EllipticCurvePrivateKey


def make(folder: Path, repository: Callable[[str], str], *, large_layer: int = 100 * MIB) -> Images:
    """Make the images of one run in `folder`; `repository` gives the whole name of one of them."""
    web = Layout(folder / "web")
    base = [web.layer("base", 2 * MIB), web.layer("runtime", MIB)]
    platforms = [web.image([MIB], architecture, shared=base) for architecture in ("amd64", "arm64", "s390x")]
    model = Layout(folder / "model")
    api = Layout(folder / "api")
    signed = api.tagged(api.image([MIB, MIB]), "1.0", "signed")
    signing = Layout(folder / "signature")
    key = ec.generate_private_key(ec.SECP256R1())
    # cosign's name for the signatures of a digest.
    tag = signed.digest.replace(":", "-") + ".sig"
    trial = Layout(folder / "trial")
    return Images(
        multi_arch=web.tagged(web.index(platforms), "1.0", f"{len(platforms)} platforms"),
        large=model.tagged(model.image([large_layer] * 3), "1.0", "3 large layers"),
        signed=signed,
        signature=signing.tagged(signing.signature(repository("api"), signed.digest, key), tag, "its signature"),
        short_lived=trial.tagged(trial.image([MIB]), "1.0", "deleted later"),
        key=key,
    )


def verify_signature(layout: Path, signed: str, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the signature in a layout (as pulled from a registry) is one by `key`, about the digest `signed`.

    Raises InvalidSignature when it is of another key or about other bytes.
    """

    def read(descriptor: Mapping[str, Any]) -> bytes:
        digest: str = descriptor["digest"]
        return (layout / "blobs" / "sha256" / digest.partition(":")[2]).read_bytes()

    manifest = json.loads(read(json.loads((layout / "index.json").read_bytes())["manifests"][0]))
    (layer,) = manifest["layers"]
    payload = read(layer)
    key.verify(base64.b64decode(layer["annotations"][SIGNATURE]), payload, ec.ECDSA(hashes.SHA256()))
    return bool(json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == signed)


def _parts(size: int, files: int = 4) -> list[int]:
    return [size // files] * (files - 1) + [size - size // files * (files - 1)]


class _Random(io.RawIOBase):
    """A file of so many random bytes, made while it is read."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return os.urandom(size)


class _Gzip:
    """Writes what comes as a gzip stream, and knows the digests of both. Stored: random bytes do not get smaller."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._compressor = zlib.compressobj(level=0, wbits=31)
        self.plain = hashlib.sha256()
        self.compressed = hashlib.sha256()

    def write(self, block: bytes) -> int:
        self.plain.update(block)
        self._put(self._compressor.compress(block))
        return len(block)

    def close(self) -> None:
        self._put(self._compressor.flush())

    def _put(self, block: bytes) -> None:
        self.compressed.update(block)
        self._file.write(block)
