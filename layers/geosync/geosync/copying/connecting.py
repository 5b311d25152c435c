"""Connections that are opened while a holder reads what it owes and the first manifest: a copy finds them open.

After some seconds without work no connection is left (oci/idle_connections.py), and each new one costs two or three
rounds before its first request. The manifest's own is opened anyway. The blobs' GETs and POSTs, side by side, would
open theirs once it is read, and those of a storage to which the registry leads its readers a round later still.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType

from geosync.pair.pair import Pair
from geosync.threads import Threads

AHEAD = 4
"""Connections to each host: enough for what most pushes bring. Those that nobody uses cost their handshakes."""


class Connecting:
    """Opens connections to both registries of a pair while it is entered; afterwards no thread of it is alive."""

    def __init__(self, pair: Pair, threads: Threads, *, parallelism: int) -> None:
        self._pair = pair
        self._threads = threads
        self._most = min(AHEAD, parallelism)
        self._running: list[threading.Thread] = []

    def __enter__(self) -> Connecting:
        for repository in (self._pair.primary, self._pair.secondary):
            for connect in repository.client.connections_ahead(self._most):
                with suppress(RuntimeError):  # no thread can be had: a copy opens its connections itself
                    self._running.append(self._threads.start(connect, name="connecting"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for thread in self._running:
            thread.join()
