"""One blob from the primary to the secondary: found there, mounted there, copied by S3, or streamed there.

distribution-spec 1.1, "Pushing blobs": POST (with a mount from a repository that is said to have it, else from the
destination's own, which is the existence check), then one PUT that streams what a GET at the source gives. Only a
layer that cannot go in one piece, because of the time left or of what the registry takes, goes in chunks (chunks.py).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import NoReturn

from geosync.copying.chunks import ChunkedMover, ChunksRefused
from geosync.copying.opening import Opening
from geosync.copying.readers import LayerReaders, SeveralFailed
from geosync.copying.route import Route
from geosync.copying.s3.copier import AnotherWay
from geosync.copying.sharing import CLAIMED_FROM, CopiedElsewhere
from geosync.copying.stopping import StoppableBody, Stopped, check_stopped
from geosync.errors import (
    ContentError,
    GeosyncError,
    LayerUnfinished,
    NotFound,
    OutcomeUnknown,
    OutOfTime,
    ReadOnly,
    Refused,
    RegistryError,
    RegistryUnavailable,
    SizeMismatch,
    TooLarge,
    Unauthorized,
)
from geosync.oci.manifests import Descriptor
from geosync.oci.throttle import PAUSES_S, is_short_throttle
from geosync.oci.uploads import Upload
from geosync.pair.pace import ENOUGH
from geosync.sync_registry.uploads import KeptUpload

COMMIT_LOOKS_S = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the looks for a large blob that was sent whole and not answered: storage may yet commit it."""
LONG_COMMIT = 16 * 1024 * 1024
"""Bytes from which that is worth the wait; sending fewer again is faster."""
LARGE = 16 * 1024 * 1024
"""Bytes from which a layer may be under way since an earlier invocation; smaller ones are always sent in one piece,
if the registry takes it."""


class _TokenRanOut(GeosyncError):
    """The token was refused when a blob's bytes were on their way already."""


class _Throttled(GeosyncError):
    """A stream of bytes was answered with a 429 that asks for a short pause."""


