"""A proxy between functions and the emulator that throttles as AWS does (tests/support/throttled.py).

with ThrottlingProxy(emulator.url) as proxy:
    proxy.throttle = Throttle(("dynamodb", "sqs"), every=3)
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support.throttled import Answer, Asked, Part, Throttle

_OF_ONE_HOP = {"connection", "transfer-encoding", "content-length", "x-amz-crc32"}
_SIGNED_ANEW = {"authorization", "x-amz-security-token", "x-amz-content-sha256", "x-amz-date", "host", "content-length"}


class ThrottlingProxy:
    """In threads of its own; a context manager. `key` is that of the emulator's root."""

    def __init__(self, upstream: str, *, key: str = "test") -> None:
        self._upstream = urlsplit(upstream)
        self._root = Credentials(key, key)
        self._lock = threading.Lock()
        self.throttle = Throttle(())
        """Who is throttled, and how much; nobody at first."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                given = {name.lower(): value for name, value in self.headers.items()}
                answer = proxy._answer(self.path, given, body)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in _OF_ONE_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The URL that stands for AWS."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ThrottlingProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        asked = Asked.of(headers, body)
        with self._lock:
            fate = self.throttle.fate(asked) if asked is not None else None
        if isinstance(fate, Answer):
            return fate
        if not isinstance(fate, Part):
            return self._pass_on(path, headers, body)
        answer = self._pass_on(path, self._signed(path, headers, fate.asked), fate.asked.body)
        if answer.status != 200:
            return answer
        return Answer(200, answer.headers, fate.merged(answer.body))

    def _signed(self, path: str, headers: Mapping[str, str], asked: Asked) -> dict[str, str]:
        """The headers of another body, signed by the account's root: the caller's own signature is not of that body."""
        region = headers["authorization"].split("/")[2]
        kept = {name: value for name, value in headers.items() if name not in _SIGNED_ANEW}
        request = AWSRequest("POST", f"{self._upstream.geturl()}{path}", kept, asked.body)
        SigV4Auth(self._root, asked.service, region).add_auth(request)
        return dict(request.headers.items())

    def _pass_on(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._upstream.netloc, timeout=60)
        try:
            given = {name: value for name, value in headers.items() if name not in _OF_ONE_HOP}
            connection.request("POST", path, body, given)
            with connection.getresponse() as said:
                return Answer(said.status, dict(said.getheaders()), said.read())
        finally:
            connection.close()
