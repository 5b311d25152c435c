"""Authentication: challenges, tokens, and the hosts that credentials may go to."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.moved_clock import MovedClock
from tests.support.scripted import Reply, Request, Script, ScriptedServer

from geosync.errors import (
    Denied,
    RegistryUnavailable,
    Unauthorized,
)
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Basic
from geosync.oci.deadline import Deadline

DATA = b"layer" * 1000
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
USER = Basic(username="geo", password="s3cret-password")


Servers = Callable[[Script], ScriptedServer]
Clients = Callable[..., RegistryClient]


class TokenRegistry:
    """A registry and its token service in one script: every token is good for the scope that it was asked for."""

    def __init__(self, *, realm: str = "/token", expires_in: int | None = 300, refuse: bool = False) -> None:
        self.realm = realm
        self.expires_in = expires_in
        self.refuse = refuse
        self.issued: list[str] = []
        self.revoked: set[str] = set()
        self.lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        if request.path == "/token":
            return self.token(request)
        given = request.headers.get("authorization", "")
        realm = self.realm if "://" in self.realm else f"http://{request.headers['host']}{self.realm}"
        with self.lock:
            good = given.removeprefix("Bearer ") in self.issued and given not in self.revoked and not self.refuse
        if not good:
            challenge = f'Bearer realm="{realm}",service="s",scope="repository:a/b:pull",error="insufficient_scope"'
            return Reply(status=401, headers=[("WWW-Authenticate", challenge)])
        return (
            Reply(status=202, headers=[("Location", "/v2/a/b/blobs/uploads/1")])
            if request.method == "POST"
            else Reply()
        )

    def token(self, request: Request) -> Reply:
        time.sleep(0.02)
        with self.lock:
            token = f"token-{len(self.issued)}"
            self.issued.append(token)
        document: dict[str, object] = {"token": token}
        if self.expires_in is not None:
            document["expires_in"] = self.expires_in
        return Reply(body=json.dumps(document).encode())


def tokens(server: ScriptedServer) -> list[Request]:
    return [one for one in server.requests if one.path == "/token"]


def test_a_warm_client_asks_for_no_token_and_is_never_refused(server: Servers, client: Clients) -> None:
    registry = server(TokenRegistry())
    one = client(registry.url, USER)
    one.head_blob("a/b", DIGEST)
    assert [(request.method, request.path) for request in registry.requests] == [
        ("HEAD", f"/v2/a/b/blobs/{DIGEST}"),
        ("GET", "/token"),
        ("HEAD", f"/v2/a/b/blobs/{DIGEST}"),
    ]
    registry.requests.clear()
    for _ in range(3):
        one.head_blob("a/b", DIGEST)
    one.head_blob("c/d", DIGEST)
    assert [request.path for request in registry.requests] == [f"/v2/a/b/blobs/{DIGEST}"] * 3 + [
        "/token",
        f"/v2/c/d/blobs/{DIGEST}",
    ]


def test_a_token_is_asked_for_with_service_scope_and_account(server: Servers, client: Clients) -> None:
    registry = server(TokenRegistry(realm="/token?already=there"))
    client(registry.url, USER).head_blob("a/b", DIGEST)
    (request,) = tokens(registry)
    assert request.target == "/token?already=there&service=s&scope=repository:a/b:pull"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"geo:s3cret-password").decode()


def test_nobodys_token_is_asked_for_without_an_account(server: Servers, client: Clients) -> None:
    registry = server(TokenRegistry())
    client(registry.url).head_blob("a/b", DIGEST)
    assert "authorization" not in tokens(registry)[0].headers


def test_a_destination_asks_for_pull_and_push_at_once(server: Servers, client: Clients) -> None:
    registry = server(TokenRegistry())
    one = client(registry.url, USER, writes=True)
    one.head_blob("a/b", DIGEST)
    one.begin_upload("a/b", mount=DIGEST)
    assert [request.target for request in tokens(registry)] == ["/token?service=s&scope=repository:a/b:pull,push"]


def test_a_mount_from_elsewhere_asks_for_both_repositories(server: Servers, client: Clients) -> None:
    registry = server(TokenRegistry())
    one = client(registry.url, USER, writes=True)
    one.begin_upload("a/b", mount=DIGEST, mount_from="c/d")
    assert tokens(registry)[0].target == "/token?service=s&scope=repository:a/b:pull,push&scope=repository:c/d:pull"
    assert registry.requests[0].target == f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from=c/d"


def test_many_threads_ask_for_one_token(server: Servers, client: Clients) -> None:
    registry = server(TokenRegistry())
    one = client(registry.url, USER)
    one.head_blob("a/b", DIGEST)
    registry.requests.clear()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: one.head_blob("c/d", DIGEST), range(8)))
    assert len(tokens(registry)) == 1


@pytest.mark.parametrize(("expires_in", "passed_s", "asked"), [(300, 240, 1), (300, 296, 2), (1, 0.6, 2)])
def test_a_token_is_renewed_before_it_expires(
    server: Servers, client: Clients, expires_in: int, passed_s: float, asked: int
) -> None:
    registry = server(TokenRegistry(expires_in=expires_in))
    clock = MovedClock()
    one = client(registry.url, USER, deadline=Deadline(clock))
    one.head_blob("a/b", DIGEST)
    clock.ahead_s = passed_s
    one.head_blob("a/b", DIGEST)
    assert len(tokens(registry)) == asked
    assert len([request for request in registry.requests if request.path != "/token"]) == 3, "never refused"


def test_a_token_lives_a_minute_when_nobody_says_how_long(server: Servers, client: Clients) -> None:
    registry = server(TokenRegistry(expires_in=None))
    clock = MovedClock()
    one = client(registry.url, USER, deadline=Deadline(clock))
    one.head_blob("a/b", DIGEST)
    clock.ahead_s = 50
    one.head_blob("a/b", DIGEST)
    assert len(tokens(registry)) == 1
    clock.ahead_s = 56
    one.head_blob("a/b", DIGEST)
    assert len(tokens(registry)) == 2


def test_a_token_that_the_registry_no_longer_takes_is_replaced_at_once(server: Servers, client: Clients) -> None:
    script = TokenRegistry()
    registry = server(script)
    one = client(registry.url, USER)
    one.head_blob("a/b", DIGEST)
    script.revoked.add("Bearer token-0")
    assert one.head_blob("a/b", DIGEST) == 0
    assert len(tokens(registry)) == 2


def test_a_refusal_is_told_after_one_more_try(server: Servers, client: Clients) -> None:
    registry = server(TokenRegistry(refuse=True))
    with pytest.raises(Unauthorized, match="insufficient_scope"):
        client(registry.url, USER).head_blob("a/b", DIGEST)
    assert len(registry.requests) == 3


def test_credentials_go_to_no_other_host_than_the_registrys_and_those_named(server: Servers, client: Clients) -> None:
    service = server(TokenRegistry())
    elsewhere = service.url.replace("127.0.0.1", "localhost") + "/token"
    script = TokenRegistry(realm=elsewhere)
    registry = server(script)
    with pytest.raises(Unauthorized, match="realm_hosts"):
        client(registry.url, USER).head_blob("a/b", DIGEST)
    assert service.requests == []
    port = service.url.rpartition(":")[2]
    for allowed in ("localhost", f"localhost:{port}", "LOCALHOST"):
        named = Basic(username="geo", password="s3cret-password", realm_hosts=(allowed,))
        script.issued.append(f"token-{len(service.script.issued)}")  # type: ignore[attr-defined]
        client(registry.url, named).head_blob("a/b", DIGEST)
    assert len(service.requests) == 3
    with pytest.raises(Unauthorized):
        wrong = Basic(username="geo", password="s3cret-password", realm_hosts=("localhost:1",))
        client(registry.url, wrong).head_blob("a/b", DIGEST)


@pytest.mark.parametrize(
    "realm", ["ftp://h/token", "http://user:pw@h/token", "http:///token", "http://[::1/token", "x"]
)
def test_a_realm_that_is_no_plain_url_is_refused(server: Servers, client: Clients, realm: str) -> None:
    registry = server(
        lambda _: Reply(status=401, headers=[("WWW-Authenticate", f'Bearer realm="{realm}",service="s"')])
    )
    with pytest.raises(Unauthorized, match="realm"):
        client(registry.url, USER).ping()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=401), Unauthorized),
        (Reply(status=403), Denied),
        (Reply(status=400), Unauthorized),
        (Reply(status=302, headers=[("Location", "/elsewhere")]), Unauthorized),
        (Reply(status=503, headers=[("Retry-After", "9")]), RegistryUnavailable),
        (Reply(status=429), RegistryUnavailable),
        (Reply(silent=True), RegistryUnavailable),
        (Reply(body=b"x" * 70_000), Unauthorized),
        (Reply(body=b"not json"), Unauthorized),
        (Reply(body=b"{}"), Unauthorized),
        (Reply(body=b'{"token":"a\\r\\nX: b"}'), Unauthorized),
        (Reply(body=b'{"token":7}'), Unauthorized),
    ],
)
def test_a_token_service_that_gives_no_token(
    server: Servers, client: Clients, reply: Reply, error: type[Exception]
) -> None:
    registry = TokenRegistry()
    registry.token = lambda request: reply  # type: ignore[method-assign]
    with pytest.raises(error) as caught:
        client(server(registry).url, USER).head_blob("a/b", DIGEST)
    assert type(caught.value) is error


def test_an_access_token_is_a_token_too(server: Servers, client: Clients) -> None:
    script = TokenRegistry()
    script.issued.append("abc")
    script.token = lambda request: Reply(body=b'{"access_token":"abc"}')  # type: ignore[method-assign]
    client(server(script).url, USER).head_blob("a/b", DIGEST)


def test_basic_credentials_go_along_from_the_second_request_on(server: Servers, client: Clients) -> None:
    expected = "Basic " + base64.b64encode(b"geo:s3cret-password").decode()

    def script(request: Request) -> Reply:
        if request.headers.get("authorization") == expected:
            return Reply()
        return Reply(status=401, headers=[("WWW-Authenticate", 'Basic realm="r"')])

    registry = server(script)
    one = client(registry.url, USER)
    for _ in range(3):
        one.ping()
    assert [request.headers.get("authorization") for request in registry.requests] == [None] + [expected] * 3
    with pytest.raises(Unauthorized, match="anonymous"):
        client(registry.url).ping()
    registry.requests.clear()
    with pytest.raises(Unauthorized):
        client(registry.url, Basic(username="geo", password="wrong")).ping()
    assert len(registry.requests) == 2
