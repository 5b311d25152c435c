"""The snippets of docs/operations/arrivals.md, run as a pipeline runs them: a shell, two variables and a token."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from tests.functional.admin.parts import READ, ROOT, A, Ask, Site

PAGE = (ROOT / "docs" / "operations" / "arrivals.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.replace("!", ""), re.DOTALL)]


def scripts(part: Any) -> Iterator[str]:
    """The shell commands in a snippet: under `run`, `script` or `args`."""
    if isinstance(part, dict):
        for name, one in part.items():
            if name in ("run", "script", "args"):
                yield "\n".join(one) if isinstance(one, list) else one
            else:
                yield from scripts(one)
    if isinstance(part, list):
        for one in part:
            yield from scripts(one)


SCRIPTS = list(scripts(BLOCKS))


@pytest.fixture
def url(site: Site, ask: Ask) -> Iterator[str]:
    """The address of the API, as it is served on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            answer = ask("GET", parts.path.removeprefix("/geo"), token=token, query=dict(parse_qsl(parts.query)))
            body = answer.text.encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/geo"
        server.shutdown()
        thread.join()


def test_there_is_a_command_for_each_pipeline() -> None:
    assert len(SCRIPTS) == 3


@pytest.mark.parametrize("script", SCRIPTS, ids=["github", "gitlab", "argo"])
def test_a_pipeline_goes_on_once_the_image_is_here(site: Site, url: str, script: str) -> None:
    site.synced("group/app", v1=A)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "layers" / "geosync"),
        "GEOSYNC_ADMIN_URL": url,
        "GEOSYNC_TOKEN": READ,
        "IMAGE": f"group/app:v1@{A}",
    }
    ended = subprocess.run(["sh", "-ec", script], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"group/app:v1@{A} is at berlin: {A}\n"), ended.stderr
