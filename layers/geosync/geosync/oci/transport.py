"""HTTP/1.1 as a registry client needs it: kept connections, streamed bodies, and the place where a request broke.

The well-known libraries do not fit: they follow redirects with headers, keep cookies, read proxies and passwords
from the environment, encode a Location again, write presigned URLs to their logs, and do not say whether a request
that failed had been sent. Here none of that has to be switched off, and `Broken.sent` tells it.
"""

from __future__ import annotations

import http.client
import math
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Protocol
from urllib.parse import urlsplit

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import ConfigurationError
from geosync.oci import addresses, wire
from geosync.oci.addresses import EVERYWHERE, Egress
from geosync.oci.idle_connections import IdleConnections
from geosync.oci.responses import LONGEST, Response
from geosync.oci.wire import Left, Step

#: Bytes per read and per send of a streamed body. 128 MiB from one registry on loopback to another took 0.22 s of CPU
#: in blocks of 16 KiB, 0.17 at 64, 0.15 from 256 KiB on; larger ones only make the memory of many blobs larger.
BLOCK = 256 * 1024

# An unwanted body of up to so many bytes is read to its end, for so long, so that its connection can be used again.
_DRAINED_BYTES = 64 * 1024
_DRAINING_S = 1.0
_LENGTH_DIGITS = 19


