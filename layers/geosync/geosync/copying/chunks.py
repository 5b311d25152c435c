"""One layer in chunks, for when it cannot finish in one invocation: each chunk that was taken stays.

A chunk ends before the invocation does, so that the next one goes on where it ended: Distribution 2.8 drops an upload
whose PATCH broke in the middle. A registry that keeps it (Distribution 3) is asked how far the chunk came, and the copy
goes on there. Where its word is not to be relied on (Amazon ECR), the same chunk is sent again. An upload that died is
begun anew, once in an invocation. A Range asks the source for the rest of the bytes. The destination proves that all of
them belong together: it checks the digest when the upload is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geosync.copying.readers import LayerReaders
from geosync.copying.route import Route
from geosync.errors import (
    LayerUnfinished,
    NotFound,
    OutOfTime,
    Refused,
    RegistryError,
    RegistryUnavailable,
    Unauthorized,
)
from geosync.oci.manifests import Descriptor
from geosync.oci.transport import Body
from geosync.oci.uploads import COMMIT_BYTES_PER_SECOND, Upload
from geosync.pair.pace import ENOUGH
from geosync.sync_registry.uploads import KeptUpload

MAX_BROKEN = 3
"""Chunks in a row that may break before their registry counts as unavailable."""


class ChunksRefused(Exception):
    """The destination does not take the first chunk, as a chunk."""


@dataclass(slots=True)
class _Course:
    """The place where a layer is: `offset` bytes are in `upload`, and this invocation moved `moved` of them."""

    upload: Upload
    offset: int = 0
    moved: int = 0


class ChunkedMover:
    """Brings blobs of one repository to another in chunks. Thread-safe.

    `begin` begins an upload of a blob, None when the blob is there; `close` sends what ends it, and looks for the blob
    when that was not answered.
    """

    def __init__(
        self,
        route: Route,
        *,
        readers: LayerReaders,
        begin: Callable[[Descriptor], Upload | None],
        close: Callable[[Descriptor, Upload], None],
    ) -> None:
        self._readers = readers
        self._connections = route.connections
        self._destination = route.destination
        self._registry = route.destination.client
        self._begin = begin
        self._close = close
        self._uploads = route.uploads
        self._pace = route.pace
        self._read = route.read
        self._clock = route.clock
        self._deadline = route.deadline

    def bring(self, blob: Descriptor, kept: KeptUpload | None, check: Callable[[], None]) -> int | None:
        """Make `blob` be at the destination. Returns the bytes moved, None when it was there already.

        `kept` is what an earlier invocation left of it. `check` is called between chunks; what it raises ends the call.
        What the destination took is kept, whatever ends the call. Raises OutOfTime when the layer goes on in the next
        invocation, LayerUnfinished when it had most of this one and is no further, ChunksRefused, and what the
        registries raise.
        """
        try:
            course = self._go_on(blob, kept)
        except BaseException:
            if kept is not None:
                self._uploads.keep(kept)
            raise
        started = self._clock.monotonic_s()
        try:
            for last in (False, True):
                if course is None:
                    upload = self._begin(blob)
                    if upload is None:
                        return None
                    course = _Course(upload)
                try:
                    self._send(blob, course, check)
                except RegistryError as error:
                    self._doubt_readers(blob, error)
                    if last or error.registry != self._registry.name or not _is_lost(error):
                        raise
                    course = None
                else:
                    return course.moved
            raise AssertionError("the second upload returns or raises")
        except BaseException as error:
            left = self._keep(blob, kept, course)
            self._judge(error, left, kept, self._clock.monotonic_s() - started)
            raise

    def _doubt_readers(self, blob: Descriptor, error: RegistryError) -> None:
        """Read the layer over one connection from now on if the destination got wrong bytes."""
        if error.registry == self._registry.name and "DIGEST_INVALID" in error.codes:
            self._connections.doubt(blob.digest)

    def _judge(self, error: BaseException, left: KeptUpload, kept: KeptUpload | None, seconds: float) -> None:
        """Raise LayerUnfinished for a layer that had most of the invocation and is no further than it ever was."""
        further = left.furthest > (kept.furthest if kept is not None else 0)
        if isinstance(error, OutOfTime) and not further and seconds >= self._deadline.given_s * ENOUGH:
            what = "no chunk of it was taken" if left.furthest < left.size else "the registry did not store it"
            far = f"{left.furthest} of {left.size} bytes"
            raise LayerUnfinished(f"layer {left.digest} is no further than {far}: {what} in {seconds:.0f} s") from error

    def _go_on(self, blob: Descriptor, kept: KeptUpload | None) -> _Course | None:
        """Take up the upload that was left; None when it is gone, or was somewhere else."""
        if kept is None or kept.path is None or kept.registry != self._registry.name or kept.size != blob.size:
            return None
        upload = self._destination.kept_upload(kept.path)
        if upload is None:
            return None
        course = _Course(upload, kept.offset)
        if self._registry.upload_limits.tells_offset:
            try:
                course.upload, told = self._registry.upload_status(upload)
            except (NotFound, Refused):
                return None
            except RegistryUnavailable as error:
                if _is_lost(error):
                    return None
                raise
            if told is None:
                return None
            course.offset = told
        return course if 0 <= course.offset <= blob.size else None

    def _send(self, blob: Descriptor, course: _Course, check: Callable[[], None]) -> None:
        broken = 0
        while course.offset < blob.size:
            before = course.offset
            with self._readers.open(blob, offset=course.offset) as reader:
                error = self._stream(blob, reader, course, check)
            if error is not None:
                broken = 1 if course.offset > before else broken + 1
                if broken > MAX_BROKEN:
                    raise error
        check()
        if self._deadline.left_s() < min(blob.size / COMMIT_BYTES_PER_SECOND, self._deadline.given_s * ENOUGH):
            raise OutOfTime("the registry may need longer to store the layer; it is closed in the next invocation")
        self._close(blob, course.upload)

    def _stream(
        self, blob: Descriptor, reader: Body, course: _Course, check: Callable[[], None]
    ) -> RegistryError | None:
        """Send chunk after chunk of what `reader` gives. Returns what broke one, to go on with another reader."""
        while course.offset < blob.size:
            check()
            size = self._next(blob, course)
            started = self._clock.monotonic_s()
            try:
                upload = self._registry.put_chunk(course.upload, course.offset, _Chunk(reader, size, self._read))
            except RegistryError as error:
                if error.registry != self._registry.name:
                    raise
                self._recover(error, course, size)
                return error
            course.upload = upload
            course.offset += size
            course.moved += size
            self._pace.note(size, self._clock.monotonic_s() - started)
        return None

    def _next(self, blob: Descriptor, course: _Course) -> int:
        limits, rest = self._registry.upload_limits, blob.size - course.offset
        self._deadline.check()
        size = self._pace.chunk(rest, self._deadline, limits, course.upload)
        if size is None:
            raise OutOfTime("the time left is too short for another chunk")
        return size

    def _recover(self, error: RegistryError, course: _Course, size: int) -> None:
        """Find out where to go on after a chunk of `size` bytes was not taken; raises `error` if it cannot go on."""
        if isinstance(error, Unauthorized):
            return  # the token ran out (Amazon ECR says 403); the next request has another
        limits = self._registry.upload_limits
        misplaced = error.status == 416
        if not misplaced:
            if isinstance(error, Refused) and course.offset == 0:
                raise ChunksRefused from error
            if _is_lost(error) or not isinstance(error, RegistryUnavailable) or error.status in (429, 503):
                raise error
        if limits.tells_offset:
            upload, told = self._registry.upload_status(course.upload)
            if told is None or not course.offset <= told <= course.offset + size:
                raise error
            course.moved += told - course.offset
            course.upload, course.offset = upload, told
        elif misplaced:
            raise error

    def _keep(self, blob: Descriptor, kept: KeptUpload | None, course: _Course | None) -> KeptUpload:
        """Leave the upload for the next invocation; if it cannot be kept, note only how far it came."""
        path = self._registry.keepable(course.upload) if course is not None and course.offset else None
        offset = course.offset if course is not None else 0
        left = KeptUpload(
            digest=blob.digest,
            size=blob.size,
            registry=self._registry.name,
            path=path,
            offset=offset if path is not None else 0,
            furthest=max(offset, kept.furthest if kept is not None else 0),
        )
        self._uploads.keep(left)
        return left


class _Chunk:
    """The next bytes of a reader, as a body. Only the deadline stops it: a chunk that breaks may cost all of them."""

    def __init__(self, reader: Body, size: int, read: Callable[[Body, int], bytes]) -> None:
        self._reader = reader
        self._read = read
        self._size = self._left = size

    def __len__(self) -> int:
        return self._size

    def read(self, size: int, /) -> bytes:
        if not self._left:
            return b""
        block = self._read(self._reader, min(size, self._left))
        self._left -= len(block)
        return block


def _is_lost(error: RegistryError) -> bool:
    """True if the registry forgot the upload, has it at another place, or holds other bytes than the blob's."""
    codes = any(code.startswith("BLOB_UPLOAD_") or code in ("DIGEST_INVALID", "RANGE_INVALID") for code in error.codes)
    return codes or error.status in (404, 416)
