"""The memory that manifests and refusals take at one time: a budget for one invocation.

A copy that needs more than is left waits. No two wait for each other: a step takes all that it needs at once, before
the first byte is read, and gives it back when it ends or waits. There is a pool for each kind of step, in this order.
Whoever has a share of one pool waits only for shares of the pools after it:

    attempts    one reference from its look to its end: its own manifest, and one that refers to it
    graphs      what is below one reference while it is copied: the most that can be, but for a small image manifest
    steps       one manifest below a reference, until its descriptors are in the graph; also where a thread that has a
                graph reads it by itself (copying/repair.py), though its attempt has a share already
    refusals    one body that names what is missing

The same rule holds for the lock of a fallback tag: its holder may wait for a share, so whoever waits for the lock gives
back its own share.

Nobody waits for the other three. `kept` holds manifests until what they refer to is there; one that does not fit is
read again. `rings` holds what several connections have read of a layer ahead of its upload; without room, the layer
goes over one connection. `beside` holds what one connection has read ahead while the upload was busy.

What takes up to SMALL_BYTES is not counted: each thread has at most one of those.
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
"""10,000 descriptors (MAX_REFERRED) while they go into a graph. Each has at least 85 bytes in the manifest, and takes
less than 8 times as much in memory."""
ATTEMPTS_BYTES = STEPS_BYTES = 33 * MIB
"""Three of the largest manifests, 4 MiB and 7 MiB of descriptors each."""
GRAPH_BYTES = 12 * MIB
"""10,000 parts below one reference in the graph, and 100,000 edges between them (copying/parts.py)."""
GRAPHS_BYTES = 4 * GRAPH_BYTES
"""Four indexes, or images of very many layers, at a time. An image whose manifest has at most SMALL_BYTES names at most
770 blobs, which take a twentieth of GRAPH_BYTES: it is not counted."""
REFUSALS_BYTES = 24 * MIB
"""One of the largest bodies: 8 MiB in the blocks that were read, in one piece, and the digests that it names."""
KEPT_BYTES = 16 * MIB
"""Many times what is below the references of a usual repository."""
RINGS_BYTES = 32 * MIB
"""Two layers at a time (copying/ring.py)."""
BESIDE_ROOM = 8 * MIB
"""Bytes of one layer read ahead of its upload: most of what a registry stores at once, taking none meanwhile."""
BESIDE_BYTES = BESIDE_ROOM
"""One layer at a time: only one that is copied alone is read so (copying/beside.py)."""
LOOK_S = 1.0
"""Seconds between two checks of the deadline while a share is waited for."""


class Room:
    """A budget of bytes that nobody waits for. Thread-safe; no method blocks, so locks may be held."""

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
    """A budget of bytes that threads wait for; first come, first served. Thread-safe."""

    def __init__(self, limit: int, threads: Threads = SYSTEM_THREADS) -> None:
        self._limit = limit
        self._condition = threads.condition()
        self._waiting: deque[object] = deque()
        self.held = 0
        """Bytes that are taken now."""
        self.most_held = 0
        """The most that ever were."""

    def take(self, size: int, deadline: Deadline) -> None:
        """Wait until `size` bytes are free, and take them; more than the whole pool are given to one thread alone.

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
        """Make a budget whose pools wait on what `threads` make."""
        return cls(
            attempts=Pool(ATTEMPTS_BYTES, threads),
            graphs=Pool(GRAPHS_BYTES, threads),
            steps=Pool(STEPS_BYTES, threads),
            refusals=Pool(REFUSALS_BYTES, threads),
        )

    @contextmanager
    def attempt(self, deadline: Deadline) -> Iterator[None]:
        """Let `need` take from `attempts` in this thread, until the end."""
        with self._shared(self.attempts, deadline):
            yield

    @contextmanager
    def step(self, deadline: Deadline) -> Iterator[None]:
        """Let `need` take from `steps` in this thread, until the end; within an attempt, as part of that."""
        if getattr(self._local, "share", None) is not None:
            yield
            return
        with self._shared(self.steps, deadline):
            yield

    @contextmanager
    def graph(self, size: int, deadline: Deadline, *, is_wide: bool) -> Iterator[None]:
        """Take the memory for what is below a manifest of `size` bytes, until the end; waits. Raises OutOfTime.

        `is_wide`: more may be below it than it names, as below an index. Meanwhile `need` takes from `steps` in this
        thread: those who have a share of `attempts` may wait for a graph.
        """
        needed = GRAPH_BYTES if is_wide or size > SMALL_BYTES else 0
        with _taken(self.graphs, needed, deadline), self._shared(self.steps, deadline):
            yield

    def need(self, size: int, beside: int = REFERRED_BYTES) -> None:
        """Take what a manifest of `size` bytes needs, unless this thread's step has as much; waits. Raises OutOfTime.

        `beside` is the most that is made of it, in bytes. Outside of a step nothing is taken.
        """
        share: _Share | None = getattr(self._local, "share", None)
        if share is None or size <= SMALL_BYTES:
            return
        needed = min(8 * size, size + beside)
        if needed > share.size:
            # A thread that waits holds nothing: two that each hold a part of what both need would wait for ever.
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
        """Take the memory for a refusal's body of `size` bytes, until the end; waits. Raises OutOfTime."""
        with _taken(self.refusals, 3 * size if size > SMALL_BYTES else 0, deadline):
            yield

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


@contextmanager
def _taken(pool: Pool, size: int, deadline: Deadline) -> Iterator[None]:
    """Take `size` bytes of a pool, until the end; waits, unless they are none. Raises OutOfTime."""
    if not size:
        yield
        return
    pool.take(size, deadline)
    try:
        yield
    finally:
        pool.give_back(size)
