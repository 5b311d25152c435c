"""The memory that manifests and refusals take at one time: a budget for one invocation.

A copy that needs more than is left waits, and then goes on. Nobody waits while others wait for what it holds: all that
a step needs is taken at once, before the first byte is read, and given back when the step ends or waits. There is a
pool for each kind of step, in this order; who has a share of one waits only for shares of those after it:

    attempts    one reference from its look to its end: its own manifest, and one that refers to it
    graphs      what is below one reference while it is copied: as much as may be, where its manifest does not say less
    steps       one manifest below a reference, read, and what it refers to put into the graph; also where a thread that
                has a graph reads it by itself (copying/repair.py), though its attempt has a share already
    refusals    one body that says what is missing

The same holds for the lock of a fallback tag: who has it may wait for a share, so who waits for it gives its own back.

And `kept` holds manifests until what they refer to is there. Nobody waits for it: what does not fit is read again.
`rings` holds what several connections have read of a layer ahead of its upload. Nobody waits for it either: a layer for
which there is no room goes over one connection. `beside` holds what one has read ahead while the upload was busy.

What takes up to SMALL_BYTES is not counted. There is at most one of those for each thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from geosync.oci.deadline import Deadline
from geosync.oci.documents import SMALL_BYTES
from geosync.threads import SYSTEM_THREADS, Threads

MIB = 1024 * 1024
REFERRED_BYTES = 7 * MIB
"""What 10,000 descriptors take (MAX_REFERRED) while a graph takes them in. 85 bytes of a manifest are the least that
names one, and that one takes less than 8 times as much."""
ATTEMPTS_BYTES = STEPS_BYTES = 33 * MIB
"""Three of the largest manifests, 4 MiB and 7 MiB of descriptors each."""
GRAPH_BYTES = 12 * MIB
"""What 10,000 parts below one reference take in the graph, and 100,000 edges between them (copying/parts.py)."""
GRAPHS_BYTES = 4 * GRAPH_BYTES
"""Four indexes, or images of very many layers, at a time. An image whose manifest has at most SMALL_BYTES names at most
770 blobs, which take a twentieth of GRAPH_BYTES: it is not counted."""
REFUSALS_BYTES = 24 * MIB
"""One of the largest bodies: 8 MiB in the blocks that were read, in one piece, and the digests that it names."""
KEPT_BYTES = 16 * MIB
"""What a usual repository's references have below them, many times over."""
RINGS_BYTES = 32 * MIB
"""Two layers at a time (copying/ring.py)."""
BESIDE_ROOM = 8 * MIB
"""Bytes of one layer that are read ahead of its upload: most of what a registry stores at a time, and takes nothing."""
BESIDE_BYTES = BESIDE_ROOM
"""One layer at a time: only one that goes alone is read so (copying/beside.py)."""
LOOK_S = 1.0
"""Seconds between two looks at the deadline while a share is waited for."""


