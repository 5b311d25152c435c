"""Whether what manifests refer to is at the secondary, to any depth: manifests by their bytes, blobs by their size.

Level by level and side by side, each digest once in a run, whatever refers to it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from geosync.copying.graph import MAX_DEPTH, MAX_PARTS
from geosync.errors import ContentError, MalformedManifest
from geosync.oci.client import RegistryClient
from geosync.oci.manifests import Descriptor, Manifest
from geosync.verifying.asking import Asking

MOST_KNOWN = 50_000
"""Digests remembered as good in one run; then it begins to remember anew (some 8 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """What is missing or wrong below one manifest, and the blobs that were looked for in this call and found."""

    blobs: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()
    found: tuple[Descriptor, ...] = ()

    @property
    def bad(self) -> bool:
        """Whether anything is missing or wrong."""
        return bool(self.blobs or self.manifests)


class Contents:
    """Looks below manifests of one repository. For one thread; its requests run in `pool`.

    `source` is the primary's registry with the repository's name there: it is asked for blobs that have `urls` and are
    not at the secondary, as they need not be where the primary has them not.
    """

    def __init__(
        self,
        client: RegistryClient,
        repository: str,
        asking: Asking,
        pool: Executor,
        *,
        source: tuple[RegistryClient, str],
    ) -> None:
        self._source, self._source_repository = source
        self._client = client
        self._repository = repository
        self._asking = asking
        self._pool = pool
        self._manifests: set[str] = set()
        self._blobs: set[str] = set()

    def is_known(self, digest: str) -> bool:
        """Whether a manifest was found whole in this run."""
        return digest in self._manifests

    def look(self, manifests: Sequence[Manifest]) -> dict[str, Below]:
        """What is below each of `manifests`, by its digest.

        Raises MalformedManifest for one that cannot be read, or is larger than a copy could be, and RegistryError.
        """
        nodes = {one.digest: one for one in manifests}
        missing: set[str] = set()
        level: Iterable[Manifest] = list(nodes.values())
        for depth in range(MAX_DEPTH + 1):
            wanted = {
                child.digest: child
                for one in level
                for child in one.children
                if child.digest not in nodes and child.digest not in missing and child.digest not in self._manifests
            }
            if not wanted:
                break
            if depth == MAX_DEPTH or len(nodes) + len(wanted) > MAX_PARTS:
                raise MalformedManifest(f"nested deeper than {MAX_DEPTH}, or more than {MAX_PARTS} manifests")
            found = dict(zip(wanted, self._pool.map(self._manifest, wanted), strict=True))
            missing.update(digest for digest, one in found.items() if one is None)
            level = [one for one in found.values() if one is not None]
            nodes.update({one.digest: one for one in level})
        blobs = {
            blob.digest: blob for one in nodes.values() for blob in one.all_blobs if blob.digest not in self._blobs
        }
        sizes = dict(zip(blobs, self._pool.map(self._is_there, blobs.values()), strict=True))
        lost = {digest for digest, there in sizes.items() if not there}
        found_blobs = {digest for digest, there in sizes.items() if there}
        result = {one.digest: _below(one, nodes, missing, lost, found_blobs) for one in manifests}
        self._remember(nodes, found_blobs, missing, lost)
        return result

    def forget(self) -> None:
        """Look at everything again: something that was found is wrong."""
        self._manifests.clear()
        self._blobs.clear()

    def manifest(self, reference: str) -> Manifest | None:
        """The secondary's manifest, None when it is not there, or not what its digest says."""
        try:
            return self._asking.ask(lambda: self._client.get_manifest(self._repository, reference))
        except ContentError:
            return None

    def _manifest(self, digest: str) -> Manifest | None:
        return self.manifest(digest)

    def _is_there(self, blob: Descriptor) -> bool:
        size = self._asking.ask(lambda: self._client.head_blob(self._repository, blob.digest))
        if size is None and blob.urls:
            here = self._asking.ask(lambda: self._source.head_blob(self._source_repository, blob.digest))
            return here is None
        return blob.fits(size)

    def _remember(self, nodes: Mapping[str, Manifest], found: set[str], missing: set[str], lost: set[str]) -> None:
        if len(self._manifests) + len(self._blobs) > MOST_KNOWN:
            self.forget()
        self._blobs |= found
        self._manifests.update(digest for digest, one in nodes.items() if not _below(one, nodes, missing, lost, ()).bad)


def _below(
    root: Manifest, nodes: Mapping[str, Manifest], missing: set[str], lost: set[str], found: Container[str]
) -> Below:
    """Sum up what is below `root`; each node is gone through once, so that loops end."""
    blobs: set[str] = set()
    manifests: set[str] = set()
    looked_at: dict[str, Descriptor] = {}
    seen = {root.digest}
    ahead = [root]
    while ahead:
        one = ahead.pop()
        blobs.update(blob.digest for blob in one.all_blobs if blob.digest in lost)
        looked_at.update((blob.digest, blob) for blob in one.blobs if blob.digest in found)
        for child in one.children:
            if child.digest in missing:
                manifests.add(child.digest)
            elif child.digest in nodes and child.digest not in seen:
                seen.add(child.digest)
                ahead.append(nodes[child.digest])
    return Below(blobs=frozenset(blobs), manifests=frozenset(manifests), found=tuple(looked_at.values()))
