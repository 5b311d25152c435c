"""Reading a blob as a stream: bounded, hashed on the way, proved before the last byte is handed on."""

from __future__ import annotations

from types import TracebackType

from geosync.oci.manifests import Descriptor


class BlobReader:
    """A blob's bytes as they come. `len()` is its size, known before the first byte; use it as a context manager.

    `read` raises OutOfTime at the deadline, SizeMismatch when the source ends early or goes on for too long, DigestMismatch when
    the bytes are not the digest's: in both cases before the last block is handed on, so that whoever streams it elsewhere never
    completes it. RegistryUnavailable when the connection breaks.
    """

    descriptor: Descriptor

    def __len__(self) -> int:
        raise NotImplementedError

    def read(self, size: int = 1 << 20, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the connection back, or close it when bytes are left."""
        raise NotImplementedError

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
