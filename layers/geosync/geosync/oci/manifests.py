"""Manifests: exact bytes, and what they refer to.

OCI image-spec 1.1, "Image Manifest" and "Image Index"; Docker image manifest v2, schema 1 and 2. A manifest is never
rewritten: its bytes and its media type travel unchanged. What an index lists may be blobs, as in a BuildKit
cache: the descriptor's media type says where to look first, and `copying/kinds.py` what it is.

A manifest is kept as its bytes. Its descriptors take several times as much memory, so they are read from the bytes at
each use. Only those of small manifests that were read last are remembered.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from geosync.errors import DigestMismatch, MalformedManifest, TooLarge
from geosync.oci import media_types
from geosync.oci.documents import TOO_LONG, Document, field
from geosync.oci.references import is_digest
from geosync.oci.words import shown

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_REFERRED = 10_000
"""Manifests and blobs that one manifest may refer to. A copy of more is refused (copying/parts.py)."""
REMEMBERED_BYTES = 8 * 1024
"""Nearly every image's manifest has at most so many bytes. A copy reads its descriptors four times."""
REMEMBERED = 64
"""Small manifests: more than one copy has at a time."""
SIZE_UNKNOWN = -1
_MAX_SIZE = 2**63 - 1
_LONGEST_MEDIA_TYPE = 255  # RFC 6838, section 4.2: 127 on either side of the slash

