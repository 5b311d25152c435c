"""Manifests: exact bytes, and what they refer to.

OCI image-spec 1.1, "Image Manifest" and "Image Index"; Docker image manifest v2, schema 1 and 2. A manifest is never
written again by us: its bytes and its media type travel unchanged. What an index lists may be blobs, as in a BuildKit
cache: the descriptor's media type says where to look first, and `copying/kinds.py` what it is.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from geosync.errors import DigestMismatch, MalformedManifest, TooLarge
from geosync.oci import media_types
from geosync.oci.documents import field, has_field, read_object
from geosync.oci.references import is_digest

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
SIZE_UNKNOWN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A reference in a manifest, with what the manifest says of its target (image-spec, "Content Descriptors").

    `size` is in bytes, as the manifest says; it may be wrong, and is 0 where it says none. SIZE_UNKNOWN (-1) for the
    layers of schema 1, which has none.
    """

    media_type: str
    digest: str
    size: int
    urls: tuple[str, ...] = ()
    artifact_type: str | None = None
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

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
            raise MalformedManifest(f"{str(digest)[:80]!r} is no sha256, sha384 or sha512 digest")
        artifact_type = field(value, "artifactType")
        annotations = field(value, "annotations")
        return cls(
            media_type=media_type or "",
            digest=digest,
            size=_size(field(value, "size")),
            urls=_urls(field(value, "urls"), digest),
            artifact_type=artifact_type if isinstance(artifact_type, str) else None,
            annotations=_strings(annotations) if isinstance(annotations, dict) else {},
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The exact bytes of a manifest or an index, with its media type and digest.

    Parsed lazily and once; every property that needs the content raises MalformedManifest.
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
            media_type = _media_type_of(read_object(content), media_type)
        digest = digest_of(content, media_type, expected.partition(":")[0] if expected else "sha256")
        if expected is not None and digest != expected:
            raise DigestMismatch(f"the manifest hashes to {digest}, not to {expected}")
        return cls(media_type=media_type, digest=digest, content=content)

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The parsed JSON object; raises MalformedManifest, also when it contradicts its own media type."""
        with _within(self.digest):
            return self._read_document()

    def _read_document(self) -> Mapping[str, Any]:
        document = read_object(self.content)
        stated = field(document, "mediaType")
        if self.media_type in media_types.SCHEMA1:
            return document
        if isinstance(stated, str) and media_types.is_manifest(stated) and stated != self.media_type:
            raise MalformedManifest(f"served as {self.media_type}, but says that it is {stated}")
        return document

    @property
    def is_index(self) -> bool:
        """True for an OCI index or a Docker manifest list."""
        return media_types.is_index(self.media_type)

    @cached_property
    def entries(self) -> tuple[Descriptor, ...]:
        """The entries of an index, in order, each digest once; an image has none."""
        return _unique(self._referred) if self.is_index else ()

    @cached_property
    def children(self) -> tuple[Descriptor, ...]:
        """The manifests and indexes that it lists, by their media types, in order, each once.

        Only an index has any: the config and the layers of an image are blobs, whatever media types they have.
        """
        return tuple(one for one in self.entries if one.is_manifest)

    @cached_property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that must be at the destination, in order, each once; the config is one of them.

        Those of an index are told by their media types.
        """
        return _unique(one for one in self._blobs if not one.urls)

    @cached_property
    def blobs_at_urls(self) -> tuple[Descriptor, ...]:
        """The blobs that have `urls`. A registry may have them or not, and takes the manifest without them.

        Windows' base layers were left at Microsoft's for years; whoever may pushes them. Those URLs are never fetched.
        """
        return _unique(one for one in self._blobs if one.urls)

    @property
    def _blobs(self) -> Iterable[Descriptor]:
        return (one for one in self._referred if not (self.is_index and one.is_manifest))

    @cached_property
    def subject(self) -> Descriptor | None:
        """The manifest that this one refers to as a signature or an attestation does (image-spec, `subject`).

        None also where it cannot be read.
        """
        value = field(self.document, "subject")
        if value is None:
            return None
        try:
            return Descriptor.parse(value)
        except MalformedManifest:
            return None  # to registries that know no subject it is a field like any other

    @cached_property
    def _referred(self) -> tuple[Descriptor, ...]:
        document = self.document
        with _within(self.digest):
            if self.media_type in media_types.SCHEMA1:
                return tuple(_schema1_layers(document))
            return tuple(self._read_descriptors(document))

    def _read_descriptors(self, document: Mapping[str, Any]) -> Iterator[Descriptor]:
        if self.is_index:
            # A document that says it is an index and has no list of manifests would "copy" without its content.
            # Go writes an empty list as null.
            yield from _descriptors(document, "manifests", required=not has_field(document, "manifests"))
        elif self.media_type == media_types.OCI_ARTIFACT_MANIFEST:
            yield from _descriptors(document, "blobs")
        else:
            if not has_field(document, "config"):
                raise MalformedManifest("an image manifest without config")
            with _within("config"):
                yield Descriptor.parse(field(document, "config"))
            yield from _descriptors(document, "layers")


def digest_of(content: bytes, media_type: str, algorithm: str = "sha256") -> str:
    """Return the digest of a manifest's bytes, or of a signed schema 1 manifest's payload: every GET may sign anew.

    The first signature's protected header says how much of the bytes is payload (`formatLength`) and what follows it
    (`formatTail`, base64url). Raises MalformedManifest where those are missing.
    """
    if media_type in media_types.SCHEMA1:
        content = _schema1_payload(content)
    return f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=True).hexdigest()}"


