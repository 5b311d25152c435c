"""One blob from the primary to the secondary: found there, mounted there, or streamed there.

distribution-spec 1.1, "Pushing blobs": POST (with a mount from the destination's own repository, which is the existence
check), then one PUT that streams what a GET at the source gives. Nothing is kept but the block in hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from geosync.errors import GeosyncError, OutcomeUnknown, RegistryError, RegistryUnavailable
from geosync.oci.blobs import BlobReader
from geosync.oci.client import RegistryClient
from geosync.oci.manifests import Descriptor

COMMIT_LOOKS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the looks for a large blob that was sent whole and not answered: storage may yet commit it."""
LONG_COMMIT = 16 * 1024 * 1024
"""Bytes from which that is worth the wait; less is sent again sooner than it is waited for."""


class Stopped(GeosyncError):
    """Nobody wants this blob any more. Gets a transfer out of the client; no caller of the copier sees it."""


class BlobMover:
    """Brings blobs of one repository to another. Thread-safe.

    `mounts`: the destination answers a mount from its own repository with 201 if the blob is there; else it is looked
    for with a HEAD first.
    """

    def __init__(
        self,
        source: RegistryClient,
        source_repository: str,
        destination: RegistryClient,
        destination_repository: str,
        *,
        mounts: bool,
    ) -> None:
        self._source = source
        self._source_repository = source_repository
        self._destination = destination
        self._repository = destination_repository
        self._mounts = mounts

    def bring(self, blob: Descriptor, stopped: Callable[[], bool]) -> int | None:
        """Make `blob` be at the destination. Returns the bytes moved, None when it was there already.

        `stopped` is asked between requests and between blocks; Stopped is raised when it says true.

        A transfer is begun again, once, when its upload session is lost, a connection broke, or the closing PUT was not
        answered and the blob does not appear. Raises NotFound naming the blob when the source has it no more,
        DigestMismatch or SizeMismatch when the source's bytes are not the blob's, and what the second attempt raised.
        """
        try:
            return self._transfer(blob, stopped)
        except RegistryError as error:
            if not _is_worth_a_new_session(error):
                raise
        return self._transfer(blob, stopped)

    def _transfer(self, blob: Descriptor, stopped: Callable[[], bool]) -> int | None:
        _check(stopped)
        if self._mounts:
            upload = self._destination.begin_upload(self._repository, mount=blob.digest, mount_from=self._repository)
        elif self._is_there(blob):
            return None
        else:
            upload = self._destination.begin_upload(self._repository)
        if upload is None:
            return None
        _check(stopped)
        with self._source.open_blob(self._source_repository, blob) as reader:
            body = _StoppableBody(reader, stopped)
            try:
                self._destination.put_blob(upload, blob.digest, body)
            except OutcomeUnknown:
                may_commit = body.left == 0 and len(reader) >= LONG_COMMIT
                if not self._appears(blob, COMMIT_LOOKS if may_commit else COMMIT_LOOKS[:1], stopped):
                    raise
            return len(reader)

    def _is_there(self, blob: Descriptor) -> bool:
        return self._destination.head_blob(self._repository, blob.digest) is not None

    def _appears(self, blob: Descriptor, looks: tuple[float, ...], stopped: Callable[[], bool]) -> bool:
        for seconds in looks:
            time.sleep(seconds)
            _check(stopped)
            if self._is_there(blob):
                return True
        return False


class _StoppableBody:
    """A reader that gives up when nobody wants its bytes any more, and knows how many are left."""

    def __init__(self, reader: BlobReader, stopped: Callable[[], bool]) -> None:
        self._reader = reader
        self._stopped = stopped
        self._size = self.left = len(reader)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int, /) -> bytes:
        _check(self._stopped)
        block = self._reader.read(size)
        self.left -= len(block)
        return block


def _check(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise Stopped


def _is_worth_a_new_session(error: RegistryError) -> bool:
    """Whether it was an accident, a lost upload session or a broken connection, and not what a registry decided."""
    if any(code.startswith("BLOB_UPLOAD_") for code in error.codes):
        return True
    return isinstance(error, RegistryUnavailable) and error.status is None
