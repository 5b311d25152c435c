"""The base of every double: a server in front of a real registry that passes on what its rules let through.

A double is strict. Where the vendor's documents forbid something, it answers as the vendor does, and where no client of
ours may ever come to that, it notes the rule as broken (`break_rule`), which fails the test at the end. The comment
beside a rule names where it is written.

    class Example(VendorDouble):
        def answer(self, request: Request) -> Reply:
            if request.method == "PATCH":
                self.break_rule("chunked uploads are not supported")  # https://example.com/docs
            return self.forward(request)
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.patience import PATIENCE_S
from tests.support.scripted import Reply, Request, ScriptedServer

_HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "date", "host"})
_NAME = re.compile(r"/v2/(.+?)/(?:manifests|blobs|tags|referrers)/")


class StrictServer(ABC):
    """A server that answers by rules, and has it noted when one is broken: by a client, or by failing itself."""

    def __init__(self) -> None:
        self._server = ScriptedServer(self._guarded)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def host(self) -> str:
        return self._server.host

    @property
    def requests(self) -> list[Request]:
        """What came in, in order; `clear()` it to count from there."""
        return self._server.requests

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """Answer as the vendor does."""

    @abstractmethod
    def break_rule(self, rule: str) -> None:
        """Note that the client did what it must not do here."""

    def close(self) -> None:
        self._server.close()

    def _guarded(self, request: Request) -> Reply:
        try:
            return self.answer(request)
        except Exception as error:
            self.break_rule(f"the double failed: {type(error).__name__}: {error}")
            raise EOFError from error


class VendorDouble(StrictServer):
    """A vendor's registry in front of the real one at `registry` (its URL); a context manager that checks the rules."""

    def __init__(self, registry: str) -> None:
        parts = urlsplit(registry)
        self._upstream = (parts.hostname or "", parts.port or 80)
        self._lock = threading.Lock()
        self.broken: list[str] = []
        """The rules that a client broke."""
        super().__init__()

    def answer(self, request: Request) -> Reply:
        """Answer as the vendor does; override it."""
        return self.forward(request)

    def break_rule(self, rule: str) -> None:
        """Note that the client did what it must not do here."""
        with self._lock:
            self.broken.append(rule)

    def forward(self, request: Request, *, target: str | None = None, body: bytes | None = None) -> Reply:
        """Have the real registry answer (without credentials: it asks for none), at `target` if that is another."""
        connection = http.client.HTTPConnection(*self._upstream, timeout=PATIENCE_S)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
            headers.pop("authorization", None)
            # The registry makes its Locations of the Host header: they lead back here.
            headers["Host"] = request.headers.get("host", self.host)
            content = request.body if body is None else body
            connection.request(request.method, target or request.target, body=content or None, headers=headers)
            response = connection.getresponse()
            content = response.read()
            kept = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
            length = response.getheader("Content-Length")
            return Reply(
                status=response.status,
                headers=kept,
                body=content,
                length=int(length) if request.method == "HEAD" and length is not None else None,
            )
        finally:
            connection.close()

    @staticmethod
    def error(status: int, code: str, message: str = "", **headers: str) -> Reply:
        """An error body of the specification; `headers` with underscores for hyphens."""
        body = json.dumps({"errors": [{"code": code, "message": message or code.lower(), "detail": None}]}).encode()
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return Reply(status=status, headers=[("Content-Type", "application/json"), *named], body=body)

    @staticmethod
    def document(content: object, *headers: tuple[str, str]) -> Reply:
        """A JSON answer."""
        return Reply(headers=[("Content-Type", "application/json"), *headers], body=json.dumps(content).encode())

    @staticmethod
    def repository_of(request: Request) -> str | None:
        """The repository that a request of the distribution API is about."""
        found = _NAME.match(request.path)
        return found.group(1) if found else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            assert not self.broken, self.broken
