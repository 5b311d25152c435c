"""Sizes of images, from what a copy has read anyway: config and layers, as the manifest names their sizes.

An index has the sum over its children, each by itself, and over the blobs that it lists. A size is not known where a
descriptor names none, and where a child was found at the destination and so was never read. Bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from geosync.copying.kinds import Kinds, Parts
from geosync.errors import MalformedManifest
from geosync.oci.manifests import Manifest
from geosync.sync_registry.measured import total_bytes

_EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The digest of no bytes: the one blob whose size is 0 though its descriptor says it."""


class Sizes:
    """Sizes of the images whose manifests one copier read, by digest. Thread-safe."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._known: dict[str, int | None] = {}  # None: the copy has ended, and it is not known
        self._under_way: dict[str, Parts] = {}

    def begin(self, manifest: Manifest, below: Parts) -> None:
        """Note a manifest that is copied by what is `below` it; the size of an index is known once that has ended."""
        if manifest.is_index:
            self._under_way[manifest.digest] = below
        else:
            self._known[manifest.digest] = self._sum(below)

    def end(self, digest: str) -> None:
        """Note the size of an index whose children are there: they were read meanwhile, or never will be."""
        below = self._under_way.pop(digest, None)
        if below is not None:
            self._known[digest] = self._sum(self._kinds.sorted(below))

    def of(self, digest: str, manifest: Manifest | None) -> int | None:
        """The size of the image `digest`, whose `manifest` was read or not; None: not known."""
        if digest in self._known or manifest is None or manifest.digest != digest:
            return self._known.get(digest)
        try:
            return self._sum(self._kinds.parts(manifest))
        except MalformedManifest:
            return None  # both sides have it, and nobody has to read it

    def _sum(self, below: Parts) -> int | None:
        return image_bytes(below, self._known.get)


def image_bytes(below: Parts, known: Callable[[str], int | None]) -> int | None:
    """The size of the image that consists of what is `below` its manifest; None: not known.

    `known` are the sizes of its children, by their digests.
    """
    sizes: list[int | None] = [known(child.digest) for child in below.manifests]
    blobs = {blob.digest: blob.size for blob in below.all_blobs}
    sizes += [size if size > 0 or digest == _EMPTY else None for digest, size in blobs.items()]
    return total_bytes(sizes)
