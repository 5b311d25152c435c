"""A sample of references, pulled in full from this site's registry as a client would: each byte is read and hashed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace

from geosync.copying.kinds import Kinds, may_be_of_another_kind
from geosync.drilling.both import BothRegistries
from geosync.drilling.findings import SampleFound
from geosync.drilling.truth import MOST_NAMED, Tag
from geosync.errors import ContentError, NotFound, OutOfTime, RegistryError, SizeMismatch
from geosync.oci.manifests import SIZE_UNKNOWN, Descriptor, Manifest
from geosync.pair.pair import Pair


class _Damaged(Exception):
    """Part of a reference is missing. It stays in this module."""


@dataclass(slots=True)
class _Read:
    """The bytes that were read so far, each digest once, and those that were left out. Thread-safe."""

    most_bytes: int
    blobs: int = 0
    read_bytes: int = 0
    left_blobs: int = 0
    _found: dict[str, Future[bool]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def once(self, place: str, read: Callable[[], bool]) -> bool:
        """Read a digest of a repository (`group/app@sha256:…`) if nobody has; what came of it holds for all later ones.

        False where `read` left it out. Raises what the reading raised.
        """
        with self._lock:
            is_first = place not in self._found
            found = self._found.setdefault(place, Future())
        if is_first:
            try:
                found.set_result(read())
            except BaseException as error:
                found.set_exception(error)
                raise
        return found.result()

    def has_room(self, size: int) -> bool:
        """Count a blob of `size` bytes; False when that would be more than is read."""
        with self._lock:
            if self.read_bytes + size > self.most_bytes:
                self.left_blobs += 1
                return False
            self.read_bytes += size
            self.blobs += 1
            return True


class Sample:
    """Pulls references; the blobs of one run side by side in `pool`. At most `most_bytes` are read."""

    def __init__(self, registries: BothRegistries, pool: Executor, *, most_bytes: int) -> None:
        self._registries = registries
        self._pool = pool
        self._read = _Read(most_bytes)

    def pull(self, chosen: Sequence[Tag]) -> SampleFound:
        """Pull each reference to its last byte."""
        bad: list[str] = []
        left: list[str] = []
        pulled = 0
        for repository, tag in chosen:
            try:
                is_whole = _Pull(self._registries.pair(repository), self._read, self._pool).pull(tag)
            except OutOfTime as error:
                left.append(f"{len(chosen) - pulled - len(bad)} references were not pulled: {error}")
                break
            except (_Damaged, RegistryError, ContentError) as error:
                bad.append(f"{repository}:{tag}: {error}")
            else:
                pulled += is_whole
        if self._read.left_blobs:
            left.append(f"{self._read.left_blobs} blobs are beyond the {self._read.most_bytes} bytes that are read")
        return SampleFound(
            chosen=len(chosen),
            pulled=pulled,
            blobs=self._read.blobs,
            read_bytes=self._read.read_bytes,
            bad_references=len(bad),
            bad=tuple(bad[:MOST_NAMED]),
            left=tuple(left),
        )


class _Pull:
    """One reference with everything below it."""

    def __init__(self, pair: Pair, read: _Read, pool: Executor) -> None:
        self._pair = pair
        self._read = read
        self._pool = pool
        self._kinds = Kinds(pair.primary)
        self._is_whole = True

    def pull(self, tag: str) -> bool:
        """Pull a tag; False where a part was left out. Raises _Damaged, RegistryError, ContentError, OutOfTime."""
        manifest = self._pair.secondary.get_manifest(tag)
        if manifest is None:
            raise _Damaged("it is not there")
        ahead, seen = [manifest], {manifest.digest}
        while ahead:
            fresh = [one for one in self._below(ahead.pop()) if one.digest not in seen]
            seen.update(one.digest for one in fresh)
            ahead += fresh
        return self._is_whole

    def _below(self, manifest: Manifest) -> list[Manifest]:
        """Read the blobs of a manifest; returns the manifests that it lists."""
        parts = self._kinds.parts(manifest)
        children = [self._child(entry) for entry in parts.manifests]
        read = list(self._pool.map(lambda blob: self._blob(blob, may_turn=manifest.is_index), parts.all_blobs))
        if None in children or not all(read):
            return self._below(manifest)  # what an entry is was not as its media type says, and is known now
        return [child for child in children if child is not None]

    def _child(self, entry: Descriptor) -> Manifest | None:
        """Read an entry of an index, None where it is a blob."""
        try:
            found = self._pair.secondary.get_manifest(entry.digest)
        except RegistryError as error:
            if may_be_of_another_kind(error) and self._kinds.turns(entry, is_manifest=True):
                return None
            raise
        if found is None and not self._kinds.turns(entry, is_manifest=True):
            raise _Damaged(f"the manifest {entry.digest} is not there")
        return found

    def _blob(self, blob: Descriptor, *, may_turn: bool) -> bool:
        """Read a blob to its end; False where it is an entry of an index, and a manifest."""
        try:
            if not self._read.once(f"{self._pair.name}@{blob.digest}", lambda: self._read_all(blob)):
                self._is_whole = False
        except NotFound:
            if blob.has_urls:
                return True
            if may_turn and self._kinds.turns(blob, is_manifest=False):
                return False
            raise
        return True

    def _read_all(self, blob: Descriptor) -> bool:
        try:
            return self._stream(blob)
        except SizeMismatch:  # the manifest may name a wrong size, at the primary as well: the digest decides
            return self._stream(replace(blob, size=SIZE_UNKNOWN))

    def _stream(self, blob: Descriptor) -> bool:
        with self._pair.secondary.open_blob(blob) as reader:
            has_room = self._read.has_room(len(reader))
            while has_room and reader.read():
                pass
            return has_room
