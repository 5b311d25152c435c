"""The front of a pull API on this machine does what API Gateway does to a challenge and to a length."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from local.pull_front import serve
from tests.support.patience import PATIENCE_S

CHALLENGE = 'Bearer realm="https://auth.example.com/token",service="r"'


class _Gateway(BaseHTTPRequestHandler):
    """Answers with the path that it was asked for, and 401 below /stage/v2/denied: as the gateway itself, or not."""

    def do_GET(self) -> None:
        content = self.path.encode()
        self.send_response(401 if "denied" in self.path else 200)
        if "denied" in self.path:
            self.send_header("WWW-Authenticate", CHALLENGE)
        if "by-gateway" in self.path:
            self.send_header("x-amzn-ErrorType", "AccessDeniedException")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 - the server's name

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def front(tmp_path: Path) -> Iterator[str]:
    gateway = ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
    threading.Thread(target=gateway.serve_forever, args=(0.05,), daemon=True).start()
    targets = tmp_path / "targets.json"
    one = serve(0, targets)
    targets.write_text(json.dumps({str(one.server_port): f"http://127.0.0.1:{gateway.server_port}/stage"}))
    yield f"http://127.0.0.1:{one.server_port}"
    for server in (one, gateway):
        server.shutdown()
        server.server_close()


def test_a_path_at_the_root_is_one_below_the_stage(front: str) -> None:
    assert requests.get(f"{front}/v2/app/tags/list?n=5", timeout=PATIENCE_S).text == "/stage/v2/app/tags/list?n=5"


def test_a_head_has_the_length_of_its_empty_body_whatever_the_function_says(front: str) -> None:
    head = requests.head(f"{front}/v2/", timeout=PATIENCE_S)
    assert (head.status_code, head.headers["Content-Length"]) == (200, "0")


def test_a_function_s_challenge_is_renamed_and_the_gateway_s_own_is_not(front: str) -> None:
    by_function = requests.get(f"{front}/v2/denied", timeout=PATIENCE_S)
    assert "WWW-Authenticate" not in by_function.headers
    assert by_function.headers["x-amzn-Remapped-WWW-Authenticate"] == CHALLENGE
    by_gateway = requests.get(f"{front}/v2/denied/by-gateway", timeout=PATIENCE_S)
    assert by_gateway.headers["WWW-Authenticate"] == CHALLENGE