def _schema1_payload(content: bytes) -> bytes:
    signatures = field(read_object(content), "signatures")
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


def _schema1_layers(document: Mapping[str, Any]) -> Iterable[Descriptor]:
    for layer in _list(document, "fsLayers", required=True):
        digest = field(layer, "blobSum") if isinstance(layer, dict) else None
        if not isinstance(digest, str) or not is_digest(digest):
            raise MalformedManifest("an fsLayer without a blobSum")
        yield Descriptor(media_type=media_types.DOCKER_LAYER_GZIP, digest=digest, size=SIZE_UNKNOWN)


def _media_type_of(document: Mapping[str, Any], served: str) -> str:
    """Tell a manifest's media type by its content: its own word first, then its shape. `served` is the header's."""
    stated = field(document, "mediaType")
    if isinstance(stated, str) and media_types.is_manifest(stated):
        return stated
    if field(document, "schemaVersion") == 1:
        return media_types.DOCKER_SCHEMA1_SIGNED if field(document, "signatures") else media_types.DOCKER_SCHEMA1
    if has_field(document, "manifests"):
        return media_types.OCI_INDEX
    if has_field(document, "config") or has_field(document, "layers"):
        return media_types.OCI_MANIFEST
    raise MalformedManifest(f"not a manifest of any known media type: {str(stated or served or 'none')[:100]}")


def _list(document: Mapping[str, Any], key: str, *, required: bool = False) -> list[Any]:
    value = field(document, key)
    if value is None and not required:
        return []
    if not isinstance(value, list):
        raise MalformedManifest(f"{key} is not a list")
    return value


def _descriptors(document: Mapping[str, Any], key: str, *, required: bool = False) -> Iterator[Descriptor]:
    for number, value in enumerate(_list(document, key, required=required)):
        with _within(f"{key}[{number}]"):
            yield Descriptor.parse(value)


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Say in an error where it is."""
    try:
        yield
    except MalformedManifest as error:
        raise MalformedManifest(f"{where}: {error}") from error


def _unique(descriptors: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    first: dict[str, Descriptor] = {}
    for one in descriptors:
        first.setdefault(one.digest, one)
    return tuple(first.values())


def _size(value: object) -> int:
    """The size that a descriptor says, 0 where it says none: the digest decides what the blob is, and so its size."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _urls(value: object, digest: str) -> tuple[str, ...]:
    listed = value or ()
    if not isinstance(listed, list | tuple) or not all(isinstance(url, str) for url in listed):
        raise MalformedManifest(f"the urls of {digest} are not a list of strings")
    return tuple(listed)


def _strings(value: Mapping[object, object]) -> dict[str, str]:
    return {key: text for key, text in value.items() if isinstance(key, str) and isinstance(text, str)}


def _b64url(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64url") from error
