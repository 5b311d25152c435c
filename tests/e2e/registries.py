"""The sites' registries, looked at without the code under test: what they hold, byte for byte, and their processes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.processes import plain_environment, spawn, stop, wait_for_http
from local.stack import Places
from requests import Response
from tests.e2e.parts import Site
from tests.support.images import ImageMaker
from tests.support.proxy import CountingProxy

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def maker(site: Site) -> ImageMaker:
    """An image maker for a site's registry, with the site's account."""
    return maker_at(site.about["registry"], site.about["username"] or "", site.about["password"] or "")


def maker_at(url: str, username: str = "", password: str = "") -> ImageMaker:
    """An image maker for any registry."""
    made = ImageMaker(url, seed=time.time_ns(), username=username, password=password)
    made._session.headers["Accept"] = ACCEPT
    return made


def digest(registry: ImageMaker, repository: str, reference: str) -> str | None:
    """What the registry has under a tag or digest, by the bytes that it serves."""
    answer = registry.send("GET", f"/v2/{repository}/manifests/{reference}", repository)
    return f"sha256:{hashlib.sha256(answer.content).hexdigest()}" if answer.status_code == 200 else None


def assert_same(one: ImageMaker, other: ImageMaker, repository: str, reference: str) -> None:
    """Both registries hold the same bytes under `reference`, and the same content of everything below it."""
    here, there = (_get(registry, repository, f"manifests/{reference}") for registry in (one, other))
    assert there.content == here.content
    assert there.headers["Content-Type"] == here.headers["Content-Type"]
    document = json.loads(here.content)
    for part in filter(None, [document.get("config"), *document.get("layers", []), *document.get("manifests", [])]):
        if ".manifest." in part["mediaType"] or ".index." in part["mediaType"]:
            assert_same(one, other, repository, part["digest"])
        else:
            # A blob is named by its content: it is the same when it is what it is called.
            content = _get(other, repository, f"blobs/{part['digest']}").content
            assert f"sha256:{hashlib.sha256(content).hexdigest()}" == part["digest"]


def _get(registry: ImageMaker, repository: str, rest: str) -> Response:
    answer = registry.send("GET", f"/v2/{repository}/{rest}", repository)
    assert answer.status_code == 200, f"{registry.url}: {rest}: {answer.status_code} {answer.text[:300]}"
    return answer


@contextmanager
def stopped(state: Path, site: Site) -> Iterator[None]:
    """End the process of a site's registry; afterwards it runs again, on the same ports and the same data.

    Meanwhile nobody listens on its ports, and nobody else gets them.
    """
    inventory = Places(state).inventory
    name = f"registry {site.name}"
    process = next(one for one in inventory.read() if one.name == name)
    configuration = Path(process.folder) / "registry.json.yml"
    http = json.loads(configuration.read_text())["http"]
    assert stop(process.pid, marker=process.folder)
    try:
        with ExitStack() as kept:
            for address in (http["addr"], http["debug"]["addr"]) if "debug" in http else (http["addr"],):
                host, _, port = address.rpartition(":")
                one = kept.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # its connections have not all ended
                one.bind((host, int(port)))
            yield
    finally:
        log = Path(process.folder) / "registry.log"
        command = ["/usr/bin/env", "docker-registry", "serve", str(configuration)]
        again = spawn(command, log=log, environment=plain_environment(), detached=True)
        wait_for_http(f"{site.about['registry']}/v2/", again, log)
        inventory.note(name, _Started(pid=again.pid, folder=Path(process.folder), process=again))


@dataclass(frozen=True, kw_only=True)
class _Started:
    pid: int
    folder: Path
    process: subprocess.Popen[bytes]


@contextmanager
def proxied(site: Site, variable: str, url: str, **more: str) -> Iterator[CountingProxy]:
    """Have functions/sync of a site reach a registry, whose URL is in this variable, through a proxy.

    `more` are other variables of its environment that the test needs.
    """
    client: LambdaClient = site.client("lambda")
    name = site.about["functions"]["sync"]
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def configure(variables: dict[str, str]) -> None:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})

    with CountingProxy(url) as proxy:
        assert before[variable] == url
        configure(before | {variable: proxy.url} | more)
        try:
            yield proxy
        finally:
            configure(before)


def kill_workers(state: Path, site: Site, function: str) -> int:
    """Kill the processes of one of a site's functions in the stack of `state`; return their number."""
    its_folder = f"{state / 'stack' / 'emulator' / 'tmp'}/ministack-lambda-{site.about['functions'][function]}-"
    killed = 0
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            if str(entry.readlink()).startswith(its_folder):
                os.kill(int(entry.parent.name), signal.SIGKILL)
                killed += 1
    return killed
