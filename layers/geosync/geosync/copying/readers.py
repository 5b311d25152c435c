"""The bytes of one blob at the source: over one connection, or of a large layer over several where that pays.

A large layer is begun with one GET. While it is read it is measured (pair/connections.py). If that connection is slower
than the way out, others read the ranges ahead into a ring (ring.py), and the first one stops where they began: not
before one of them has shown that the registry gives exactly the range that it was asked for. Where several paid lately,
a layer is begun with them.

The upload stays one, in order, and so does the hash: the digest proves the parts of all connections together. Where the
source fails one of them, one connection goes on from the byte that is wanted next. Whatever else goes wrong with
several, the layer is read again over one (LayerReaders.narrow), and that one's word counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from geosync.copying.beside import BesideReader, LayerReader
from geosync.copying.ring import ROOM, Ring
from geosync.copying.route import Route
from geosync.errors import ContentError, GeosyncError, OutOfTime, RegistryUnavailable
from geosync.oci.blobs import BlobReader
from geosync.oci.manifests import Descriptor
from geosync.oci.ranges import Range, RangeRefused
from geosync.oci.transport import BLOCK

MIB = 1024 * 1024

LARGE = 32 * MIB
"""Bytes from which a layer, or what is left of it, may be read over several connections."""
BUFFERED = 4 * MIB
"""Bytes at the beginning that say nothing: the sockets take them, however slow the way out is."""
STRETCH = 2 * MIB
"""Bytes by which one connection is judged then, again and again."""
AHEAD = 2 * MIB
"""Bytes that the first connection reads yet while the others begin."""
PROOF_S = 2.0
"""Seconds that the first connection waits there for the first answer to a range: longer, and it goes on alone."""


class SeveralFailed(GeosyncError):
    """A layer that was read over several connections has to be read again over one; no caller of the copier sees it."""


class LayerReaders:
    """Opens blobs of one repository. Thread-safe."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._narrow: set[str] = set()

    def open(self, blob: Descriptor, *, offset: int = 0) -> LayerReader:
        """Begin to read `blob` from `offset` on. Raises as `Repository.open_blob`, and `read` SeveralFailed as well.

        That says that several connections did not bring it: begin anew, after `narrow`. A large one that goes alone is
        read beside whoever sends it on.
        """
        if blob.size - offset < LARGE:
            return self._route.source.open_blob(blob, offset=offset)

        def open_large(ahead: Callable[[], int] = lambda: 0) -> LayerReader:
            connections = self._route.connections
            if blob.digest in self._narrow or connections.is_doubted(blob.digest) or connections.is_refused:
                return self._route.source.open_blob(blob, offset=offset)
            return WideReader(self._route, blob, offset, ahead)

        # A bandwidth says how many bytes may be read, so none are ahead.
        return BesideReader(self._route, offset, open_large) if self._route.bandwidth is None else open_large()

    def narrow(self, blob: Descriptor) -> None:
        """Read `blob` over one connection from now on, and others for a while."""
        self._narrow.add(blob.digest)
        self._route.connections.give_up()

    def blame(self, failed: SeveralFailed) -> None:
        """Note that one connection brought what several did not."""
        if isinstance(failed.__cause__, ContentError | RangeRefused):
            self._route.connections.refuse(str(failed.__cause__))


