"""A server that answers a byte at a time, for ever, at the place that a test names; or that takes as slowly."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from types import TracebackType

MOST = 4096
"""Bytes after which it stops all the same: whoever waited for the end of it is found out, and not waited for."""

BEGINNINGS = {
    "status": b"",
    "reason": b"HTTP/1.1 200 ",
    "header": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "headers": b"HTTP/1.1 200 OK\r\n",
    "continue": b"",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nContent-Type: application/json\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    "chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
    "short body": b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
    "error body": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 60000\r\n\r\n",
}
REPEATED = {
    "headers": b"X-Another: 1\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "chunk size": b"1\r\n \r\n",
    "trailers": b"X-Another: 1\r\n",
}


class DribblingServer:
    """A context manager. `sent` counts the bytes after the beginning, `ended` says that it stopped by itself."""

    def __init__(self, place: str) -> None:
        self._beginning, self._repeated = BEGINNINGS[place], REPEATED.get(place, b" ")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.ended = False
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> DribblingServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                with contextlib.suppress(OSError):
                    self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.recv(65536)
        client.sendall(self._beginning)
        for byte in self._bytes():
            client.sendall(byte)
            # A pause, so that bytes come one by one: as many time-outs begin anew.
            if self._closing.wait(0.0005):
                return
        self.ended = True
        client.close()

    def _bytes(self) -> Iterator[bytes]:
        for position in range(MOST):
            yield self._repeated[position % len(self._repeated) :][:1]
