"""The part of a layer that is read ahead: several threads put it in, in any order, and one takes it out in order.

It is bounded. Nothing is read that lies further than `room` bytes ahead of what was taken out. So the reader of the
next bytes always has room for them, and no threads wait in a circle.
"""

from __future__ import annotations

from typing import Protocol

from geosync.oci.deadline import Deadline
from geosync.oci.memory import LOOK_S
from geosync.oci.ranges import Range
from geosync.oci.transport import BLOCK
from geosync.threads import SYSTEM_THREADS, Threads

MIB = 1024 * 1024

ROOM = 16 * MIB
"""Bytes of one layer that are ahead. Two layers take all that there is (memory.RINGS_BYTES)."""
PIECE = 4 * MIB
"""Bytes of a range: one for each connection is ahead. At 20 MiB/s its answer may take 20 ms for a tenth of its time."""


class Reader(Protocol):
    """A giver of the bytes that are put in."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, never none: it raises instead."""
        ...


class Ring:
    """The bytes of `whole` on their way. Thread-safe; one thread takes them out with `read`, which is a Stream's."""

    def __init__(
        self,
        whole: Range,
        *,
        deadline: Deadline,
        room: int = ROOM,
        piece: int = PIECE,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._whole = whole
        self._deadline = deadline
        self._room = room
        self._piece = piece
        self._changed = threads.condition()
        self._taken = self._claimed = whole.start
        self._blocks: dict[int, bytes] = {}
        self._error: BaseException | None = None
        self._closed = False
        self._is_proved = False
        self.held = self.most_held = 0
        """Bytes that are in memory, or are being read, now; the most that ever were."""

    @property
    def length(self) -> int:
        """The bytes of the whole."""
        return self._whole.end - self._whole.start

    # ------------------------------------------------------------------------------------------ who puts bytes in

    def claim(self) -> Range | None:
        """The next range for this thread to read; waits until its first bytes are wanted. None: there is none."""
        with self._changed:
            while not self._closed and self._claimed < self._whole.end:
                if self._claimed < self._taken + self._room:
                    start = self._claimed
                    self._claimed = min(start + self._piece, self._whole.end)
                    return Range(start, self._claimed)
                self._changed.wait(LOOK_S)
            return None

    def prove(self) -> None:
        """Note that the registry gave a range exactly as it was asked for."""
        with self._changed:
            self._is_proved = True
            self._changed.notify_all()

    def reserve(self, offset: int, size: int) -> bool:
        """Wait for room for `size` bytes at `offset`, and take it; False: they are no longer wanted."""
        with self._changed:
            while not self._closed:
                if offset + size <= self._taken + self._room:
                    self.held += size
                    self.most_held = max(self.most_held, self.held)
                    return True
                self._changed.wait(LOOK_S)
            return False

    def put(self, offset: int, block: bytes, *, reserved: int) -> None:
        """Put in the bytes at `offset`, for which there were `reserved`."""
        with self._changed:
            self.held -= reserved - len(block)
            self._blocks[offset] = block
            self._changed.notify_all()

    def fill(self, reader: Reader, wanted: Range) -> None:
        """Put in the bytes of a range as `reader` gives them, each block once there is room for it.

        Ends early when nobody wants them any more. Raises what the reader raises.
        """
        at = wanted.start
        while at < wanted.end:
            size = min(BLOCK, wanted.end - at)
            if not self.reserve(at, size):
                return
            block = reader.read(size)
            self.put(at, block, reserved=size)
            at += len(block)

    def fail(self, error: BaseException) -> None:
        """Have `read` raise `error`, and stop the threads that put bytes in."""
        with self._changed:
            self._error = self._error or error
            self._closed = True
            self._changed.notify_all()

    # ----------------------------------------------------------------------------------------- who takes bytes out

    def wait_for_proof(self, seconds: float) -> bool:
        """Wait until a range was given as it was asked for; False: none was, within `seconds`, or something failed."""
        clock = self._deadline.clock
        end_s = clock.monotonic_s() + seconds
        with self._changed:
            while not self._is_proved and not self._closed and (left_s := end_s - clock.monotonic_s()) > 0:
                self._deadline.check()
                self._changed.wait(min(left_s, LOOK_S))
            return self._is_proved and self._error is None

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, waited for; b"" at the end. Raises OutOfTime, and what was given to `fail`."""
        with self._changed:
            while (block := self._blocks.pop(self._taken, None)) is None:
                if self._error is not None:
                    raise self._error
                if self._taken == self._whole.end:
                    return b""
                self._deadline.check()
                self._changed.wait(LOOK_S)
            if len(block) > size:
                self._blocks[self._taken + size] = block[size:]
                block = block[:size]
            self._taken += len(block)
            self.held -= len(block)
            self._changed.notify_all()
            return block

    @property
    def error(self) -> BaseException | None:
        """The error that was given to `fail`."""
        return self._error

    def close(self) -> None:
        """Stop the threads that put bytes in, and forget what is in it."""
        with self._changed:
            self._closed = True
            self._blocks.clear()
            self._changed.notify_all()
