"""A proxy in front of a registry that counts every request on the wire and breaks those it is told to break.

It speaks HTTP/1.1 over raw sockets, one thread per client connection, one kept connection to the registry for each of
them, and moves bodies in large blocks: it must not be what a timing measures.

    with CountingProxy(registry.url) as proxy:
        client = RegistryClient(proxy.url, …)
        proxy.add(Status(503, path_class="blob", method="GET", nth=2, headers={"Retry-After": "1"}))
        …
        assert proxy.counts() == {("POST", "uploads"): 3, …}
"""

from __future__ import annotations

import contextlib
import math
import re
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

from tests.support.wire import CutOff, Wire, split_head

_CLASSES = (
    ("ping", re.compile(r"/v2/?")),
    ("catalog", re.compile(r"/v2/_catalog")),
    ("tags", re.compile(r"/v2/.+/tags/list")),
    ("referrers", re.compile(r"/v2/.+/referrers/[^/]+")),
    ("manifest", re.compile(r"/v2/.+/manifests/[^/]+:[^/]+")),
    ("tag", re.compile(r"/v2/.+/manifests/[^/]+")),
    ("uploads", re.compile(r"/v2/.+/blobs/uploads/?")),
    ("upload", re.compile(r"/v2/.+/blobs/uploads/.+")),
    ("blob", re.compile(r"/v2/.+/blobs/[^/]+")),
    ("token", re.compile(r"/token")),
)


