"""Several nodes of one registry behind one address: each request goes to the next node, on a kept connection.

A client that depends on hitting the same node twice fails here every time, and not once in a while.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.support.proxy import CountingProxy
from tests.support.wire import CutOff, Wire


class RoundRobinProxy(CountingProxy):
    """A counting proxy before several registries; `served` is how many requests each of them got."""

    def __init__(self, upstreams: Sequence[str]) -> None:
        self._nodes = [(urlsplit(one).hostname or "", urlsplit(one).port or 80) for one in upstreams]
        self._next = itertools.count()
        self.served: Counter[int] = Counter()
        super().__init__(upstreams[0])

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(client)
        nodes: dict[int, Wire] = {}
        try:
            while self._running:
                number = next(self._next) % len(self._nodes)
                if number not in nodes:
                    nodes[number] = Wire(socket.create_connection(self._nodes[number]))
                    nodes[number].socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with self._lock:
                        self._open.add(nodes[number].socket)
                if not self._exchange(wire, nodes[number]):
                    break
                self.served[number] += 1
        except (OSError, EOFError, CutOff):
            pass
        finally:
            for one in (client, *(node.socket for node in nodes.values())):
                with self._lock:
                    self._open.discard(one)
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
