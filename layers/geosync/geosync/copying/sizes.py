"""Sizes of images, of what a copy has read anyway: config and layers, as their manifest says them.

An index has the sum over its children, each by itself, and over the blobs that it lists. A size is not known where a
descriptor names none, and where a child was found at the destination and so was never read. Bytes.
"""

from __future__ import annotations

from geosync.copying.kinds import Kinds, Parts
from geosync.errors import MalformedManifest
from geosync.oci.manifests import Manifest

_EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The digest of no bytes: the one blob whose size is 0 though its descriptor says it."""
_MOST = 2**53 - 1
"""The largest size (bytes) that every JSON reader keeps; more is somebody's joke."""


class Sizes:
    """Sizes of the manifests that one copier read, one number for each digest. Thread-safe."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._known: dict[str, int] = {}

    def note(self, digest: str, below: Parts) -> None:
        """Note the size of a manifest by what is `below` it, if that is known of all."""
        size = self._sum(below)
        if size is not None:
            self._known[digest] = size

    def of(self, digest: str, manifest: Manifest | None) -> int | None:
        """The size of the image `digest`, whose `manifest` was read or not; None: not known."""
        size = self._known.get(digest)
        if size is not None or manifest is None or manifest.digest != digest:
            return size
        try:
            return self._sum(self._kinds.parts(manifest))
        except MalformedManifest:
            return None  # both sides have it, and nobody has to read it

    def _sum(self, below: Parts) -> int | None:
        sizes: list[int | None] = [self._known.get(child.digest) for child in below.manifests]
        blobs = {blob.digest: blob.size for blob in below.all_blobs}
        sizes += [size if size > 0 or digest == _EMPTY else None for digest, size in blobs.items()]
        total = 0
        for size in sizes:
            if size is None or total > _MOST - size:
                return None
            total += size
        return total