_FIELDS = (
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "fsLayers",
    "signatures",
    "subject",
    "annotations",
)
_DESCRIPTOR = ("mediaType", "digest", "size", "urls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A reference in a manifest, with what the manifest says of its target (image-spec, "Content Descriptors").

    `media_type` is empty where none is stated, or an impossible one. `size` is in bytes, as stated; it may be wrong, is
    0 where none is stated, and SIZE_UNKNOWN (-1) for the layers of schema 1, which has no sizes. `has_urls`: it names
    URLs, which are never fetched.
    """

    media_type: str
    digest: str
    size: int
    has_urls: bool = False

    @property
    def is_manifest(self) -> bool:
        """True when its media type is a manifest's or an index's, in any case and with any parameters."""
        return media_types.is_manifest(media_types.essence(self.media_type))

    def fits(self, size: int | None) -> bool:
        """Tell whether a blob of `size` bytes can be the one that it names; None: there is no blob."""
        return size is not None and self.size in (size, SIZE_UNKNOWN)

    @classmethod
    def parse(cls, value: object) -> Descriptor:
        """Read a descriptor from parsed JSON; raises MalformedManifest."""
        if not isinstance(value, dict):
            raise MalformedManifest("a descriptor is not an object")
        media_type, digest = field(value, "mediaType"), field(value, "digest")
        if not isinstance(media_type, str | None):
            raise MalformedManifest("a descriptor's mediaType is not a string")
        if not isinstance(digest, str) or not is_digest(digest):
            raise MalformedManifest(f"{shown(digest)!r} is no sha256, sha384 or sha512 digest")
        return cls(
            media_type=_media_type(media_type or ""),
            digest=digest,
            size=_size(field(value, "size")),
            has_urls=_has_urls(field(value, "urls"), digest),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The exact bytes of a manifest or an index, with its media type and digest.

    Every property that needs the content reads the bytes, and raises MalformedManifest.
    """

    media_type: str
    digest: str
    content: bytes = dataclasses.field(repr=False)

    @classmethod
    def read(cls, content: bytes, content_type: str | None, expected: str | None = None) -> Manifest:
        """Make a manifest of what a registry served, its digest computed and compared with `expected`.

        `content_type` is the response's header; without a usable one the content itself decides (registries.md, "Client
        rules"). Raises TooLarge over 4 MiB, DigestMismatch, and MalformedManifest where no media type can be told.
        """
        if len(content) > MAX_MANIFEST_BYTES:
            raise TooLarge(f"a manifest of {len(content)} bytes; at most {MAX_MANIFEST_BYTES} are taken")
        media_type = media_types.essence(content_type)
        if not media_types.is_manifest(media_type):
            media_type = _media_type_of(Document(content, _FIELDS), media_type)
        digest = digest_of(content, media_type, expected.partition(":")[0] if expected else "sha256")
        if expected is not None and digest != expected:
            raise DigestMismatch(f"the manifest hashes to {digest}, not to {expected}")
        return cls(media_type=media_type, digest=digest, content=content)

    def document(self) -> Document:
        """Begin to read its fields; raises MalformedManifest, also when it contradicts its own media type."""
        with _within(self.digest):
            return self._read_document()

    def _read_document(self) -> Document:
        document = Document(self.content, _FIELDS)
        stated = document.value("mediaType")
        if self.media_type in media_types.SCHEMA1:
            return document
        if isinstance(stated, str) and media_types.is_manifest(stated) and stated != self.media_type:
            raise MalformedManifest(f"served as {self.media_type}, but says that it is {stated}")
        return document

    @property
    def is_index(self) -> bool:
        """True for an OCI index or a Docker manifest list."""
        return media_types.is_index(self.media_type)

    @property
    def descriptor(self) -> Descriptor:
        """Its descriptor, as an index would have it."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=len(self.content))

    @property
    def entries(self) -> tuple[Descriptor, ...]:
        """The entries of an index, in order, each digest once; an image has none."""
        return _unique(self.digest, self._referred()) if self.is_index else ()

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """The manifests and indexes that it lists, by their media types, in order, each once.

        Only an index has any: the config and the layers of an image are blobs, whatever media types they have.
        """
        return tuple(one for one in self.entries if one.is_manifest)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that must be at the destination, in order, each once; the config is one of them.

        Those of an index are told by their media types.
        """
        return tuple(one for one in self.all_blobs if not one.has_urls)

    @property
    def blobs_at_urls(self) -> tuple[Descriptor, ...]:
        """The blobs that have `urls`. A registry may have them or not, and takes the manifest without them.

        Windows' base layers were at Microsoft's alone for years; who has the right to may push them. The URLs are never
        fetched.
        """
        return tuple(one for one in self.all_blobs if one.has_urls)

    @property
    def all_blobs(self) -> tuple[Descriptor, ...]:
        """`blobs` and `blobs_at_urls`, in order; a digest that is there with `urls` and without comes twice."""
        return _unique(
            self.digest, (one for one in self._referred() if not (self.is_index and one.is_manifest)), apart=True
        )

    @property
    def subject(self) -> Descriptor | None:
        """The manifest that this one refers to as a signature or an attestation does (image-spec, `subject`).

        None also where it cannot be read.
        """
        document = self.document()
        if document.value("subject") is None:
            return None
        try:
            return Descriptor.parse(document.object("subject", _DESCRIPTOR))
        except MalformedManifest:
            return None  # to registries that know no subject it is a field like any other

    def _referred(self) -> Iterable[Descriptor]:
        """Return its descriptors, repeated ones too; those of a large manifest one by one, as they are read."""
        return _remembered(self) if len(self.content) <= REMEMBERED_BYTES else self._read_referred()

    def _read_referred(self) -> Iterator[Descriptor]:
        document = self.document()
        with _within(self.digest):
            if self.media_type in media_types.SCHEMA1:
                yield from _schema1_layers(document)
            else:
                yield from self._read_descriptors(document)

    def _read_descriptors(self, document: Document) -> Iterator[Descriptor]:
        if self.is_index:
            # To Distribution an index without the field, or with null, is an empty one. But what is served as an index
            # and is none (an image that a proxy mislabels) would be copied without its content.
            if not document.has("manifests"):
                if any(document.value(field) is not None for field in ("config", "layers")):
                    raise MalformedManifest(f"served as {self.media_type}, but it is an image: it has no manifests")
                if document.value("schemaVersion") != 2:
                    raise MalformedManifest("manifests is not a list")
            yield from _descriptors(document, "manifests")
        elif self.media_type == media_types.OCI_ARTIFACT_MANIFEST:
            yield from _descriptors(document, "blobs")
        else:
            if not document.has("config"):
                raise MalformedManifest("an image manifest without config")
            with _within("config"):
                config = Descriptor.parse(document.object("config", _DESCRIPTOR))
            yield config
            yield from _descriptors(document, "layers")


@lru_cache(maxsize=REMEMBERED)
def _remembered(manifest: Manifest) -> tuple[Descriptor, ...]:
    return tuple(manifest._read_referred())


def digest_of(content: bytes, media_type: str, algorithm: str = "sha256") -> str:
    """Return the digest of a manifest's bytes, or of a signed schema 1 manifest's payload: every GET may sign anew.

    The first signature's protected header says how much of the bytes is payload (`formatLength`) and what follows it
    (`formatTail`, base64url). Raises MalformedManifest where those are missing.
    """
    if media_type in media_types.SCHEMA1:
        content = _schema1_payload(content)
    return f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=True).hexdigest()}"