class Body(Protocol):
    """A source of bytes to stream. `len()` is their exact number; `read` gives b"" at the end."""

    def __len__(self) -> int: ...

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; raise only GeosyncErrors: an OSError would be taken for the destination's."""
        ...


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The time to connect to one address, to send a block, for the answer's headers, for one read of its body.

    A send and a read go on for longer while bytes move at wire.LEAST_BYTES_PER_S or faster.
    """

    connect_s: float = 5.0
    send_s: float = 60.0
    answer_s: float = 30.0
    read_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request to send.

    A body is sent with Content-Length, streamed in blocks if it is not bytes; what its `read` raises comes through as
    it is. `repeatable`: a request that breaks without an answer may be sent once more.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Body | None = field(default=None, repr=False)
    repeatable: bool = False


class Broken(Exception):
    """A request without a usable answer. `sent`: the server may have had it. The text is safe to show.

    It stays below the client: RegistryClient's verbs raise RegistryUnavailable or OutcomeUnknown in its place.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class HttpAnswer:
    """A response whose body is still on the connection; close it, or read it to the end."""

    def __init__(
        self,
        response: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
        pool: IdleConnections,
        attempt: _Attempt,
    ) -> None:
        self.status: int = response.status
        self.headers: Message = response.headers
        self._response = response
        self._connection: http.client.HTTPConnection | None = connection
        self._pool = pool
        self._attempt = attempt
        if response.isclosed():
            self._release()

    def header(self, name: str) -> str | None:
        """Return a header, None when it was not sent."""
        value = self.headers.get(name)
        return None if value is None else str(value)

    @property
    def length(self) -> int | None:
        """The Content-Length, None when there is no valid one."""
        return size_of(self.header("Content-Length"))

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of the body, b"" at its end; raises Broken when the connection breaks before it."""
        if self._response.isclosed():
            return b""
        try:
            self._attempt.begin_reading(size)
            data = self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Broken(_reason(error), sent=True) from error
        if not data and size and self._response.length:
            # http.client says nothing when the other side closes before the Content-Length is reached.
            self.close()
            raise Broken("the connection was closed in the middle of the body", sent=True)
        if self._response.isclosed():
            self._release()
        return data

    def close(self) -> None:
        """Give the connection back if what is left of the body is short, else close it. Never raises."""
        connection = self._connection
        if connection is None:
            return
        left = self._response.length
        try:
            # To http.client a 204 has 0 bytes, though chunks without an end may follow it.
            if left is not None and left <= _DRAINED_BYTES and not self._response.chunked:
                self._attempt.begin_draining()
                self._response.read()
        except (OSError, http.client.HTTPException):
            pass
        if self._response.isclosed():
            self._release()
        else:
            self._connection = None
            self._response.close()
            connection.close()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._response.will_close or self._response.length:
            connection.close()
        else:
            self._pool.put(connection)


def size_of(header: str | None) -> int | None:
    """Return the bytes that a header states, None where it is no number that can be a size."""
    text = (header or "").strip()
    size = int(text) if text.isascii() and text.isdigit() and len(text) <= _LENGTH_DIGITS else None
    return size if size is not None and size <= LONGEST else None


class Transport:
    """Connections to the hosts that one registry leads to (itself, its token service, its storage). Thread-safe.

    `ca_bundle` is a file of certificates, or their PEM text, to trust beside the system's own. At most `connections`
    idle ones are kept per host; more can be in use at once. `egress` says to which hosts requests may go. Raises
    ConfigurationError when the bundle cannot be read.
    """

    def __init__(
        self,
        *,
        ca_bundle: str | None = None,
        connections: int = 16,
        egress: Egress = EVERYWHERE,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._egress = egress
        self._ca_bundle = ca_bundle
        self._connections = connections
        self._clock = clock
        self._pools: dict[tuple[str, str, int], IdleConnections] = {}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        if ca_bundle is not None:
            self._context()

    def send(self, request: HttpRequest, *, timeouts: Timeouts, left: Left = lambda: math.inf) -> HttpAnswer:
        """Send one request and return its answer, whatever its status; a redirect is an answer too.

        A request that breaks without an answer is sent once more, on a new connection, if it is `repeatable`, or if a
        kept connection did not even take its headers; never after a time-out. Raises Broken.
        """
        target, pool, secure, (host, port) = self._locate(request.url)
        connection = pool.take()
        kept = connection is not None
        attempts = 0
        while True:
            attempts += 1
            if connection is None:
                connection = self._connect(host, port, secure, timeouts, left)
            attempt = _Attempt(connection, timeouts, left, self._clock)
            done = False
            try:
                response = attempt.run(request, target)
                done = True
            except _Lost as lost:
                if attempts > 1 or not (request.repeatable or (kept and not lost.head_out)):
                    raise Broken(lost.reason, sent=True) from lost.__cause__
            finally:
                if not done:
                    connection.close()
            if done:
                return HttpAnswer(response, connection, pool, attempt)
            connection, kept = None, False

    def idle(self, url: str) -> int:
        """The number of connections to the host of `url` that wait for a request."""
        return len(self._locate(url)[1])

    def connect(self, url: str, *, timeouts: Timeouts, left: Left) -> None:
        """Open a connection to the host of `url`, for the next request. Raises Broken."""
        _, pool, secure, (host, port) = self._locate(url)
        pool.put(self._connect(host, port, secure, timeouts, left))

    def close(self) -> None:
        """Close the idle connections; those in use are closed when their answers end."""
        with self._lock:
            pools = list(self._pools.values())
        for pool in pools:
            pool.close()

    def _locate(self, url: str) -> tuple[str, IdleConnections, bool, tuple[str, int]]:
        # The target is cut out of the URL as it is: splitting and joining it could encode it anew.
        start = url.find("/", url.find("://") + 3)
        target = url[start:].partition("#")[0] if start >= 0 else "/"
        parts = urlsplit(url[:start] if start >= 0 else url)  # urlsplit caches its last results
        secure = parts.scheme == "https"
        origin = parts.scheme, parts.hostname or "", parts.port or (443 if secure else 80)
        with self._lock:
            pool = self._pools.get(origin)
            if pool is None:
                pool = self._pools[origin] = IdleConnections(self._connections, self._clock)
        return target, pool, secure, origin[1:]

    def _connect(
        self, host: str, port: int, secure: bool, timeouts: Timeouts, left: Left
    ) -> http.client.HTTPConnection:
        """Open a connection. Raises Broken."""
        connection = http.client.HTTPSConnection(host, port) if secure else http.client.HTTPConnection(host, port)
        connection.response_class = Response
        plain: socket.socket | None = None
        try:
            plain = addresses.connect(
                host, port, egress=self._egress, clock=self._clock, seconds=timeouts.connect_s, left=left
            )
            if secure:
                plain.settimeout(Step(self._clock, timeouts.connect_s, left).left_s())
                connection.sock = self._context().wrap_socket(plain, server_hostname=host)
            else:
                connection.sock = wire.stepwise(plain)
        except (OSError, UnicodeError, ValueError) as error:
            if plain is not None:
                plain.close()
            raise Broken(_reason(error), sent=False) from error
        return connection

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                context = ssl.create_default_context()
                context.sslsocket_class = wire.TlsWire
                if self._ca_bundle is not None:
                    _trust(context, self._ca_bundle)
                self._tls = context
            return self._tls


def _trust(context: ssl.SSLContext, bundle: str) -> None:
    """Trust the certificates of a bundle, too; raises ConfigurationError."""
    is_text = "-----BEGIN" in bundle
    try:
        if is_text:
            context.load_verify_locations(cadata=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    except (OSError, ValueError) as error:
        name = "the CA certificates given as PEM" if is_text else f"the CA bundle {bundle}"
        raise ConfigurationError(f"{name} cannot be read: {_reason(error)}") from error


class _Lost(Exception):
    """The connection broke; `head_out`: after the head was sent. Only `Transport.send` sees it."""

    def __init__(self, reason: str, *, head_out: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.head_out = head_out


class _Attempt:
    """One sending of one request, on one connection."""

    def __init__(self, connection: http.client.HTTPConnection, timeouts: Timeouts, left: Left, clock: Clock) -> None:
        self._connection = connection
        # http.client drops the socket when the other side says that it will close; the body is still to be read then.
        self._wire: Any = connection.sock
        self._timeouts = timeouts
        self._left = left
        self._clock = clock

    def run(self, request: HttpRequest, target: str) -> http.client.HTTPResponse:
        head_out = False
        try:
            self._head(request, target)
            head_out = True
            if request.body is not None and not isinstance(request.body, bytes):
                self._stream(request.body)
        except TimeoutError as error:
            raise Broken("timed out while sending", sent=True) from error
        except (BrokenPipeError, ConnectionResetError) as error:
            # A server may answer and close before it has read everything (413, 401): that answer is the one to have.
            if not head_out:
                raise _Lost(_reason(error), head_out=False) from error
        except (OSError, http.client.HTTPException) as error:
            raise _Lost(_reason(error), head_out=head_out) from error
        # The bound covers interim answers and headers, however many there are and however slowly they come.
        self._begin(self._timeouts.answer_s)
        waited = min(self._timeouts.answer_s, max(self._left(), 0.0))
        try:
            response = self._connection.getresponse()
        except TimeoutError as error:
            raise Broken(f"no answer within {waited:.1f} s", sent=True) from error
        except (OSError, http.client.HTTPException) as error:
            raise _Lost(_reason(error), head_out=True) from error
        return response

    def begin_reading(self, size: int) -> None:
        """Bound the next read of `size` bytes of the answer's body."""
        self._begin(self._timeouts.read_s, size)

    def begin_draining(self) -> None:
        """Bound the last read, of an unwanted body."""
        self._begin(_DRAINING_S)

    def _begin(self, seconds: float, size: float = 0) -> None:
        self._wire.step = Step(self._clock, seconds, self._left, size=size)

    def _head(self, request: HttpRequest, target: str) -> None:
        connection, body = self._connection, request.body
        connection.putrequest(request.method, target, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        elif request.method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", "0")
        self._begin(self._timeouts.send_s, len(body) if isinstance(body, bytes) else 0)
        connection.endheaders(body if isinstance(body, bytes) else None)

    def _stream(self, body: Body) -> None:
        # `read` raises GeosyncErrors only: an OSError of the source would be taken for one of the destination.
        while data := body.read(BLOCK):
            self._begin(self._timeouts.send_s, len(data))
            self._connection.send(data)


def _reason(error: Exception) -> str:
    """Name what broke, without any text of the request: an exception of http.client may quote a whole URL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}: check its certificate, and ca_bundle in the registry's secret"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or type(error).__name__}"
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
