"""A server that answers as it is told, for what no well-behaved registry does: lies, cuts, redirects, silence.

with ScriptedServer(lambda request: Reply(404)) as server:
    …
    assert [one.target for one in server.requests] == [...]
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from tests.support.wire import Wire, split_head


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came in; header names in lower case. `connection` numbers the connections from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes out. `length` is the Content-Length to announce (None: the body's; -1: none at all).

    `chunked` sends the body in chunks; `cut` closes the connection after so many bytes of the body; `close` after the
    answer; `silent` answers nothing and closes; `hang` answers nothing and waits for the test's end.
    """

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    length: int | None = None
    chunked: bool = False
    cut: int | None = None
    close: bool = False
    silent: bool = False
    hang: bool = False


Script = Callable[[Request], Reply]


@dataclass
class ScriptedServer:
    """One script for every request, in threads of its own; a context manager.

    `broken` is told of a request whose body ended too soon, with what came of it.
    """

    script: Script
    requests: list[Request] = field(default_factory=list)
    broken: Callable[[Request], None] = lambda request: None
    address: str = "127.0.0.1"

    def __post_init__(self) -> None:
        self._listener = socket.create_server((self.address, 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connections = 0
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def host(self) -> str:
        return f"{self.address}:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def drop_connections(self) -> None:
        """Close every connection that is open now, as a server does with idle ones."""
        with self._lock:
            still_open = list(self._open)
        for one in still_open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self.drop_connections()
        for thread in self._threads:
            thread.join(timeout=5)

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(client)
                self._connections += 1
                number = self._connections
            thread = threading.Thread(target=self._serve, args=(client, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, number: int) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(client)
        try:
            while self._answer(wire, number):
                pass
        except (OSError, EOFError):
            pass
        finally:
            with self._lock:
                self._open.discard(client)
            client.close()

    def _answer(self, wire: Wire, number: int) -> bool:
        """Answer one request as the script says; False: the connection ends here."""
        request = self._read(wire, number)
        with self._lock:
            self.requests.append(request)
        reply = self.script(request)
        if reply.hang:
            self._ended.wait(30)
            return False
        if reply.silent:
            return False
        lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in reply.headers)]
        length = len(reply.body) if reply.length is None else reply.length
        if reply.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif length >= 0:
            lines.append(f"Content-Length: {length}")
        wire.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if request.method != "HEAD":
            _send_body(wire, reply)
        return not (reply.close or reply.cut is not None or length < 0)

    def _read(self, wire: Wire, number: int) -> Request:
        """Read one request; of one that breaks off, `broken` hears."""
        first, headers = split_head(wire.head())
        method, target, _ = first.split(" ", 2)
        left = int(headers.get("content-length", "0"))
        body = bytearray()
        try:
            while left > len(body):
                body += wire.read(left - len(body))
        except (OSError, EOFError):
            self.broken(Request(method=method, target=target, headers=headers, body=bytes(body), connection=number))
            raise
        return Request(method=method, target=target, headers=headers, body=bytes(body), connection=number)


def _send_body(wire: Wire, reply: Reply) -> None:
    body = reply.body if reply.cut is None else reply.body[: reply.cut]
    if not reply.chunked:
        wire.send(body)
        return
    for start in range(0, len(body), 1000):
        part = body[start : start + 1000]
        wire.send(b"%x\r\n%s\r\n" % (len(part), part))
    if reply.cut is None:
        wire.send(b"0\r\n\r\n")