def _schema1_payload(content: bytes) -> bytes:
    signatures = [*itertools.islice(_items(Document(content, _FIELDS), "signatures", ("protected",)), 1)]
    if not signatures:
        return content
    try:
        protected = json.loads(_b64url(signatures[0]["protected"]))
        length, tail = protected["formatLength"], _b64url(protected["formatTail"])
    except (TypeError, KeyError, IndexError, ValueError, RecursionError) as error:
        raise MalformedManifest("a schema 1 manifest whose signature does not say what it signs") from error
    if not isinstance(length, int) or not 0 <= length <= len(content):
        raise MalformedManifest("a schema 1 manifest whose formatLength is not within its bytes")
    return content[:length] + tail


def _schema1_layers(document: Document) -> Iterator[Descriptor]:
    if document.value("fsLayers") is None:
        raise MalformedManifest("fsLayers is not a list")
    for layer in _items(document, "fsLayers", ("blobSum",)):
        digest = field(layer, "blobSum") if isinstance(layer, dict) else None
        if not isinstance(digest, str) or not is_digest(digest):
            raise MalformedManifest("an fsLayer without a blobSum")
        yield Descriptor(media_type=media_types.DOCKER_LAYER_GZIP, digest=digest, size=SIZE_UNKNOWN)


def _descriptors(document: Document, name: str) -> Iterator[Descriptor]:
    for number, one in enumerate(_items(document, name, _DESCRIPTOR)):
        with _within(f"{name}[{number}]"):
            descriptor = Descriptor.parse(one)
        yield descriptor


def _items(document: Document, name: str, names: tuple[str, ...]) -> Iterator[Any]:
    return document.items(name, names) or iter(())


def _media_type_of(document: Document, served: str) -> str:
    """Tell a manifest's media type by its content: by its `mediaType`, else by its fields. `served` is the header's."""
    stated = document.value("mediaType")
    if isinstance(stated, str) and media_types.is_manifest(stated):
        return stated
    if document.value("schemaVersion") == 1:
        return media_types.DOCKER_SCHEMA1_SIGNED if document.value("signatures") else media_types.DOCKER_SCHEMA1
    if document.has("manifests"):
        return media_types.OCI_INDEX
    if document.has("config") or document.has("layers"):
        return media_types.OCI_MANIFEST
    raise MalformedManifest(f"not a manifest of any known media type: {shown(stated or served or 'none', 100)}")


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Put `where` before the text of an error."""
    try:
        yield
    except MalformedManifest as error:
        raise MalformedManifest(f"{where}: {error}") from error


def _unique(manifest: str, descriptors: Iterable[Descriptor], *, apart: bool = False) -> tuple[Descriptor, ...]:
    """Return each digest once; `apart`: with `urls` and without. Raises MalformedManifest for over MAX_REFERRED."""
    first: dict[tuple[str, bool], Descriptor] = {}
    for one in descriptors:
        first.setdefault((one.digest, apart and one.has_urls), one)
        if len(first) > MAX_REFERRED:
            raise MalformedManifest(f"{manifest}: it refers to more than {MAX_REFERRED} manifests and blobs")
    return tuple(first.values())


def _media_type(text: str) -> str:
    """Return a media type, one string for all descriptors that have it; empty for an impossible one."""
    return _interned(text) if text.isascii() and len(text) <= _LONGEST_MEDIA_TYPE else ""


@lru_cache(maxsize=64)
def _interned(media_type: str) -> str:
    """Return the equal string of an earlier descriptor if there is one: few types serve all descriptors."""
    return media_type


def _size(value: object) -> int:
    """Return the size that a descriptor states, 0 where it states none or no int64: the digest decides."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_SIZE else 0


def _has_urls(value: object, digest: str) -> bool:
    listed = value or ()
    if value is not TOO_LONG and (
        not isinstance(listed, list | tuple) or not all(isinstance(url, str | None) for url in listed)
    ):
        raise MalformedManifest(f"the urls of {digest} are not a list of strings")
    return bool(listed)


def _b64url(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64url") from error
