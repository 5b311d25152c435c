"""A look for everything that manifests refer to, to any depth: manifests by their bytes, blobs by their size.

Level by level and side by side, each digest once in a run, whatever refers to it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from geosync.copying.kinds import Kinds, Parts, may_be_of_another_kind
from geosync.copying.parts import MAX_DEPTH, MAX_MANIFEST_BYTES, MAX_PARTS
from geosync.copying.sizes import image_bytes
from geosync.errors import ContentError, MalformedManifest, RegistryError
from geosync.oci.manifests import Descriptor, Manifest
from geosync.pair.pair import Pair
from geosync.verifying.asking import Asking

MOST_KNOWN = 50_000
"""Digests remembered as good in one run; then it begins to remember anew (some 8 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """Digests missing or wrong below one manifest, and the blobs that were looked for in this call and found."""

    blobs: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()
    found: tuple[Descriptor, ...] = ()

    @property
    def bad(self) -> bool:
        """True when anything is missing or wrong."""
        return bool(self.blobs or self.manifests)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """The parts that a manifest refers to. Its bytes are not kept: a registry may have any number of large ones."""

    parts: Parts
    is_index: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """The manifests that one call looked at, by digest, and the manifests and blobs that are missing or wrong.

    `wrong` holds those of the `missing` manifests whose digest has other bytes at the secondary.
    """

    nodes: Mapping[str, _Node]
    missing: set[str]
    wrong: frozenset[str]
    lost: set[str]
    found: set[str]

    def below(self, digest: str) -> Below:
        """Sum up what is below a manifest; each node is gone through once, so that loops end."""
        blobs: set[str] = set()
        manifests: set[str] = set()
        found: dict[str, Descriptor] = {}
        seen = {digest}
        ahead = [self.nodes[digest]]
        while ahead:
            parts = ahead.pop().parts
            blobs.update(blob.digest for blob in parts.all_blobs if blob.digest in self.lost)
            found.update((blob.digest, blob) for blob in parts.blobs if blob.digest in self.found)
            for child in parts.manifests:
                if child.digest in self.missing:
                    manifests.add(child.digest)
                elif child.digest in self.nodes and child.digest not in seen:
                    seen.add(child.digest)
                    ahead.append(self.nodes[child.digest])
        return Below(blobs=frozenset(blobs), manifests=frozenset(manifests), found=tuple(found.values()))

    def whole(self) -> set[str]:
        """The manifests below which nothing is missing or wrong."""
        above: dict[str, list[str]] = {}
        bad: set[str] = set()
        for digest, node in self.nodes.items():
            for child in node.parts.manifests:
                above.setdefault(child.digest, []).append(digest)
            if any(blob.digest in self.lost for blob in node.parts.all_blobs):
                bad.add(digest)
        ahead = [*self.missing, *bad]
        while ahead:
            fresh = [one for one in above.get(ahead.pop(), ()) if one not in bad]
            bad.update(fresh)
            ahead += fresh
        return self.nodes.keys() - bad


class _Shared:
    """The descriptors of one call, each digest once, and the bounds of what may be below so many manifests."""

    def __init__(self, roots: int) -> None:
        self._roots = roots
        self._bytes = 0
        self._known: dict[tuple[str, bool], Descriptor] = {}
        self._lock = threading.Lock()
        self.wrong: set[str] = set()
        """Manifests that are not what their digests say."""

    def node(self, kinds: Kinds, manifest: Manifest) -> _Node:
        """Read what a manifest refers to. Raises MalformedManifest, also when a copy of all this would be refused."""
        parts = kinds.parts(manifest)
        with self._lock:
            self._bytes += len(manifest.content)
            shared = Parts(
                manifests=self._once(parts.manifests),
                blobs=self._once(parts.blobs),
                blobs_at_urls=self._once(parts.blobs_at_urls),
            )
            if len(self._known) > MAX_PARTS * self._roots or self._bytes > MAX_MANIFEST_BYTES * self._roots:
                raise MalformedManifest(f"more than {MAX_PARTS} parts, or {MAX_MANIFEST_BYTES} bytes of manifests")
        return _Node(parts=shared, is_index=manifest.is_index)

    def _once(self, descriptors: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
        return tuple(self._known.setdefault((one.digest, one.has_urls), one) for one in descriptors)


class Contents:
    """Looks below manifests of one repository. For one thread; its requests run in `pool`.

    The primary is asked about what is not at the secondary as it was looked for. An index's child that is at neither is
    not missing, nor is a blob that has `urls`; a child whose bytes are wrong here is wrong. An index's entry may be of
    the other kind (`copying/kinds.py`); it is then looked for so.
    """

    def __init__(self, pair: Pair, asking: Asking, pool: Executor) -> None:
        self._pair = pair
        self._asking = asking
        self._pool = pool
        self._kinds = Kinds(pair.primary, ask=asking.ask)
        self._manifests: dict[str, int | None] = {}  # with the size of the image, None: not known
        self._blobs: set[str] = set()

    def is_known(self, digest: str) -> bool:
        """True when the manifest was found whole in this run."""
        return digest in self._manifests

    def size(self, digest: str) -> int | None:
        """The bytes of an image that was found whole in this run, as copying/sizes.py counts them; None: not known."""
        return self._manifests.get(digest)

    def look(self, manifests: Sequence[Manifest]) -> dict[str, Below]:
        """Look at what is below each of `manifests`; returns it by the manifest's digest.

        Raises MalformedManifest for one that cannot be read, or is larger than a copy could be, and RegistryError.
        """
        looked = self._look(manifests)
        while self._turn(looked):
            looked = self._look(manifests)
        self._leave_out(looked)
        result = {one.digest: looked.below(one.digest) for one in manifests}
        self._remember(looked)
        return result

    def _look(self, manifests: Sequence[Manifest]) -> _Looked:
        shared = _Shared(len(manifests))
        nodes, missing = self._descend(manifests, shared)
        found, lost = self._look_for_blobs(nodes.values())
        return _Looked(nodes=nodes, missing=missing, wrong=frozenset(shared.wrong), lost=lost, found=found)

    def _turn(self, looked: _Looked) -> bool:
        """Ask the primary about entries of indexes that are missing; True when any is of the other kind there."""
        indexes = [one.parts for one in looked.nodes.values() if one.is_index]
        entries = {entry.digest: entry for one in indexes for entry in (*one.manifests, *one.all_blobs)}
        missing = [(entries[one], True) for one in looked.missing if one in entries]
        missing += [(entries[one], False) for one in looked.lost if one in entries]
        return any(list(self._pool.map(lambda one: self._kinds.turns(one[0], is_manifest=one[1]), missing)))

    def _leave_out(self, looked: _Looked) -> None:
        """Take from what is missing the children that the primary lacks, too; a wrong one stays wrong."""
        entries = _children(looked.nodes.values())
        missing = [entries[digest] for digest in looked.missing - looked.wrong]
        nowhere = self._pool.map(self._kinds.is_nowhere, missing)
        looked.missing.difference_update(one.digest for one, is_so in zip(missing, nowhere, strict=True) if is_so)

    def forget(self) -> None:
        """Look at everything again: something that was found is wrong."""
        self._manifests.clear()
        self._blobs.clear()

    def manifest(self, reference: str) -> Manifest | None:
        """The secondary's manifest, None when it is not there, or not what its digest says."""
        try:
            return self._get(reference)
        except ContentError:
            return None

    def _get(self, reference: str) -> Manifest | None:
        return self._asking.ask(lambda: self._pair.secondary.get_manifest(reference))

    def _entry(self, entry: Descriptor, shared: _Shared) -> _Node | None:
        """The secondary's manifest of an index's entry, None where it is not there, is wrong (noted) or is a blob."""
        client = self._pair.secondary.client
        with client.memory.step(client.deadline):
            try:
                manifest = self._get(entry.digest)
            except ContentError:
                shared.wrong.add(entry.digest)
                return None
            except RegistryError as error:
                if may_be_of_another_kind(error) and self._kinds.turns(entry, is_manifest=True):
                    return None
                raise
            return None if manifest is None else shared.node(self._kinds, manifest)

    def _descend(self, manifests: Sequence[Manifest], shared: _Shared) -> tuple[dict[str, _Node], set[str]]:
        """Get the manifests below `manifests`, level by level: all that there are by digest, and the missing ones.

        What was found whole before in this run is left out.
        """
        nodes = {one.digest: shared.node(self._kinds, one) for one in manifests}
        missing: set[str] = set()
        level = list(nodes.values())
        for depth in range(MAX_DEPTH + 1):
            children = _children(level)
            wanted = children.keys() - nodes.keys() - missing - self._manifests.keys()
            if not wanted:
                break
            if depth == MAX_DEPTH:
                raise MalformedManifest(f"nested deeper than {MAX_DEPTH}")
            entries = [child for digest, child in children.items() if digest in wanted]
            read = self._pool.map(lambda entry: self._entry(entry, shared), entries)
            found = {child.digest: node for child, node in zip(entries, read, strict=True) if node is not None}
            missing |= wanted - found.keys()
            level = list(found.values())
            nodes |= found
        return nodes, missing

    def _look_for_blobs(self, nodes: Iterable[_Node]) -> tuple[set[str], set[str]]:
        """Look for the blobs of `nodes` that were not found yet: the digests of those found, and of the others."""
        blobs = {blob.digest: blob for one in nodes for blob in one.parts.all_blobs if blob.digest not in self._blobs}
        there = dict(zip(blobs, self._pool.map(self._is_there, blobs.values()), strict=True))
        found = {digest for digest, is_there in there.items() if is_there}
        return found, there.keys() - found

    def _is_there(self, blob: Descriptor) -> bool:
        size = self._asking.ask(lambda: self._pair.secondary.head_blob(blob.digest))
        if size is None and blob.has_urls:
            return self._asking.ask(lambda: self._pair.primary.lacks_blob(blob.digest))
        if blob.fits(size) or size is None:
            return size is not None
        # Another size than the manifest names: it may name a wrong one, and what the primary has decides.
        return self._asking.ask(lambda: self._pair.primary.head_blob(blob.digest)) == size

    def _remember(self, looked: _Looked) -> None:
        """Remember what is good, so that nothing else that refers to it has it looked at again in this run."""
        if len(self._manifests) + len(self._blobs) > MOST_KNOWN:
            self.forget()
        self._blobs |= looked.found
        whole = looked.whole()
        # Children before their index: images first, then the indexes from the last level on.
        indexes = [digest for digest, node in looked.nodes.items() if node.is_index]
        for digest in [one for one in looked.nodes if not looked.nodes[one].is_index] + indexes[::-1]:
            if digest in whole:
                self._manifests[digest] = image_bytes(looked.nodes[digest].parts, self.size)


def _children(nodes: Iterable[_Node]) -> dict[str, Descriptor]:
    return {child.digest: child for one in nodes for child in one.parts.manifests}