def path_class(target: str) -> str:
    """Name what a request target is.

    ping, catalog, tags, referrers, manifest (by digest), tag, uploads (POST), upload (PUT, PATCH), blob, token, other.
    """
    path = target.partition("?")[0]
    return next((name for name, pattern in _CLASSES if pattern.fullmatch(path)), "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request as it was on the wire; `sent` and `received` are the bodies' bytes."""

    method: str
    target: str
    kind: str
    status: int
    sent: int
    received: int
    authorized: bool
    started: float
    seconds: float

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


@dataclass(kw_only=True)
class Fault:
    """Something to do to matching requests: the `nth` one (1 is the next), or each of `times` from there on."""

    method: str | None = None
    kind: str | None = None
    target: re.Pattern[str] | None = None
    nth: int = 1
    times: int = 1
    seen: int = field(default=0, init=False)

    def matches(self, method: str, kind: str, target: str) -> bool:
        """Count the request if it is of this kind, and say whether it is its turn."""
        if self.method not in (None, method) or self.kind not in (None, kind):
            return False
        if self.target is not None and not self.target.search(target):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass(kw_only=True)
class Delay(Fault):
    """Wait before the request goes on; with `after`, once more before its answer does."""

    before: float = 0.0
    after: float = 0.0


@dataclass(kw_only=True)
class Status(Fault):
    """Answer with this status, without the registry; the request's body is read and dropped."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(kw_only=True)
class Cut(Fault):
    """Cut the client's connection after `request_bytes` of its body or `response_bytes` of the answer's body.

    With neither: when the registry has answered, before the client hears of it: the write lands, unknown to the client.
    """

    request_bytes: int | None = None
    response_bytes: int | None = None


@dataclass(kw_only=True)
class Slow(Fault):
    """Move the bodies, of the request and of the answer, at so many bytes a second."""

    rate: float


@dataclass(kw_only=True)
class Stores(Fault):
    """Take the request's body `piece` bytes at a time, and few while it calls `store`, after each whole piece."""

    piece: int
    store: Callable[[], object]


@dataclass(kw_only=True)
class Call(Fault):
    """Call a function `before` the request goes on or `after` the registry answered; a raise cuts the connection."""

    before: Callable[[], object] | None = None
    after: Callable[[], object] | None = None


class CountingProxy:
    """A proxy in threads of its own; a context manager. `latency` in seconds is added to every request."""

    def __init__(self, upstream: str, *, latency: float = 0.0) -> None:
        parts = urlsplit(upstream)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError("the proxy speaks plain HTTP to a registry")
        self.upstream = (parts.hostname, parts.port or 80)
        self.latency = latency
        self.exchanges: list[Exchange] = []
        self.faults: list[Fault] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._late = 0.0
        self._clock: Callable[[], float] = time.monotonic
        self._history: dict[str, list[tuple[float, str | None]]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._running = True
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def host(self) -> str:
        """host:port of the proxy."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        """Where a client finds it."""
        return f"http://{self.host}"

    def add(self, fault: Fault) -> None:
        """Break requests from now on as `fault` says."""
        with self._lock:
            self.faults.append(fault)

    def show_tags_late(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Show every tag as it was so many seconds ago, like a registry that tells of a push before it writes the tag.

        What a tag was is known from the requests that came through here, reads and writes: a tag that is looked at for
        the first time was not there before.
        """
        self._late = seconds
        self._clock = clock

    def reset(self) -> None:
        """Forget the requests and the faults."""
        with self._lock:
            self.exchanges.clear()
            self.faults.clear()
            self.connections = 0

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many requests of each (method, kind) came since the last reset."""
        with self._lock:
            return Counter((one.method, one.kind) for one in self.exchanges)

    def total(self) -> int:
        """Return how many requests came since the last reset."""
        with self._lock:
            return len(self.exchanges)

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._running = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        with self._lock:
            still_open, threads = list(self._open), list(self._threads)
        for one in still_open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=5)

    def __enter__(self) -> CountingProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while self._running:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            with self._lock:
                self.connections += 1
                self._open.add(client)
                self._threads = [one for one in self._threads if one.is_alive()]
                self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upstream: Wire | None = None
        wire = Wire(client)
        try:
            upstream = Wire(socket.create_connection(self.upstream))
            with self._lock:
                self._open.add(upstream.socket)
            upstream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._running and _has_begun(wire, upstream) and self._exchange(wire, upstream):
                pass
        except (OSError, ValueError, EOFError, CutOff):  # ValueError: it was closed while it waited
            pass
        finally:
            for one in (client, upstream.socket if upstream else None):
                if one is not None:
                    with self._lock:
                        self._open.discard(one)
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                    one.close()

    def _exchange(self, client: Wire, upstream: Wire) -> bool:
        """Move one request and its answer; False when the connection is not kept."""
        request = _Request(client.head())
        with self._lock:
            faults = [one for one in self.faults if one.matches(request.method, request.kind, request.target)]
        try:
            if late := self.latency + sum(one.before for one in faults if isinstance(one, Delay)):
                time.sleep(late)
            for fault in faults:
                if isinstance(fault, Call) and fault.before:
                    _call(fault.before)
                elif isinstance(fault, Status):
                    request.sent = client.skip(request.length)
                    self._answer(client, request, fault)
                    return True
            if self._late and request.kind == "tag":
                shown = self._look(upstream, request)
                if request.method in ("GET", "HEAD"):
                    if shown is None:
                        self._answer(client, request, _UNKNOWN_MANIFEST)
                        return True
                    request.show(shown)
            kept = self._move(client, upstream, request, faults)
            if self._late and kept and request.kind == "tag" and request.method in ("PUT", "DELETE"):
                self._look(upstream, request)  # what was written is late from now on, not from the next request
            return kept
        finally:
            self._record(request)

    def _move(self, client: Wire, upstream: Wire, request: _Request, faults: list[Fault]) -> bool:
        cut = next((fault for fault in faults if isinstance(fault, Cut)), None)
        rate = min((fault.rate for fault in faults if isinstance(fault, Slow)), default=math.inf)
        upstream.send(request.head)
        stores = next((fault for fault in faults if isinstance(fault, Stores)), None)
        if request.chunked:
            request.sent = client.pass_chunks(upstream)
        elif stores is not None:
            _pass_pieces(client, upstream, request, stores)
        else:
            request.sent = client.pass_on(upstream, request.length, cut.request_bytes if cut else None, rate=rate)
        answer = upstream.head()
        status_line, headers = split_head(answer)
        request.status = int(status_line.split(" ", 2)[1])
        for fault in faults:
            if isinstance(fault, Delay):
                time.sleep(fault.after)
            elif isinstance(fault, Call) and fault.after:
                _call(fault.after)
        if cut is not None and cut.request_bytes is None and cut.response_bytes is None:
            raise CutOff
        limit = cut.response_bytes if cut else None
        length = int(headers.get("content-length", "0"))
        if request.method == "HEAD" or request.status in (204, 304):
            length = 0
        request.received = length if limit is None else min(limit, length)
        # Recorded before the last byte leaves, so that a test that has its answer finds the request counted.
        if "chunked" not in headers.get("transfer-encoding", "") or request.method == "HEAD":
            self._record(request)
            client.send(self._localize(answer))
            upstream.pass_on(client, length, limit, rate=rate)
        else:
            client.send(self._localize(answer))
            request.received = upstream.pass_chunks(client, before_the_end=lambda: self._record(request))
        return "close" not in headers.get("connection", "").lower()

    def _answer(self, client: Wire, request: _Request, status: Status) -> None:
        request.status = status.status
        request.received = len(status.body)
        self._record(request)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(status.body)), **status.headers}
        lines = [f"HTTP/1.1 {status.status} Fault", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        client.send("\r\n".join(lines).encode() + (b"" if request.method == "HEAD" else status.body))

    def _record(self, request: _Request) -> None:
        if not request.recorded:
            request.recorded = True
            with self._lock:
                self.exchanges.append(request.exchange())

    def _localize(self, answer: bytes) -> bytes:
        """Have Location and the realm point at the proxy where they pointed at the registry."""
        return answer.replace(b"//%s:%d/" % (self.upstream[0].encode(), self.upstream[1]), f"//{self.host}/".encode())

    def _look(self, upstream: Wire, request: _Request) -> str | None:
        """Note the tag's digest now, and return the one of `_late` seconds ago (None: it was not there)."""
        lines = [f"HEAD {request.target} HTTP/1.1", "Host: registry", f"Accept: {_ACCEPT}"]
        if "authorization" in request.headers:
            lines.append(f"Authorization: {request.headers['authorization']}")
        upstream.send("\r\n".join([*lines, "", ""]).encode())
        status_line, headers = split_head(upstream.head())
        digest = headers.get("docker-content-digest") if " 200 " in status_line else None
        now = self._clock()
        with self._lock:
            history = self._history.setdefault(request.target, [(0.0, None)])
            if digest != history[-1][1]:
                history.append((now, digest))
            while len(history) > 1 and history[1][0] <= now - self._late:
                history.pop(0)
            return history[0][1]


_TAKEN_BEFORE = 256 * 1024
"""Bytes that the system takes from a client that are not asked for: left to itself, it takes 32 MiB."""
_ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_UNKNOWN_MANIFEST = Status(status=404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')


class _Request:
    """A request while it goes through."""

    def __init__(self, head: bytes) -> None:
        first, self.headers = split_head(head)
        self.head = head
        self.method, self.target, _ = first.split(" ", 2)
        self.kind = path_class(self.target)
        self.length = int(self.headers.get("content-length", "0"))
        self.chunked = "chunked" in self.headers.get("transfer-encoding", "")
        self.status = self.sent = self.received = 0
        self.recorded = False
        self._started = time.monotonic()

    def show(self, digest: str) -> None:
        """Ask for a digest in the place of the tag."""
        stem = self.target.rpartition("/")[0]
        self.head = self.head.replace(self.target.encode(), f"{stem}/{digest}".encode(), 1)

    def exchange(self) -> Exchange:
        return Exchange(
            method=self.method,
            target=self.target,
            kind=self.kind,
            status=self.status,
            sent=self.sent,
            received=self.received,
            authorized="authorization" in self.headers,
            started=self._started,
            seconds=time.monotonic() - self._started,
        )


def _pass_pieces(client: Wire, upstream: Wire, request: _Request, stores: Stores) -> None:
    """Move a body piece by piece."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _TAKEN_BEFORE)
    while request.sent < request.length:
        request.sent += client.pass_on(upstream, min(stores.piece, request.length - request.sent))
        if request.sent % stores.piece == 0:
            stores.store()


def _call(hook: Callable[[], object]) -> None:
    try:
        hook()
    except Exception as error:
        raise CutOff from error


def _has_begun(client: Wire, upstream: Wire) -> bool:
    """Wait for a request. False: the registry closed its connection before one came, so the client's closes, too."""
    if client.has_more:
        return True
    waiting = select.poll()
    for one in (client, upstream):
        waiting.register(one.socket, select.POLLIN)
    return upstream.socket.fileno() not in {number for number, _ in waiting.poll()}
