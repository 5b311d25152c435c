"""Reading a blob as a stream: bounded, hashed on the way, proved before the last byte is handed on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from geosync.errors import DigestMismatch, SizeMismatch
from geosync.oci.answers import broken
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import SIZE_UNKNOWN, Descriptor
from geosync.oci.transport import BLOCK, Broken, HttpAnswer

#: The rest of one blob is requested so many times, after a broken connection each.
MAX_REOPENED = 3


class Stream(Protocol):
    """Bytes as they come, from an answer or from elsewhere."""

    @property
    def length(self) -> int | None:
        """Their number, None when it was not announced."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, b"" at the end; raises Broken, or GeosyncErrors of its own."""
        ...

    def close(self) -> None:
        """Give up what was not read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobSource:
    """The registry and the request by which a blob is read, as errors name them, and the bound on its reading."""

    registry: str
    request: str
    deadline: Deadline
    reopen: Callable[[int], HttpAnswer | None]
    """Requests the bytes from an offset on; None where the registry does not give exactly those."""


class BlobReader:
    """A blob's bytes as they come; a context manager. `len()` is their number, known before the first.

    With an `offset`, `answer` begins at that byte. Then the digest cannot be checked here, and whoever takes the bytes
    has to check it.

    When the connection breaks in the middle, the rest is requested with `source.reopen`, a few times; the digest proves
    that the parts belong together. Raises SizeMismatch at once when the source announces another size than the
    descriptor's (or none where the descriptor has none either).
    """

    gives_ranges = False
    """The registry said with this blob that it gives ranges of it."""

    def __init__(self, answer: Stream, descriptor: Descriptor, source: BlobSource, *, offset: int = 0) -> None:
        self.descriptor = descriptor
        self._answer: Stream = answer
        self._source = source
        self._reopened = 0
        algorithm, _, self._expected = descriptor.digest.partition(":")
        self._hash = None if offset else hashlib.new(algorithm)
        self._size = self._size_of(answer, descriptor, offset)
        self._left = self._size - offset
        self._length = self._left

    def __len__(self) -> int:
        return self._length

    @property
    def position(self) -> int:
        """The place in the blob of the next byte."""
        return self._size - self._left

    @property
    def left(self) -> int:
        """The bytes that were not read yet."""
        return self._left

    def go_on_with(self, stream: Stream) -> None:
        """Read all that is left from `stream`, which begins at `position`; the hash goes on."""
        self._answer.close()
        self._answer, self._reopened = stream, MAX_REOPENED

    def skip(self, size: int) -> None:
        """Read the first `size` bytes and drop them; they count for the digest. Raises as `read`."""
        self._length -= size
        while size:
            size -= len(self.read(min(BLOCK, size)))

    def read(self, size: int = BLOCK, /) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        Raises OutOfTime at the deadline, SizeMismatch when the source ends early or goes on for too long,
        DigestMismatch when the bytes are not the digest's, RegistryUnavailable when the connection breaks. All of them
        come before the last block is handed on, so that whoever streams the blob elsewhere never completes it.
        """
        self._source.deadline.check()
        if self._left == 0:
            if self._size == 0:
                self._prove()
            return b""
        data = self._read(min(size, self._left))
        if not data:
            self.close()
            raise SizeMismatch(f"{self.descriptor.digest} ended {self._left} bytes short of {self._size}")
        if self._hash is not None:
            self._hash.update(data)
        self._left -= len(data)
        if self._left == 0:
            self._prove()
        return data

    def close(self) -> None:
        """Give the connection back, or close it when bytes are left."""
        self._answer.close()

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prove(self) -> None:
        more = self._read(1)
        self.close()
        if more:
            raise SizeMismatch(f"{self.descriptor.digest} goes on after its {self._size} bytes")
        if self._hash is not None and self._hash.hexdigest() != self._expected:
            raise DigestMismatch(f"the bytes served as {self.descriptor.digest} hash to another digest")

    def _read(self, size: int) -> bytes:
        while True:
            try:
                return self._answer.read(size)
            except Broken as error:
                self._source.deadline.check()
                if not self._resume():
                    raise broken(self._source.registry, self._source.request, error, write=False) from error

    def _resume(self) -> bool:
        """Go on with another connection where this one broke; False when there is none."""
        if self._left == 0 or self._reopened >= MAX_REOPENED:
            return False
        self._reopened += 1
        answer = self._source.reopen(self._size - self._left)
        if answer is None:
            return False
        self._answer = answer
        return True

    @staticmethod
    def _size_of(answer: Stream, descriptor: Descriptor, offset: int) -> int:
        announced = answer.length
        if descriptor.size == SIZE_UNKNOWN:
            if announced is None:
                answer.close()
                raise SizeMismatch(f"neither the manifest nor the registry says how large {descriptor.digest} is")
            return announced + offset
        if announced is not None and announced + offset != descriptor.size:
            answer.close()
            raise SizeMismatch(
                f"{descriptor.digest} is announced with {announced + offset} bytes, "
                f"its descriptor says {descriptor.size}"
            )
        return descriptor.size
