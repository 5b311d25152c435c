"""The front of each site's pull API on this machine: the root of a port of its own, as a custom domain has it on AWS.

The emulator serves an API below a long path, and a registry's API is at the root of its host. It passes on what API
Gateway renames, so that is renamed here: a function's WWW-Authenticate becomes x-amzn-Remapped-WWW-Authenticate, while
that of an answer which the gateway makes itself (it has x-amzn-ErrorType) stays. A function's Content-Length reaches no
client: the gateway counts the body, and an answer to HEAD has none. Differs: pull-front.

    python -m local.pull_front --targets targets.json     {"<port>": "<URL of the API's stage>", …}
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
_REMAPPED = "x-amzn-Remapped-WWW-Authenticate"
PATIENCE_S = 60.0
"""The gateway waits 29 s itself."""


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    targets: Path

    def target(self) -> str:
        """The URL of the stage behind this port; read anew, as a deployment may change it."""
        url: str = json.loads(self.targets.read_text())[str(self.server_port)]
        return url


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body of an answer over a kept connection waits 40 ms behind its headers
    server: _Front

    def _pass(self) -> None:
        parts = urlsplit(self.server.target())
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
        try:
            connection.request(self.command, parts.path + self.path, body or None, given)
            answer = connection.getresponse()
            content = answer.read()
        except OSError:
            self.send_error(502)
            return
        finally:
            connection.close()
        by_gateway = answer.getheader("x-amzn-ErrorType") is not None
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in _OF_ONE_CONNECTION | {"content-length"}:
                continue
            renamed = name.lower() == "www-authenticate" and not by_gateway
            self.send_header(_REMAPPED if renamed else name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - the server's names

    def log_message(self, *_: Any) -> None:
        """Write nothing: a request's line is of no use here."""


def serve(port: int, targets: Path) -> _Front:
    """Serve a port (0: any) in a thread of its own; where its requests go stands in `targets`."""
    front = _Front(("127.0.0.1", port), _Handler)
    front.targets = targets
    threading.Thread(target=front.serve_forever, args=(0.2,), daemon=True).start()
    return front


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.pull_front", description=main.__doc__)
    parser.add_argument("--targets", type=Path, required=True, help="a JSON file: the URL behind each port")
    targets = parser.parse_args(arguments).targets
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    fronts = [serve(int(port), targets) for port in json.loads(targets.read_text())]
    ended.wait()
    for front in fronts:
        front.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
