"""Connections that are kept to be used again, and the test that says which of them still can be."""

from __future__ import annotations

import http.client
import select
import socket
import threading

from geosync.clock import Clock

#: A kept connection that idled longer is not used again: servers and the boxes before them close idle ones (AWS's load
#: balancers after 60 s, nginx after 75, some after 15), and a write must not find that out. On the wall clock, because
#: the monotonic one may stand still while an execution environment is frozen.
MAX_IDLE_S = 10.0


class IdleConnections:
    """The idle connections to one origin, at most `limit`, the last used first; after `close`, none is kept."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._idle: list[tuple[int, http.client.HTTPConnection]] = []
        self._limit = limit
        self._clock = clock
        self._closed = False
        self._lock = threading.Lock()

    def take(self) -> http.client.HTTPConnection | None:
        """Return a connection that can be used, None where there is none; close those that cannot."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since_ms, connection = self._idle.pop()
            idle_ms = self._clock.now_ms() - since_ms
            if 0 <= idle_ms <= MAX_IDLE_S * 1000 and not _is_readable(connection):
                return connection
            connection.close()

    def __len__(self) -> int:
        """The number of those that have not idled for too long."""
        now_ms = self._clock.now_ms()
        with self._lock:
            return sum(now_ms - since_ms <= MAX_IDLE_S * 1000 for since_ms, _ in self._idle)

    def put(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection whose answer was read to the end, or close it where there are enough."""
        with self._lock:
            if len(self._idle) < self._limit and not self._closed:
                self._idle.append((self._clock.now_ms(), connection))
                return
        connection.close()

    def close(self) -> None:
        """Close all of them, and every one that is put here later."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for _, connection in idle:
            connection.close()


def _is_readable(connection: http.client.HTTPConnection) -> bool:
    """Tell whether an idle connection has something to read: it was closed, or sends what nobody asked for."""
    wire: socket.socket | None = connection.sock
    if wire is None:
        return True
    poll = select.poll()
    poll.register(wire, select.POLLIN)
    return bool(poll.poll(0))
