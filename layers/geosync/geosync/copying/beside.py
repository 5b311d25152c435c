"""Reads a large layer in a thread of its own, while another thread uploads it.

With both in one thread the source waits while the way out is busy, and the way out while the source is: a copy takes as
long as both together. A registry that stores in pieces (Distribution on S3: 10 MiB each) takes nothing while it stores
one. Such a pause is used to read ahead, into a ring (ring.py), and the hash is reckoned beside the sending, too. It
stays one GET, and the bytes are hashed in order, before the last of them is handed on.

Only a layer that goes alone is read so. Of several that go side by side each uses the pauses of the others, and more
threads only take the processor from each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from geosync.copying.ring import Ring
from geosync.copying.route import Route
from geosync.oci.memory import BESIDE_ROOM
from geosync.oci.ranges import Range
from geosync.oci.transport import BLOCK

MIB = 1024 * 1024

ALONE = 8 * MIB
"""Bytes after which a layer is seen to go alone: others that began with it have been measured by then, too."""


class LayerReader(Protocol):
    """A blob as it comes."""

    def __len__(self) -> int: ...

    def read(self, size: int = BLOCK, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        ...

    def close(self) -> None:
        """Give up what was not read."""
        ...

    def __enter__(self) -> LayerReader: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BesideReader:
    """Another reader, read ahead of whoever takes its bytes out; a context manager with `len()` and `read()`.

    `open_reader` opens that reader; it is given what tells how many bytes are ahead now. Raises as the other reader.
    """

    def __init__(self, route: Route, offset: int, open_reader: Callable[[Callable[[], int]], LayerReader]) -> None:
        self._route = route
        self._offset = self._position = offset
        self._ring: Ring | None = None
        self._thread: threading.Thread | None = None
        self._reader = open_reader(lambda: self._ring.held if self._ring is not None else 0)

    def __len__(self) -> int:
        return len(self._reader)

    def read(self, size: int = BLOCK, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        if self._ring is None and not self._begin_if_it_pays():
            data = self._reader.read(size)
            self._position += len(data)
            return data
        assert self._ring is not None  # noqa: S101 - it has begun
        return self._ring.read(size)

    def close(self) -> None:
        """End the reading, which takes as long as the block in flight, and give back the memory."""
        if self._ring is not None:
            self._ring.close()
        if self._thread is not None:
            self._thread.join()
        self._reader.close()
        if self._ring is not None:
            self._route.source.client.memory.beside.give_back(BESIDE_ROOM)

    def _begin_if_it_pays(self) -> bool:
        """Have a thread read from here on, if no other large layer is read, and there is memory for it."""
        rest = Range(self._position, self._offset + len(self._reader))
        if self._position < self._offset + ALONE or rest.end - rest.start < BESIDE_ROOM:
            return False
        if not self._route.connections.is_alone(self._reader):
            return False
        if not self._route.source.client.memory.beside.take_if_free(BESIDE_ROOM):
            return False
        route = self._route
        ring = Ring(rest, deadline=route.deadline, room=BESIDE_ROOM, threads=route.threads)

        def fill() -> None:
            try:
                ring.fill(self._reader, rest)
            except BaseException as error:  # noqa: BLE001 - a thread's edge: who takes the bytes raises it
                ring.fail(error)

        try:
            self._thread = route.threads.start(fill, name="beside")
        except RuntimeError:  # no thread can be started: it is read where it is sent
            route.source.client.memory.beside.give_back(BESIDE_ROOM)
            return False
        self._ring = ring
        return True

    def __enter__(self) -> BesideReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