class Room:
    """So many bytes, taken where they are free, and given back. Thread-safe; no method blocks: locks may be held."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self.held = 0
        """Bytes that are taken now."""
        self.most_held = 0
        """The most that ever were."""

    def take_if_free(self, size: int) -> bool:
        """Take `size` bytes, or return False."""
        with self._lock:
            if self.held + size > self._limit:
                return False
            self.held += size
            self.most_held = max(self.most_held, self.held)
            return True

    def give_back(self, size: int) -> None:
        """Give back bytes that were taken."""
        with self._lock:
            self.held -= size


class Pool:
    """So many bytes, taken and given back; first come, first served. Thread-safe."""

    def __init__(self, limit: int, threads: Threads = SYSTEM_THREADS) -> None:
        self._limit = limit
        self._condition = threads.condition()
        self._waiting: deque[object] = deque()
        self.held = 0
        """Bytes that are taken now."""
        self.most_held = 0
        """The most that ever were."""

    def take(self, size: int, deadline: Deadline) -> None:
        """Wait until `size` bytes are free, and take them; more than there are in all are given to one alone.

        Raises OutOfTime at the deadline.
        """
        ticket = object()
        with self._condition:
            self._waiting.append(ticket)
            try:
                while self._waiting[0] is not ticket or not self._fits(size):
                    deadline.check()
                    self._condition.wait(LOOK_S)
                self.held += size
                self.most_held = max(self.most_held, self.held)
            finally:
                self._waiting.remove(ticket)
                self._condition.notify_all()

    def give_back(self, size: int) -> None:
        """Give back bytes that were taken."""
        with self._condition:
            self.held -= size
            self._condition.notify_all()

    def _fits(self, size: int) -> bool:
        return self.held + size <= self._limit or not self.held


@dataclass(slots=True, kw_only=True)
class _Share:
    """The part of a pool that one thread has for one step; nothing is taken before something large is read."""

    pool: Pool
    deadline: Deadline
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The budget of one invocation, for all clients of its process. Thread-safe."""

    attempts: Pool = field(default_factory=lambda: Pool(ATTEMPTS_BYTES))
    graphs: Pool = field(default_factory=lambda: Pool(GRAPHS_BYTES))
    steps: Pool = field(default_factory=lambda: Pool(STEPS_BYTES))
    refusals: Pool = field(default_factory=lambda: Pool(REFUSALS_BYTES))
    kept: Room = field(default_factory=lambda: Room(KEPT_BYTES))
    rings: Room = field(default_factory=lambda: Room(RINGS_BYTES))
    beside: Room = field(default_factory=lambda: Room(BESIDE_BYTES))
    _local: threading.local = field(default_factory=threading.local, repr=False)

    @classmethod
    def of(cls, threads: Threads) -> Memory:
        """Make a budget whose pools `threads` wait for."""
        return cls(
            attempts=Pool(ATTEMPTS_BYTES, threads),
            graphs=Pool(GRAPHS_BYTES, threads),
            steps=Pool(STEPS_BYTES, threads),
            refusals=Pool(REFUSALS_BYTES, threads),
        )

    @contextmanager
    def attempt(self, deadline: Deadline) -> Iterator[None]:
        """Have what `need` takes in this thread be taken from `attempts`, until the end."""
        with self._shared(self.attempts, deadline):
            yield

    @contextmanager
    def step(self, deadline: Deadline) -> Iterator[None]:
        """Have what `need` takes in this thread be taken from `steps`, until the end; within an attempt, from that."""
        if getattr(self._local, "share", None) is not None:
            yield
            return
        with self._shared(self.steps, deadline):
            yield

    @contextmanager
    def graph(self, size: int, deadline: Deadline, *, is_wide: bool) -> Iterator[None]:
        """Have what is below a manifest of `size` bytes in memory, until the end; waits. Raises OutOfTime.

        `is_wide`: there may be more below it than it names (an index: how much is known when all of it was read).
        What `need` takes in this thread meanwhile is taken from `steps`: those who have the attempts may wait for a
        graph.
        """
        needed = GRAPH_BYTES if is_wide or size > SMALL_BYTES else 0
        if needed:
            self.graphs.take(needed, deadline)
        try:
            with self._shared(self.steps, deadline):
                yield
        finally:
            if needed:
                self.graphs.give_back(needed)

    def need(self, size: int, beside: int = REFERRED_BYTES) -> None:
        """Take what a manifest of `size` bytes needs, unless this thread's step has as much; waits. Raises OutOfTime.

        `beside` is the most that is made of it, in bytes. Outside of a step nothing is taken.
        """
        share: _Share | None = getattr(self._local, "share", None)
        if share is None or size <= SMALL_BYTES:
            return
        needed = min(8 * size, size + beside)
        if needed > share.size:
            # Who waits holds nothing: two that each have a part of what both want would wait for ever.
            before, share.size = share.size, 0
            share.pool.give_back(before)
            share.pool.take(needed, share.deadline)
            share.size = needed

    def give_back(self) -> None:
        """Give back what this thread's step has, before it waits for something else; an attempt keeps its share.

        What the step needs later is taken anew.
        """
        share: _Share | None = getattr(self._local, "share", None)
        if share is not None and share.pool is self.steps:
            before, share.size = share.size, 0
            share.pool.give_back(before)

    @contextmanager
    def refusal(self, size: int, deadline: Deadline) -> Iterator[None]:
        """Have a body of `size` bytes that says what is missing in memory; waits. Raises OutOfTime."""
        needed = 3 * size if size > SMALL_BYTES else 0
        if needed:
            self.refusals.take(needed, deadline)
        try:
            yield
        finally:
            if needed:
                self.refusals.give_back(needed)

    @contextmanager
    def _shared(self, pool: Pool, deadline: Deadline) -> Iterator[None]:
        outer: _Share | None = getattr(self._local, "share", None)
        share = self._local.share = _Share(pool=pool, deadline=deadline)
        try:
            yield
        finally:
            self._local.share = outer
            if share.size:
                pool.give_back(share.size)
