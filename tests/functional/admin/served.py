"""The dashboard's pages and the API behind them as functions/admin serves them, for a browser: moto in place of AWS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.e2e.browser import Dashboard
from tests.functional.admin.parts import ACT, READ, Ask

PASSED = {"cookie", "x-csrf-token", "if-none-match", "content-type", "accept"}
TURN = threading.Lock()
"""Held during each request; by a test, too, that changes the site while a page asks."""


class _Requests(BaseHTTPRequestHandler):
    """Hands requests to the function, one at a time: moto is not made for several."""

    ask: ClassVar[Ask]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size).decode() if size else None
        headers = {name: value for name, value in self.headers.items() if name.lower() in PASSED}
        with TURN:
            answer = self.ask(
                self.command, url.path, token=None, headers=headers, query=dict(parse_qs(url.query)), raw=body
            )
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.text.encode())

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(driver: Any) -> Iterator[Dashboard]:
    """The dashboard of the site that the function has been loaded for, in a browser that has opened nothing yet."""
    handler = type("_Served", (_Requests,), {"ask": Ask()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    about = {
        "name": "berlin",
        "admin_url": f"http://127.0.0.1:{server.server_port}",
        "admin_read_token": READ,
        "admin_act_token": ACT,
    }
    site: Any = SimpleNamespace(name="berlin", about=about)
    try:
        yield Dashboard(driver=driver, site=site)
    finally:
        driver.get("about:blank")  # it asks no more
        server.shutdown()
        server.server_close()