class WideReader:
    """A large layer as it comes; a context manager with `len()` and `read()`, as a BlobReader. For one thread.

    `taken_ahead` tells how many of the bytes that were read are still to be sent on.
    """

    def __init__(self, route: Route, blob: Descriptor, offset: int, taken_ahead: Callable[[], int]) -> None:
        self._route = route
        self._taken_ahead = taken_ahead
        self._blob = blob
        self._judged_from = offset + BUFFERED
        self._clock = route.clock
        self._ahead: _Ahead | None = None
        self._is_wide = False
        self._began_s = 0.0
        self._stretch = _Stretch()
        self._reader = self._begin(offset)

    def __len__(self) -> int:
        return len(self._reader)

    def read(self, size: int = BLOCK, /) -> bytes:
        """Return up to `size` bytes, b"" at the end. Raises as a BlobReader, and SeveralFailed."""
        ahead = self._ahead
        if ahead is not None and not ahead.has_stopped and not self._is_wide:
            if self._reader.position == ahead.start:
                self._go_over(ahead)
            else:
                size = min(size, ahead.start - self._reader.position)
        before_s = self._clock.monotonic_s()
        data = self._read_wide(size) if self._is_wide else self._read_narrow(size)
        self._stretch.add(len(data), before_s, self._clock.monotonic_s())
        if self._stretch.size >= STRETCH:
            self._judge()
        return data

    def close(self) -> None:
        """End all connections; no thread of this object is alive then."""
        self._route.connections.leave(self)
        if self._ahead is not None:
            self._ahead.stop()
        self._reader.close()
        if self._ahead is not None:
            self._ahead.close()

    def __enter__(self) -> WideReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, offset: int) -> BlobReader:
        connections, source = self._route.connections, self._route.source
        if connections.begin() and (ahead := self._begin_ahead(offset, connections.most)) is not None:
            try:
                if self._is_wide_now(ahead):
                    return BlobReader(ahead.ring, self._blob, source.blob_source(self._blob), offset=offset)
                return source.open_blob(self._blob, offset=offset)
            except BaseException:
                ahead.stop()
                ahead.close()
                raise
        return source.open_blob(self._blob, offset=offset)

    def _begin_ahead(self, start: int, connections: int) -> _Ahead | None:
        """Have others read from `start` on, if there is memory for it."""
        if self._route.source.client.memory.rings.take_if_free(ROOM):
            self._ahead = _Ahead(self._route, self._blob, start, connections)
        return self._ahead

    def _go_over(self, ahead: _Ahead) -> None:
        """Leave the rest to the others, now that the first connection is where they began, if they can have it."""
        if self._is_wide_now(ahead):
            self._reader.go_on_with(ahead.ring)
            ahead.join_in()

    def _is_wide_now(self, ahead: _Ahead) -> bool:
        """Wait for the proof that the others read what they are asked for; where it does not come, they stop."""
        if ahead.ring.wait_for_proof(PROOF_S):
            self._is_wide, self._began_s = True, self._clock.monotonic_s()
            self._route.connections.join(self._blob.digest)
        else:
            ahead.stop()
            self._route.connections.give_up()
        return self._is_wide

    def _read_narrow(self, size: int) -> bytes:
        data = self._reader.read(size)
        if self._ahead is not None and not self._reader.left and isinstance(self._ahead.ring.error, RangeRefused):
            self._route.connections.refuse(str(self._ahead.ring.error))
        return data

    def _judge(self) -> None:
        """Note how fast the layer goes; have others join if its one connection is slower than the way out."""
        connections = self._route.connections
        stretch, self._stretch = self._stretch, _Stretch()
        if self._reader.position <= self._judged_from or stretch.seconds <= 0:
            return
        connections.note_rate(self, stretch.size / stretch.seconds, several=self._is_wide)
        if self._ahead is not None or not self._reader.gives_ranges or self._reader.left - AHEAD < ROOM:
            return
        if self._taken_ahead() > STRETCH:  # the way out is slower, however seldom the reading had to wait for it yet
            return
        if connections.are_worth(stretch.size, stretch.read_s, stretch.sent_s, self):
            self._begin_ahead(self._reader.position + AHEAD, connections.most - 1)

    def _read_wide(self, size: int) -> bytes:
        ahead = self._ahead
        assert ahead is not None  # noqa: S101 - it is wide with them
        try:
            try:
                data = self._reader.read(size)
            except RegistryUnavailable:
                if ahead.has_stopped:
                    raise
                self._go_on_alone(ahead)
                data = self._reader.read(size)
        except OutOfTime:
            raise
        except GeosyncError as error:
            raise SeveralFailed(f"{self._blob.digest}, over several connections: {error}") from error
        if data and not self._reader.left and not ahead.has_stopped:
            self._route.connections.note(ahead.ring.length, self._clock.monotonic_s() - self._began_s, self)
        return data

    def _go_on_alone(self, ahead: _Ahead) -> None:
        """Read the rest over one connection: the source failed one of several. What was read counts, and its hash."""
        ahead.stop()
        self._route.connections.give_up()
        rest = Range(self._reader.position, self._blob.size)
        self._reader.go_on_with(self._route.source.open_range(self._blob, rest))


class _Ahead:
    """The connections that read a layer from `start` on, a range each at a time, into a ring."""

    def __init__(self, route: Route, blob: Descriptor, start: int, connections: int) -> None:
        self.start = start
        self.ring = Ring(Range(start, blob.size), deadline=route.deadline, threads=route.threads)
        self.has_stopped = False
        self._route = route
        self._blob = blob
        self._threads: list[threading.Thread] = []
        try:
            for _ in range(connections):
                self.join_in()
        except BaseException:
            self.stop()
            self.close()
            raise

    def join_in(self) -> None:
        """Have one more connection read."""
        name = f"range-{len(self._threads)}"
        self._threads.append(self._route.threads.start(self._fill, name=name))

    def stop(self) -> None:
        """Have all of them end after the request or block that they are at. Does not wait."""
        self.has_stopped = True
        self.ring.close()

    def close(self) -> None:
        """Wait until all of them have ended, and give back the memory."""
        for thread in self._threads:
            thread.join()
        self._route.source.client.memory.rings.give_back(ROOM)

    def _fill(self) -> None:
        try:
            while (wanted := self.ring.claim()) is not None:
                reader = self._route.source.open_range(self._blob, wanted)
                try:
                    self.ring.prove()
                    self.ring.fill(reader, wanted)
                finally:
                    reader.close()
        except BaseException as error:  # noqa: BLE001 - a thread's edge: who takes the bytes raises it
            self.ring.fail(error)


class _Stretch:
    """A part of a layer: its bytes, the seconds to read them, and those in between, in which they are sent on."""

    def __init__(self) -> None:
        self.size = 0
        self.read_s = self.sent_s = 0.0
        self._ended_s: float | None = None

    @property
    def seconds(self) -> float:
        """The time that it took in all."""
        return self.read_s + self.sent_s

    def add(self, size: int, began_s: float, ended_s: float) -> None:
        self.size += size
        self.read_s += ended_s - began_s
        if self._ended_s is not None:
            self.sent_s += began_s - self._ended_s
        self._ended_s = ended_s
