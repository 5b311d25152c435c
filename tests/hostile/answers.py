"""A registry whose answers are bytes, sent on a socket of this process: any bytes, and no server that waits.

Each connection gets the next answers of a script, one for each request; the last one is given again and again.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.hostile.fuzzing import SECRET
from tests.support.clock import FakeClock

from geosync.oci import addresses
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Basic
from geosync.oci.deadline import Deadline
from geosync.oci.options import ClientOptions
from geosync.threads import Threads

MOST_CONNECTIONS = 30
"""One verb asks at most: twice for a token, four times through 429, five redirects, and three times for a rest. A
listing may go on: its pages end with the time that there is."""
HOST = "registry.example.com"


def one(status: int, *headers: str, body: bytes = b"") -> bytes:
    """Make the bytes of one answer."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


class Waits(Threads):
    """Threads whose waits move a test's clock: no other thread could end them."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def condition(self) -> threading.Condition:
        condition = threading.Condition()

        def wait(timeout: float | None = None) -> bool:
            assert timeout is not None
            self._clock.sleep(timeout)
            return False

        condition.wait = wait  # type: ignore[method-assign]
        return condition


class Answers:
    """Replaces connections: `script` gives the bytes of the next answer."""

    def __init__(self, script: Sequence[bytes] | Callable[[int], bytes], clock: FakeClock) -> None:
        self._script = script
        self._clock = clock
        self.connections = 0
        self._open: list[socket.socket] = []

    def next(self) -> bytes:
        number, self.connections = self.connections, self.connections + 1
        self._clock.pass_(1)
        if callable(self._script):
            return self._script(number)
        return self._script[min(number, len(self._script) - 1)]

    def connect(self, *_: object, **__: object) -> socket.socket:
        content = self.next()
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        theirs.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            theirs.sendall(content)
        theirs.shutdown(socket.SHUT_WR)
        self._open.append(theirs)
        return ours

    def close(self) -> None:
        for one in self._open:
            one.close()


@contextlib.contextmanager
def answering(script: Sequence[bytes] | Callable[[int], bytes], *, seconds: float = 25.0) -> Iterator[RegistryClient]:
    """Make a client of a registry with these answers; each connection takes one of its `seconds`."""
    clock = FakeClock()
    answers, deadline = Answers(script, clock), Deadline(clock)
    deadline.set(seconds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "connect", answers.connect)
        options = ClientOptions(threads=Waits(clock))
        client = RegistryClient(
            f"http://{HOST}", Basic(username="geo", password=SECRET), deadline=deadline, writes=True, options=options
        )
        try:
            yield client
        finally:
            client.close()
            assert answers.connections <= MOST_CONNECTIONS, "it asks again and again"
            answers.close()
