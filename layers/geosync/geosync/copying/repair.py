"""The repair of what verification found missing or wrong below a manifest, before the manifest is put.

A registry that holds a manifest takes it again without looking at what is below it. One that still remembers a blob
whose file is gone answers a mount with 201. So no such answer counts here: everything below the manifest is looked
for, and what is distrusted is uploaded whatever the registry says of it, then read back and hashed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from geosync.copying.blobs import BlobMover
from geosync.copying.kinds import Kinds, absent, may_be_of_another_kind
from geosync.copying.parts import MAX_DEPTH, MAX_MANIFEST_BYTES, MAX_PARTS
from geosync.copying.route import Route
from geosync.copying.sharing import Sharing
from geosync.errors import (
    BrokenAtDestination,
    DigestMismatch,
    MalformedManifest,
    NotFound,
    RegistryError,
    RegistryUnavailable,
    SizeMismatch,
    TooLarge,
)
from geosync.oci.manifests import SIZE_UNKNOWN, Descriptor, Manifest
from geosync.oci.repository import Repository
from geosync.sync_registry.items import EVERYTHING

PARALLELISM = 4
"""Blobs side by side."""


class Repairer:
    """Brings what is below manifests of one repository, once per run of a holder. Thread-safe."""

    def __init__(self, route: Route, *, check: Callable[[], None]) -> None:
        """`check` is called between requests; what it raises ends a repair (a lost lease, no time left)."""
        # A repository of another name may have the very blob that is wrong here, and S3 would copy it from a bucket
        # without a registry's word for it.
        self._route = replace(route, mount_from=None, sharing=Sharing(), s3=None)
        self._source = route.source
        self._destination = route.destination
        self._kinds = Kinds(route.source)
        self._check = check

    def repair(self, manifest: Manifest, distrust: frozenset[str]) -> None:
        """Have everything below `manifest` at the destination; the manifest itself is the caller's to put.

        Each blob is looked for as in a copy; those in `distrust` (all of them with EVERYTHING) are uploaded anew and
        read back. Children are put again, unless they are there and not distrusted. Raises BrokenAtDestination when the
        destination keeps what it has, and what the registries raise.
        """
        client = self._source.client
        with client.memory.graph(len(manifest.content), client.deadline, is_wide=True):  # and four blobs at a time
            self._repair(manifest, distrust)

    def _repair(self, manifest: Manifest, distrust: frozenset[str]) -> None:
        below, blobs = self._below(manifest)
        self._source.client.memory.give_back()  # only descriptors are kept, and blobs may take minutes
        wanted = frozenset(digest for digest in blobs if _is_in(distrust, digest))
        mover = BlobMover(self._route, distrusted=wanted)
        with self._route.threads.pool(PARALLELISM, name="repair") as pool:
            for _ in pool.map(lambda blob: self._bring(mover, blob, distrusted=blob.digest in wanted), blobs.values()):
                pass
        for child in below:  # children before what refers to them
            self._check()
            if _is_in(distrust, child.digest) or not self._is_there(child.digest):
                content = self._fetch(child)
                if content is not None:
                    self._destination.put_manifest(child.digest, content)
                if not self._is_there(child.digest):
                    raise BrokenAtDestination(self._destination.client.name, child.digest)

    def _below(self, manifest: Manifest) -> tuple[list[Descriptor], dict[str, Descriptor]]:
        """The manifests below `manifest`, each once, the deepest first, and all blobs; bounded as in a copy.

        Of the manifests only what they refer to is kept: together they may be larger than the memory.
        """
        found: dict[str, Descriptor] = {}
        level = self._listed(manifest)
        blobs = self._blobs(manifest)
        size = 0
        for _ in range(MAX_DEPTH):
            following: list[Descriptor] = []
            for descriptor in level:
                if descriptor.digest in found or descriptor.digest == manifest.digest:
                    continue
                self._check()
                try:
                    child = self._fetch(descriptor)
                except NotFound:
                    self._check_absent(descriptor.digest)
                    continue  # the index is as whole here as at the source, if it is taken without it
                if child is None:
                    blobs[descriptor.digest] = descriptor
                else:
                    found[descriptor.digest] = descriptor
                    following += self._listed(child)
                    blobs |= self._blobs(child)
                    size += len(child.content)
                if len(found) + len(blobs) > MAX_PARTS:
                    raise MalformedManifest(f"{manifest.digest}: more than {MAX_PARTS} parts under one reference")
                if size > MAX_MANIFEST_BYTES:
                    raise TooLarge(f"{manifest.digest}: more than {MAX_MANIFEST_BYTES} bytes of manifests below it")
            if not following:
                return [*reversed(found.values())], blobs
            level = following
        raise MalformedManifest(f"{manifest.digest}: nested deeper than {MAX_DEPTH}")

    def _blobs(self, manifest: Manifest) -> dict[str, Descriptor]:
        return {blob.digest: blob for blob in self._kinds.parts(manifest).all_blobs}

    def _listed(self, manifest: Manifest) -> list[Descriptor]:
        """The manifests that an index lists. Here each of its blobs is looked for at the source: it may be one."""
        for entry in self._kinds.parts(manifest).blobs if manifest.is_index else ():
            self._check()
            if self._source.head_blob(entry.digest) is None:
                self._kinds.turns(entry, is_manifest=False)
        return list(self._kinds.parts(manifest).manifests)

    def _fetch(self, entry: Descriptor) -> Manifest | None:
        """The source's manifest of an index's entry, None where that is a blob. Raises NotFound if it is neither."""
        try:
            child = self._source.get_manifest(entry.digest)
        except RegistryError as error:
            if may_be_of_another_kind(error) and self._kinds.turns(entry, is_manifest=True):
                return None
            raise
        if child is None and not self._kinds.turns(entry, is_manifest=True):
            raise absent(self._source, entry.digest)
        return child

    def _is_there(self, digest: str) -> bool:
        """Read the manifest back from the destination: HEAD would not show that its bytes are wrong."""
        try:
            return self._destination.get_manifest(digest) is not None
        except (DigestMismatch, MalformedManifest):
            return False

    def _check_absent(self, digest: str) -> None:
        """Raise ChildAbsent where the destination has wrong bytes under a digest that the source lacks."""
        try:
            self._destination.get_manifest(digest)
        except (DigestMismatch, MalformedManifest) as error:
            raise absent(self._source, digest) from error
        except RegistryError as error:
            if not may_be_of_another_kind(error):
                raise

    def _bring(self, mover: BlobMover, blob: Descriptor, *, distrusted: bool) -> None:
        self._check()
        mover.bring(blob, lambda: False)
        if distrusted and not reads_back(self._destination, blob, self._check):
            raise BrokenAtDestination(self._destination.client.name, blob.digest)


def reads_back(repository: Repository, blob: Descriptor, check: Callable[[], None]) -> bool:
    """Read a blob back as a stream, a block at a time, and hash it; True when the registry has it whole.

    `check` is called between blocks and may raise. False when the blob is not there, has another size or other bytes,
    or breaks off again and again on a registry that answers otherwise. Raises RegistryUnavailable when the registry
    does not answer at all.
    """
    try:
        with repository.open_blob(blob) as reader:
            while reader.read():
                check()
    except SizeMismatch:
        # The manifest may name a wrong size: the digest decides.
        return blob.size != SIZE_UNKNOWN and reads_back(repository, replace(blob, size=SIZE_UNKNOWN), check)
    except (NotFound, DigestMismatch):
        return False
    except RegistryUnavailable as error:
        # Distribution 2.8 announces a blob that it remembers and has no bytes of: the answer breaks off at once.
        if error.status is not None:
            raise
        repository.client.ping()
        return False
    return True


def _is_in(distrust: frozenset[str], digest: str) -> bool:
    return digest in distrust or EVERYTHING in distrust
