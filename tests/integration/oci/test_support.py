"""The tests' own tools: the proxy counts and breaks as told, and the local registries start and end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from local.certificates import KeyPair
from local.processes import free_port, is_alive, stop, wait_for_http
from local.registries import Notifications, RegistrySpec, RunningRegistry, start, stop_registry
from tests.integration.conftest import Place
from tests.support.images import Made, digest_of
from tests.support.patience import PATIENCE_S
from tests.support.proxy import Call, CountingProxy, Cut, Delay, Status, path_class
from tests.support.scripted import Reply, ScriptedServer

from geosync.errors import OutcomeUnknown, RegistryUnavailable
from geosync.oci.client import RegistryClient
from geosync.oci.manifests import Manifest

Connect = Callable[..., RegistryClient]
Proxied = Callable[[Place], CountingProxy]


@pytest.fixture
def image(plain_registry: Place, repository: str) -> Made:
    with plain_registry.maker(seed=21) as make:
        return make.image(repository, "v1", layers=1, size=400_000)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/v2/", "ping"),
        ("/v2/_catalog?n=1000", "catalog"),
        ("/v2/a/b/tags/list?n=1", "tags"),
        ("/v2/a/b/manifests/v1", "tag"),
        ("/v2/a/b/manifests/sha256:00", "manifest"),
        ("/v2/a/b/blobs/sha256:00", "blob"),
        ("/v2/a/b/blobs/uploads/?mount=sha256:00&from=a/b", "uploads"),
        ("/v2/a/b/blobs/uploads/1234?_state=x&digest=sha256:00", "upload"),
        ("/v2/a/b/referrers/sha256:00", "referrers"),
        ("/token?service=s", "token"),
        ("/else", "other"),
    ],
)
def test_each_path_has_its_class(target: str, kind: str) -> None:
    assert path_class(target) == kind


def test_every_request_is_counted_with_its_bytes(
    plain_registry: Place, connect: Connect, proxied: Proxied, image: Made
) -> None:
    proxy = proxied(plain_registry)
    client = connect(plain_registry, url=proxy.url)
    manifest = client.get_manifest(image.repository, "v1")
    assert manifest is not None
    with client.open_blob(image.repository, manifest.blobs[1]) as reader:
        while reader.read():
            pass
    client.put_small_blob(image.repository, digest_of(b"new"), b"new")
    assert proxy.counts() == {("GET", "tag"): 1, ("GET", "blob"): 1, ("POST", "uploads"): 1, ("PUT", "upload"): 1}
    assert [(one.status, one.sent, one.received) for one in proxy.exchanges[:2]] == [
        (200, 0, len(image.content)),
        (200, 0, manifest.blobs[1].size),
    ]
    assert (proxy.exchanges[3].status, proxy.exchanges[3].sent) == (201, 3)
    assert proxy.connections == 1
    proxy.reset()
    assert proxy.total() == 0


def test_the_nth_matching_request_is_answered_in_the_registrys_place(
    plain_registry: Place, connect: Connect, proxied: Proxied, image: Made
) -> None:
    proxy = proxied(plain_registry)
    client = connect(plain_registry, url=proxy.url)
    proxy.add(Status(status=503, method="HEAD", kind="tag", nth=2, headers={"Retry-After": "3"}))
    assert client.head_manifest(image.repository, "v1") is not None
    with pytest.raises(RegistryUnavailable) as caught:
        client.head_manifest(image.repository, "v1")
    assert caught.value.retry_after == 3
    assert client.head_manifest(image.repository, "v1") is not None


def test_a_cut_after_the_answer_lands_the_write_unknown_to_the_client(
    plain_registry: Place, connect: Connect, proxied: Proxied, image: Made
) -> None:
    proxy = proxied(plain_registry)
    client = connect(plain_registry, url=proxy.url, writes=True)
    manifest = client.get_manifest(image.repository, "v1")
    assert manifest is not None
    proxy.add(Cut(method="PUT", kind="tag"))
    with pytest.raises(OutcomeUnknown):
        client.put_manifest(image.repository, "v2", manifest)
    assert client.head_manifest(image.repository, "v2") is not None


def test_a_download_that_is_cut_goes_on_from_there(
    plain_registry: Place, connect: Connect, proxied: Proxied, image: Made
) -> None:
    proxy = proxied(plain_registry)
    client = connect(plain_registry, url=proxy.url)
    manifest = client.get_manifest(image.repository, "v1")
    assert manifest is not None
    proxy.add(Cut(method="GET", kind="blob", response_bytes=150_000))
    with client.open_blob(image.repository, manifest.blobs[1]) as reader:
        read = b"".join(iter(lambda: reader.read(50_000), b""))
    assert len(read) == manifest.blobs[1].size
    assert [one.status for one in proxy.exchanges if one.kind == "blob"] == [200, 206]


def test_an_upload_that_is_cut_has_an_unknown_outcome(
    plain_registry: Place, connect: Connect, proxied: Proxied, image: Made
) -> None:
    proxy = proxied(plain_registry)
    client = connect(plain_registry, url=proxy.url, writes=True)
    proxy.add(Cut(method="PUT", kind="upload", request_bytes=10))
    with pytest.raises(OutcomeUnknown):
        client.put_small_blob(image.repository, digest_of(b"x" * 1000), b"x" * 1000)


def test_delays_and_hooks(plain_registry: Place, connect: Connect, proxied: Proxied, image: Made) -> None:
    proxy = proxied(plain_registry)
    client = connect(plain_registry, url=proxy.url)
    called = threading.Event()

    def refuse() -> None:
        raise RuntimeError("the test wants it to break here")

    proxy.add(Delay(kind="tag", before=0.1, after=0.1))
    proxy.add(Call(kind="tag", after=called.set))
    started = time.monotonic()
    assert client.head_manifest(image.repository, "v1") is not None
    assert time.monotonic() - started >= 0.2
    assert called.is_set()
    proxy.add(Call(kind="tag", before=refuse, times=2))
    with pytest.raises(RegistryUnavailable):
        client.head_manifest(image.repository, "v1")


def test_a_tag_is_shown_late(plain_registry: Place, connect: Connect, proxied: Proxied, repository: str) -> None:
    proxy = proxied(plain_registry)
    now = 100.0
    proxy.show_tags_late(0.4, clock=lambda: now)
    through = connect(plain_registry, url=proxy.url)
    with plain_registry.maker(seed=22) as make:
        first = make.image(repository, "v1")
        assert through.get_manifest(repository, "v1") is None, "it was not there 0.4 s ago"
        now += 0.45
        assert _digests(through, repository) == (first.digest, first.digest)
        second = make.image(repository, "v1")
        assert _digests(through, repository) == (first.digest, first.digest)
        now += 0.45
        assert _digests(through, repository) == (second.digest, second.digest)


def test_a_registry_is_stopped_from_another_process_and_starts_again_with_its_data(tmp_path: Path) -> None:
    first = start(RegistrySpec(name="again"), tmp_path / "again")
    try:
        with Place(registry=first).maker(seed=23) as make:
            made = make.image("a/b", "v1")
        code = "import sys; from pathlib import Path; from local.registries import stop_registry\n"
        code += "print(stop_registry(int(sys.argv[1]), Path(sys.argv[2])))"
        other = subprocess.run(
            [sys.executable, "-c", code, str(first.pid), str(first.folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=Path(__file__).parents[3],
        )
        assert other.stdout.strip() == "True"
        assert first.process is not None
        first.process.wait(PATIENCE_S)
        assert not is_alive(first.pid)
        assert not stop_registry(first.pid, first.folder)
        second = start(RegistrySpec(name="again", port=first.port), tmp_path / "again")
        try:
            assert second.url == first.url
            answer = requests.head(
                f"{second.url}/v2/a/b/manifests/{made.digest}", headers={"Accept": "*/*"}, timeout=60
            )
            assert answer.status_code in (200, 404)
            assert requests.get(f"{second.url}/v2/a/b/tags/list", timeout=60).json()["tags"] == ["v1"]
        finally:
            second.stop()
    finally:
        first.stop()


def test_only_a_process_of_ours_is_stopped() -> None:
    assert not stop(os.getpid(), marker="/no/such/folder")


@pytest.mark.skipif(sys.platform != "linux", reason="tied to its parent on Linux only")
def test_a_registry_ends_with_the_run_that_started_it(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from local.registries import RegistrySpec, start\n"
        "running = start(RegistrySpec(name='tied'), Path(sys.argv[1]))\n"
        "print(running.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    pid = int(killed.stdout)
    end = time.monotonic() + 60
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_alive(pid)


@pytest.mark.parametrize("ignore", [True, False])
def test_notifications_are_posted_with_their_headers_and_filtered_where_told(tmp_path: Path, ignore: bool) -> None:
    with ScriptedServer(lambda _: Reply()) as endpoint:
        notifications = Notifications(url=f"{endpoint.url}/events", headers={"Authorization": "t0ken"}, ignore=ignore)
        running = start(RegistrySpec(name="noisy", notifications=notifications, debug=True), tmp_path)
        try:
            with Place(registry=running).maker(seed=24) as make:
                made = make.image("a/b", "v1", layers=1)
                make.send("GET", f"/v2/a/b/manifests/{made.digest}", "a/b")
                make.image("a/b", "v2", layers=1)
            wanted = {"push v2", "push v1"} if ignore else {"push v2", "push v1", "pull "}
            end = time.monotonic() + 60
            while not wanted <= _events(endpoint) and time.monotonic() < end:
                time.sleep(0.02)
            assert wanted <= _events(endpoint)
            assert ("pull " in _events(endpoint)) is not ignore
            assert {one.headers["authorization"] for one in endpoint.requests} == {"t0ken"}
            assert requests.get(f"{running.debug_url}/debug/vars", timeout=60).status_code == 200
        finally:
            running.stop()


def test_the_token_service_runs_as_a_program(signing: KeyPair, tmp_path: Path) -> None:
    for name, text in (("key", signing.private_key), ("crt", signing.certificate)):
        (tmp_path / name).write_text(text)
    accounts = {"u": {"password": "p"}, "": {"password": "", "allowed": {"open/*": ["pull"]}}}
    (tmp_path / "accounts").write_text(json.dumps(accounts))
    port = free_port()
    command = [sys.executable, "-m", "local.token_service", "--port", str(port), "--key", str(tmp_path / "key")]
    command += ["--certificate", str(tmp_path / "crt"), "--accounts", str(tmp_path / "accounts"), "--expires-in", "77"]
    url = f"http://127.0.0.1:{port}/token"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[3])
    try:
        wait_for_http(url, process, tmp_path / "log")
        query = {"service": "container_registry", "scope": "repository:open/x:pull,push"}
        answer = requests.get(url, params=query, auth=("u", "p"), timeout=60)
        assert answer.json()["expires_in"] == 77
        assert _granted(answer.json()["token"]) == [["pull", "push"]]
        assert _granted(requests.get(url, params=query, timeout=60).json()["token"]) == [["pull"]]
        closed = {**query, "scope": "repository:closed/x:pull"}
        assert _granted(requests.get(url, params=closed, timeout=60).json()["token"]) == []
        assert requests.get(url, params=query, auth=("u", "x"), timeout=60).status_code == 401
        assert requests.get(url, params={**query, "service": "other"}, auth=("u", "p"), timeout=60).status_code == 400
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def _digests(client: RegistryClient, repository: str) -> tuple[str, str]:
    head, read = client.head_manifest(repository, "v1"), client.get_manifest(repository, "v1")
    assert head is not None
    assert isinstance(read, Manifest)
    return head.digest, read.digest


def _events(endpoint: ScriptedServer) -> set[str]:
    envelopes = [json.loads(one.body) for one in list(endpoint.requests)]
    return {
        f"{event['action']} {event['target'].get('tag', '')}" for envelope in envelopes for event in envelope["events"]
    }


def _granted(token: str) -> list[list[str]]:
    import jwt

    claims = jwt.decode(token, options={"verify_signature": False})
    return [one["actions"] for one in claims["access"]]


def test_a_registry_that_cannot_start_says_why(tmp_path: Path) -> None:
    from local.processes import StartError

    running: RunningRegistry = start(RegistrySpec(name="first"), tmp_path / "first")
    try:
        with pytest.raises(StartError, match="in use"):
            start(RegistrySpec(name="second", port=running.port), tmp_path / "second")
    finally:
        running.stop()