class BlobMover:
    """Brings blobs of one repository to another. Thread-safe.

    Where the destination `mounts`, it answers a mount from its own repository with 201 if the blob is there; elsewhere
    the blob is looked for with a HEAD first. What is in `distrusted` is sent whatever the destination says that it has,
    and is mounted from nowhere.
    """

    def __init__(self, route: Route, *, distrusted: Container[str] = ()) -> None:
        self._route = route
        self._source = route.source
        self._destination = route.destination
        self._registry = route.destination.client
        self._distrusted = distrusted
        self._sharing = route.sharing
        self._readers = LayerReaders(route)
        self._begun: dict[str, Upload] = {}
        self._mounted: set[str] = set()
        self._asked_of_former: set[str] = set()
        self._missing: set[str] = set()
        self.is_new = route.is_new
        """All that the destination's repository needs is missing there, as far as was seen."""
        self._disbelieved: set[str] = set()
        self._uploads = route.uploads
        self._pace = route.pace
        self._clock = route.clock
        self._deadline = route.deadline
        self._refuses_chunks = False
        self._threads = route.threads
        self._one_at_a_time = route.threads.lock()

    def bring(self, blob: Descriptor, stopped: Callable[[], bool], *, look_first: bool = False) -> int | None:
        """Make `blob` be at the destination. Returns the bytes moved, None when it was there already.

        With `look_first`, a blob that another repository did not give is looked for before bytes go: it may be there.

        A blob that has `urls` and is not at the source stays at its URL (None then, too).

        `stopped` is asked between requests and between blocks (of a layer in chunks: between chunks); Stopped is raised
        when it says true. Raises CopiedElsewhere while another one copies the blob: then ask again, after a wait.

        A transfer is begun again, once, when its upload session is lost, its token ran out, a connection broke, or the
        closing PUT was not answered and the blob does not appear. Raises NotFound naming the blob when the source no
        longer has it, DigestMismatch or SizeMismatch when the source's bytes are not the blob's (a manifest that names
        another size is no reason), TooLarge when the destination takes no such blob, LayerUnfinished when a layer had
        most of this invocation and is no further, and what the second attempt raised.
        """
        if blob.has_urls and self._source.lacks_blob(blob.digest):
            return None
        if self._is_distrusted(blob):
            return self._bring_whatever_size(blob, stopped)
        try:
            moved = None
            if not self._is_found(blob) and not (look_first and self._is_there_already(blob)):
                moved = self._bring_whatever_size(blob, lambda: self._is_to_stop(blob, stopped))
        except CopiedElsewhere:
            raise  # an upload that a mount became waits with it
        except BaseException as error:
            self._begun.pop(blob.digest, None)
            self._sharing.give_up(blob, unfinished=isinstance(error, LayerUnfinished))
            raise
        self._begun.pop(blob.digest, None)
        self._sharing.note_there(blob, mounted=blob.digest in self._mounted)
        return moved

    def fits(self, blob: Descriptor, time_s: float) -> bool:
        """Tell whether `blob` should go in one piece in `time_s` seconds: none of it is under way, or has to be."""
        most = self._registry.upload_limits.max_body
        if most is not None and blob.size > most:
            return False
        return blob.size < LARGE or (self._pace.fits(blob.size, time_s) and not self._uploads.has(blob.digest))

    def note_missing(self, digests: Iterable[str]) -> None:
        """Note that the destination said that these are missing: its answer to their POST is known, most likely."""
        self._missing.update(digests)

    def disbelieve(self, digests: Iterable[str]) -> list[str]:
        """Send those of `digests` anew that were mounted from another repository; returns them.

        The destination said that they are there, and names them missing.
        """
        found = [digest for digest in digests if digest in self._mounted]
        self._mounted.difference_update(found)
        self._disbelieved.update(found)
        return found

    def _is_found(self, blob: Descriptor) -> bool:
        """Mount `blob` from a repository that is said to have it. False: none gave it, and it is ours to copy.

        A mount that became an upload is gone on with. Raises CopiedElsewhere.
        """
        if self._is_mounted_from_former(blob):
            return True
        is_handed_out = self._sharing.is_handed_out(blob)
        if not self._route.capabilities.mounts and not is_handed_out:
            # It does not from its own repository; perhaps it does from another one (Amazon ECR).
            name = self._sharing.next_source(blob)
            return name is not None and (self._is_there(blob) or self._is_mounted_from(name, blob))
        while True:
            while (name := self._sharing.next_source(blob)) is not None:
                is_ours = is_handed_out and name == self._destination.name  # a helper says that it brought it
                if self._is_there(blob) if is_ours else self._is_mounted_from(name, blob):
                    return True
                self._sharing.note_wrong(blob, name)
            if self._sharing.claim(blob):
                return False

    def _is_mounted_from_former(self, blob: Descriptor) -> bool:
        """Mount `blob` from the repository that this one was renamed from: asked once, however often it waits."""
        former = self._route.mount_from
        if former is None or blob.digest in self._asked_of_former:
            return False
        is_mounted = self._is_mounted_from(former, blob)
        self._asked_of_former.add(blob.digest)
        return is_mounted

    def _is_mounted_from(self, name: str, blob: Descriptor) -> bool:
        try:
            upload = self._destination.begin_upload(mount=blob.digest, mount_from=name)
        except (NotFound, Refused):
            return False
        except RegistryUnavailable as error:
            # The hint may be the reason. Whether it is the registry is said by the POST that needs no other repository.
            if not isinstance(error, ReadOnly) and (error.status or 0) < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            return False
        if upload is None:
            if name != self._destination.name:
                self._mounted.add(blob.digest)
            return True
        self._begun[blob.digest] = upload
        return False

    def _is_there_already(self, blob: Descriptor) -> bool:
        """Look for a blob whose upload was begun by a mount from elsewhere; any other is looked for as it is begun."""
        if blob.digest not in self._begun:
            return False
        is_there = self._is_there(blob)
        if not is_there:
            self._missing.add(blob.digest)
        return is_there

    def _is_to_stop(self, blob: Descriptor, stopped: Callable[[], bool]) -> bool:
        self._sharing.keep(blob)
        return stopped()

    def _is_distrusted(self, blob: Descriptor) -> bool:
        return blob.digest in self._distrusted or blob.digest in self._disbelieved

    def _bring_whatever_size(self, blob: Descriptor, stopped: Callable[[], bool]) -> int | None:
        try:
            return self._bring_over_several(blob, stopped)
        except SizeMismatch:
            # The digest decides what the blob is. A registry takes a manifest whatever size it says.
            size = self._source.head_blob(blob.digest)
            if size is None or blob.fits(size):
                raise
            return self._bring_over_several(replace(blob, size=size), stopped)

    def _bring_over_several(self, blob: Descriptor, stopped: Callable[[], bool]) -> int | None:
        try:
            moved = self._bring(blob, stopped)
        except SeveralFailed as error:
            self._readers.narrow(blob)
            moved = self._bring_over_several(blob, stopped)
            self._readers.blame(error)
        except ContentError:
            self._route.connections.forget(blob.digest)
            raise
        if moved is None:  # others brought it
            self.is_new = False
            self._route.connections.forget(blob.digest)
        else:
            self._route.connections.note_brought(blob.digest)
        return moved

    def _bring(self, blob: Descriptor, stopped: Callable[[], bool]) -> int | None:
        limits = self._registry.upload_limits
        if limits.max_blob is not None and blob.size > limits.max_blob:
            size = self._source.head_blob(blob.digest)
            if size is not None and size <= limits.max_blob:
                return self._bring(replace(blob, size=size), stopped)  # the manifest says another size than it has
            raise TooLarge(
                f"layer {blob.digest} of {blob.size} bytes: {self._registry.name} takes no layer of more than "
                f"{limits.max_blob}"
            )
        too_much = limits.max_body is not None and blob.size > limits.max_body
        kept = self._uploads.take(blob.digest) if blob.size >= LARGE or too_much else None
        if kept is None:  # what began as a stream goes on as one
            with suppress(AnotherWay):
                return self._inside_s3(blob, stopped)
        if self._goes_in_chunks(blob, kept):
            try:
                return self._in_chunks(blob, kept, stopped)
            except ChunksRefused:
                self._refuses_chunks = True
                kept = self._uploads.take(blob.digest)
        if kept is None:
            return self._in_one_piece(blob, stopped)
        with self._one_at_a_time:  # those that did not fit beside others
            try:
                return self._in_one_piece(blob, stopped)
            except BaseException:
                self._uploads.keep(kept)
                raise

    def _inside_s3(self, blob: Descriptor, stopped: Callable[[], bool]) -> int | None:
        if self._route.s3 is None or self._is_distrusted(blob):
            raise AnotherWay
        begin, check = partial(self._begin, blob), partial(check_stopped, stopped)
        try:
            return self._route.s3.bring(blob, self._route.pair, begin=begin, check=check)
        except LayerUnfinished:
            self._uploads.keep(KeptUpload(digest=blob.digest, size=blob.size, registry=self._registry.name))
            raise
        except RegistryError as error:
            if not _is_worth_a_new_session(error):
                raise
            raise AnotherWay from error

    def _goes_in_chunks(self, blob: Descriptor, kept: KeptUpload | None) -> bool:
        limits = self._registry.upload_limits
        if not limits.chunked or self._refuses_chunks:
            return False
        has_to = kept is not None or (limits.max_body is not None and blob.size > limits.max_body)
        return has_to or (blob.size >= LARGE and not self._pace.fits(blob.size, self._deadline.left_s()))

    def _in_chunks(self, blob: Descriptor, kept: KeptUpload | None, stopped: Callable[[], bool]) -> int | None:
        def close(blob: Descriptor, upload: Upload) -> None:
            try:
                self._registry.close_upload(upload, blob.digest, blob.size)
            except OutcomeUnknown:
                if not self._appears(blob, COMMIT_LOOKS_S, stopped):
                    raise

        mover = ChunkedMover(self._route, readers=self._readers, begin=self._begin, close=close)
        return mover.bring(blob, kept, lambda: check_stopped(stopped))

    def _in_one_piece(self, blob: Descriptor, stopped: Callable[[], bool]) -> int | None:
        throttled = accidents = 0
        while True:
            try:
                return self._transfer(blob, stopped)
            except _TokenRanOut as error:
                accidents += 1
                if accidents > 1:
                    raise error.__cause__ or error from None
            except _Throttled as error:
                throttled += 1  # the next request waits as long as it was asked to
                if throttled > len(PAUSES_S):
                    raise error.__cause__ or error from None
            except RegistryError as error:
                accidents += 1
                if accidents > 1 or not _is_worth_a_new_session(error):
                    raise

    def _transfer(self, blob: Descriptor, stopped: Callable[[], bool]) -> int | None:
        check_stopped(stopped)
        threads = self._threads if self._is_missing(blob) else None
        with Opening(lambda: self._readers.open(blob), threads) as opening:
            upload = self._begin(blob)
            if upload is None:
                return None
            check_stopped(stopped)
            started = self._clock.monotonic_s()
            reader = opening.reader()
            body = StoppableBody(reader, stopped, self._route.read)
            try:
                self._put(blob, upload, body, stopped)
            except (OutOfTime, Stopped) as error:
                self._cut_off(blob, len(reader) - body.left, self._clock.monotonic_s() - started, error)
            self._pace.note(len(reader), self._clock.monotonic_s() - started)
            return len(reader)

    def _is_missing(self, blob: Descriptor) -> bool:
        """Tell whether its bytes are wanted, whatever the POST will say: then the source is asked beside it."""
        return blob.digest not in self._begun and (self.is_new or blob.digest in self._missing)

    def _begin(self, blob: Descriptor) -> Upload | None:
        """Begin an upload, None when the blob is there."""
        if self._is_distrusted(blob):
            return self._destination.begin_upload()
        begun = self._begun.pop(blob.digest, None)
        if begun is not None:  # by a mount from elsewhere, which was no existence check
            is_large = blob.size >= CLAIMED_FROM and self._route.capabilities.mounts
            is_known_missing = blob.digest in self._missing and not is_large and self._route.mount_from is None
            return begun if is_known_missing or not self._is_there(blob) else None
        if self._route.capabilities.mounts:
            return self._destination.begin_upload(mount=blob.digest, mount_from=self._destination.name)
        return None if self._is_there(blob) else self._destination.begin_upload()

    def _put(self, blob: Descriptor, upload: Upload, body: StoppableBody, stopped: Callable[[], bool]) -> None:
        try:
            self._registry.put_blob(upload, blob.digest, body)
        except OutcomeUnknown:
            may_commit = body.left == 0 and len(body) >= LONG_COMMIT
            if not self._appears(blob, COMMIT_LOOKS_S if may_commit else COMMIT_LOOKS_S[:1], stopped):
                raise
        except Unauthorized as error:
            # Amazon ECR refuses a password that has ended with a 403. One that may not push is refused again.
            raise _TokenRanOut from error
        except RegistryUnavailable as error:
            if is_short_throttle(error):
                raise _Throttled from error
            raise

    def _cut_off(self, blob: Descriptor, moved: int, seconds: float, error: OutOfTime | Stopped) -> NoReturn:
        """Note how far a layer came that ended too soon; raise LayerUnfinished if it had most of the invocation."""
        self._pace.note(moved, seconds)
        if seconds < self._deadline.given_s * ENOUGH or blob.size < LARGE:
            raise error
        self._uploads.keep(KeptUpload(digest=blob.digest, size=blob.size, registry=self._registry.name))
        if isinstance(error, Stopped):
            raise error
        if self._registry.upload_limits.chunked and not self._refuses_chunks:
            why = "it goes in chunks from now on"
        else:
            why = f"{self._registry.name} takes a layer only in one piece, and it has to fit into one invocation"
        sent = f"{moved} of {blob.size} bytes were sent in {seconds:.0f} s when the invocation ended"
        raise LayerUnfinished(f"layer {blob.digest}: {sent}; {why}") from error

    def _is_there(self, blob: Descriptor) -> bool:
        return blob.fits(self._destination.head_blob(blob.digest))

    def _appears(self, blob: Descriptor, looks: tuple[float, ...], stopped: Callable[[], bool]) -> bool:
        for seconds in looks:
            self._clock.sleep(seconds)
            check_stopped(stopped)
            if self._is_there(blob):
                return True
        return False


def _is_worth_a_new_session(error: RegistryError) -> bool:
    """Tell whether it was an accident (a lost upload session, a broken connection), not a registry's decision."""
    is_broken = isinstance(error, RegistryUnavailable) and error.status is None
    return is_broken or any(code.startswith("BLOB_UPLOAD_") for code in error.codes)
