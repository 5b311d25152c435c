"""Getting in: challenges, tokens, where credentials go and where not, redirects, and listings."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.scripted import Reply, Request, Script, ScriptedServer

from geosync.errors import (
    ConfigurationError,
    ContentError,
    GeosyncError,
    NotFound,
    Refused,
    RegistryUnavailable,
    TooLarge,
    Unauthorized,
)
from geosync.oci import media_types
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous, Basic, Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor

DATA = b"layer" * 1000
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
BLOB = Descriptor(media_type="x", digest=DIGEST, size=len(DATA))
USER = Basic(username="geo", password="s3cret-password")
SIGNED = "X-Amz-Signature=0badf00d&X-Amz-Credential=AKIAEXAMPLE%2F2026"


@pytest.fixture
def server() -> Iterator[Callable[[Script], ScriptedServer]]:
    made: list[ScriptedServer] = []

    def begin(script: Script) -> ScriptedServer:
        made.append(ScriptedServer(script))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.fixture
def client(deadline: Deadline) -> Iterator[Callable[..., RegistryClient]]:
    made: list[RegistryClient] = []

    def begin(url: str, credentials: Credentials = Anonymous(), **more: object) -> RegistryClient:  # noqa: B008
        made.append(RegistryClient(url, credentials, deadline=deadline, **more))  # type: ignore[arg-type]
        return made[-1]

    yield begin
    for one in made:
        one.close()


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


@pytest.mark.parametrize(("expires_in", "asked"), [(300, 1), (1, 2)])
def test_a_token_is_renewed_before_it_expires(server: Servers, client: Clients, expires_in: int, asked: int) -> None:
    registry = server(TokenRegistry(expires_in=expires_in))
    one = client(registry.url, USER)
    one.head_blob("a/b", DIGEST)
    time.sleep(0.6)
    one.head_blob("a/b", DIGEST)
    assert len(tokens(registry)) == asked
    assert len([request for request in registry.requests if request.path != "/token"]) == 3, "never refused"


def test_a_token_lives_a_minute_when_nobody_says_how_long(
    server: Servers, client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = server(TokenRegistry(expires_in=None))
    one = client(registry.url, USER)
    one.head_blob("a/b", DIGEST)
    real = time.time
    monkeypatch.setattr("geosync.oci.auth.time.time", lambda: real() + 50)
    one.head_blob("a/b", DIGEST)
    assert len(tokens(registry)) == 1
    monkeypatch.setattr("geosync.oci.auth.time.time", lambda: real() + 56)
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
        (Reply(status=403), Unauthorized),
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


# ---- redirects


def storage_and_registry(
    server: Servers, answer: Callable[[Request], Reply], host: str = "localhost"
) -> tuple[ScriptedServer, ScriptedServer]:
    storage = server(answer)
    target = storage.url.replace("127.0.0.1", host)

    def script(request: Request) -> Reply:
        if request.headers.get("authorization") is None:
            return Reply(status=401, headers=[("WWW-Authenticate", 'Basic realm="r"')])
        return Reply(status=307, headers=[("Location", f"{target}/bucket/data?n={len(storage.requests)}&{SIGNED}")])

    return storage, server(script)


def strict_storage(request: Request) -> Reply:
    """Like S3: a request that is signed in its query must not have an Authorization beside it."""
    return Reply(status=400) if "authorization" in request.headers else Reply(body=DATA)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_redirected_blob_is_read_without_authorization(server: Servers, client: Clients, host: str) -> None:
    storage, registry = storage_and_registry(server, strict_storage, host)
    with client(registry.url, USER).open_blob("a/b", BLOB) as reader:
        assert reader.read(len(DATA)) == DATA
    assert "authorization" not in storage.requests[0].headers
    assert storage.requests[0].target == f"/bucket/data?n=0&{SIGNED}"


def test_a_presigned_url_on_the_registrys_own_host_gets_no_authorization_either(
    server: Servers, client: Clients
) -> None:
    def script(request: Request) -> Reply:
        if request.path.startswith("/v2/"):
            if "authorization" not in request.headers:
                return Reply(status=401, headers=[("WWW-Authenticate", 'Basic realm="r"')])
            return Reply(status=307, headers=[("Location", f"/storage/data?{SIGNED}")])
        return strict_storage(request)

    assert client(server(script).url, USER).head_blob("a/b", DIGEST) == len(DATA)


def test_a_presigned_url_that_has_expired_is_asked_for_again_once(server: Servers, client: Clients) -> None:
    storage, registry = storage_and_registry(
        server, lambda request: Reply(body=DATA) if "n=1&" in request.target else Reply(status=403)
    )
    with client(registry.url, USER).open_blob("a/b", BLOB) as reader:
        assert reader.read(len(DATA)) == DATA
    assert len(storage.requests) == 2
    storage, registry = storage_and_registry(server, lambda _: Reply(status=403))
    with pytest.raises(Unauthorized):
        client(registry.url, USER).open_blob("a/b", BLOB)
    assert len(storage.requests) == 2


def test_redirects_that_go_round_end(server: Servers, client: Clients) -> None:
    registry = server(lambda request: Reply(status=307, headers=[("Location", request.target)]))
    with pytest.raises(Refused, match="307"):
        client(registry.url).head_blob("a/b", DIGEST)
    assert len(registry.requests) == 6


@pytest.mark.parametrize("location", ["ftp://h/x", "file:///etc/passwd", "http://h:99999/x", "http://h/ä"])
def test_a_redirect_to_what_is_no_http_url_is_not_followed(server: Servers, client: Clients, location: str) -> None:
    registry = server(lambda _: Reply(status=307, headers=[("Location", location)]))
    with pytest.raises(RegistryUnavailable, match="redirect"):
        client(registry.url).head_blob("a/b", DIGEST)


def test_an_upload_elsewhere_gets_the_bytes_and_no_credentials(server: Servers, client: Clients) -> None:
    storage = server(lambda _: Reply(status=201))
    target = storage.url.replace("127.0.0.1", "localhost")

    def script(request: Request) -> Reply:
        if "authorization" not in request.headers:
            return Reply(status=401, headers=[("WWW-Authenticate", 'Basic realm="r"')])
        return Reply(status=202, headers=[("Location", f"{target}/up/1?{SIGNED}")])

    client(server(script).url, USER, writes=True).put_small_blob("a/b", DIGEST, DATA)
    (put,) = storage.requests
    assert "authorization" not in put.headers
    assert put.target == f"/up/1?{SIGNED}&digest={DIGEST}"
    assert put.body == DATA


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/v2/a/b/blobs/uploads/1", "/v2/a/b/blobs/uploads/1"),
        ("2?x=%2f", "/v2/a/b/blobs/uploads/2"),
    ],
)
def test_a_relative_location_is_taken_from_the_request(
    server: Servers, client: Clients, location: str, path: str
) -> None:
    def script(request: Request) -> Reply:
        return Reply(status=201) if request.method == "PUT" else Reply(status=202, headers=[("Location", location)])

    registry = server(script)
    client(registry.url, writes=True).put_small_blob("a/b", DIGEST, DATA)
    assert registry.requests[-1].path == path
    assert registry.requests[-1].target.endswith(f"{'&' if '?' in location else '?'}digest={DIGEST}")


def test_a_mount_that_is_refused_falls_back_to_an_upload(server: Servers, client: Clients) -> None:
    def script(request: Request) -> Reply:
        if "mount=" in request.target:
            return Reply(status=403, body=b'{"errors":[{"code":"DENIED"}]}')
        return Reply(status=202, headers=[("Location", "/v2/u/1")])

    registry = server(script)
    one = client(registry.url, writes=True)
    assert one.begin_upload("a/b", mount=DIGEST, mount_from="c/d") is not None
    assert [request.target for request in registry.requests][-1] == "/v2/a/b/blobs/uploads/"
    with pytest.raises(Unauthorized):
        one.begin_upload("a/b", mount=DIGEST)


# ---- nothing secret is told


def test_no_error_and_no_log_holds_a_secret(
    server: Servers, client: Clients, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    echo = json.dumps({"errors": [{"code": "DENIED", "message": f"http://s/x?{SIGNED} Basic Z2VvOnMzY3JldA=="}]})
    for reply in (
        Reply(status=403, body=echo.encode()),
        Reply(status=500, body=echo.encode()),
        Reply(silent=True),
        Reply(body=DATA, cut=5),
        Reply(body=b"other" * 1000),
        Reply(status=307, headers=[("Location", f"/again?{SIGNED}")]),
        Reply(status=307, headers=[("Location", f"ftp://x/again?{SIGNED}")]),
    ):
        _, registry = storage_and_registry(server, lambda _, reply=reply: reply)  # type: ignore[misc]
        with pytest.raises(GeosyncError) as caught, client(registry.url, USER).open_blob("a/b", BLOB) as reader:
            while reader.read():
                pass
        error: BaseException | None = caught.value
        while error is not None:
            texts += [str(error), repr(error)]
            error = error.__cause__ or error.__context__
    printed = capfd.readouterr()
    everything = "\n".join([*texts, caplog.text, printed.out, printed.err])
    for secret in ("0badf00d", "AKIAEXAMPLE", "s3cret-password", "Z2VvOnMzY3JldA", "Z2VvOnMzY3JldC1wYXNzd29yZA"):
        assert secret not in everything


# ---- listings


def pages(*documents: tuple[object, str | None]) -> Script:
    def script(request: Request) -> Reply:
        number = int(request.target.partition("page=")[2] or "0")
        document, link = documents[number]
        headers = [("Link", link)] if link else []
        return Reply(body=json.dumps(document).encode(), headers=headers)

    return script


def test_pages_are_followed_as_their_links_say(server: Servers, client: Clients) -> None:
    registry = server(
        pages(
            ({"tags": ["v1", None, "v2", "-bad", "../x", 7]}, '</v2/a/b/tags/list?x=%2f&page=1>; rel="next"'),
            ({"tags": None}, "<list?page=2>; rel=next"),
            ({"tags": ["v3"]}, None),
        )
    )
    assert list(client(registry.url).tags("a/b")) == [["v1", "v2"], [], ["v3"]]
    assert [request.target for request in registry.requests] == [
        "/v2/a/b/tags/list?n=1000",
        "/v2/a/b/tags/list?x=%2f&page=1",
        "/v2/a/b/tags/list?page=2",
    ]


def test_a_link_to_another_host_is_not_followed(server: Servers, client: Clients) -> None:
    other = server(lambda _: Reply(body=b'{"tags":[]}'))
    registry = server(pages(({"tags": ["v1"]}, f'<{other.url}/v2/a/b/tags/list?page=1>; rel="next"')))
    listing = client(registry.url).tags("a/b")
    assert next(listing) == ["v1"]
    with pytest.raises(RegistryUnavailable, match="another host"):
        next(listing)
    assert other.requests == []


def test_pages_that_go_round_end(server: Servers, client: Clients) -> None:
    registry = server(
        lambda _: Reply(body=b'{"tags":["v1"]}', headers=[("Link", '</v2/a/b/tags/list?n=1000>; rel="next"')])
    )
    with pytest.raises(ContentError, match="circle"):
        list(client(registry.url).tags("a/b"))
    assert len(registry.requests) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}'), NotFound),
        (Reply(body=b"<html>"), RegistryUnavailable),
        (Reply(body=b"[]"), RegistryUnavailable),
        (Reply(body=b" " * (8 * 1024 * 1024 + 1)), TooLarge),
    ],
)
def test_a_listing_that_is_none(server: Servers, client: Clients, reply: Reply, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(client(server(lambda _: reply).url).tags("a/b"))


def test_the_catalogue_keeps_only_names(server: Servers, client: Clients) -> None:
    registry = server(pages(({"repositories": ["a/b", "../x", None, "UPPER"]}, None)))
    assert list(client(registry.url).repositories()) == [["a/b"]]
    assert registry.requests[0].target == "/v2/_catalog?n=1000"


def test_referrers_page_by_page(server: Servers, client: Clients) -> None:
    one = {"mediaType": media_types.OCI_MANIFEST, "digest": DIGEST, "size": 3, "artifactType": "application/x"}
    registry = server(
        pages(({"manifests": [one]}, f"</v2/a/b/referrers/{DIGEST}?page=1>; rel=next"), ({"manifests": []}, None))
    )
    found = client(registry.url).referrers("a/b", DIGEST)
    assert found is not None
    assert [(item.digest, item.artifact_type) for item in found] == [(DIGEST, "application/x")]


def test_a_registry_without_the_referrers_api_is_asked_once(server: Servers, client: Clients) -> None:
    registry = server(lambda _: Reply(status=404, body=b"404 page not found\n"))
    one = client(registry.url)
    assert one.referrers("a/b", DIGEST) is None
    assert one.referrers("a/b", DIGEST) is None
    assert len(registry.requests) == 1


def test_a_registry_that_does_not_know_the_name_is_asked_again(server: Servers, client: Clients) -> None:
    registry = server(lambda _: Reply(status=404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}'))
    one = client(registry.url)
    assert one.referrers("a/b", DIGEST) is None
    assert one.referrers("a/b", DIGEST) is None
    assert len(registry.requests) == 2


# ---- 404s, and names


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404),
        Reply(status=404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'),
        Reply(status=404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}'),
        Reply(status=404, body=b'{"errors":[{"code":"NOT_FOUND"}]}'),
    ],
)
def test_a_registrys_own_404_is_none(server: Servers, client: Clients, reply: Reply) -> None:
    one = client(server(lambda _: reply).url)
    assert one.get_manifest("a/b", "v1") is None
    assert one.head_manifest("a/b", "v1") is None
    one.delete_manifest("a/b", "v1")


def test_a_404_of_something_before_the_registry_is_not_an_absence(server: Servers, client: Clients) -> None:
    page = Reply(status=404, headers=[("Content-Type", "text/html")], body=b"<html>no such site</html>")
    one = client(server(lambda _: page).url)
    for ask in (one.get_manifest, one.head_manifest, one.delete_manifest):
        with pytest.raises(RegistryUnavailable):
            ask("a/b", "v1")


def test_a_head_without_a_digest_is_made_good_by_a_get(server: Servers, client: Clients) -> None:
    content = b'{"manifests":[]}'
    reply = Reply(body=content, headers=[("Content-Type", media_types.OCI_INDEX)])
    head = client(server(lambda _: reply).url).head_manifest("a/b", "v1")
    assert head == Descriptor(
        media_type=media_types.OCI_INDEX,
        digest="sha256:" + hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


@pytest.mark.parametrize("name", ["", "../x", "a/../b", "A/b", "a b", "a?x=1", "a/b\r\n", "a//b", "/a", "a" * 256])
def test_no_other_name_gets_into_a_url(server: Servers, client: Clients, name: str) -> None:
    registry = server(lambda _: Reply())
    one = client(registry.url)
    for ask in (
        lambda: one.head_manifest(name, "v1"),
        lambda: one.head_blob(name, DIGEST),
        lambda: one.begin_upload(name),
        lambda: one.begin_upload("a/b", mount=DIGEST, mount_from=name),
        lambda: list(one.tags(name)),
        lambda: one.referrers(name, DIGEST),
    ):
        with pytest.raises(ValueError, match="not a repository name"):
            ask()
    assert registry.requests == []


@pytest.mark.parametrize("reference", ["", "..", "v1/../../x", "v1?x", "sha256:zz", "a" * 129, "-x"])
def test_no_other_reference_gets_into_a_url(server: Servers, client: Clients, reference: str) -> None:
    registry = server(lambda _: Reply())
    with pytest.raises(ValueError, match="tag"):
        client(registry.url).get_manifest("a/b", reference)
    assert registry.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "registry:5000",
        "ftp://h",
        "http://",
        "https://u:hunter2@h",
        "https://h/path",
        "https://h?x",
        "https://h:port",
        "http://h#f",
    ],
)
def test_a_registrys_url_is_a_scheme_and_a_host(client: Clients, url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL") as caught:
        client(url)
    assert "hunter2" not in str(caught.value)


def test_a_ping_says_what_is_wrong(server: Servers, client: Clients) -> None:
    with pytest.raises(RegistryUnavailable, match="no registry API"):
        client(server(lambda _: Reply(status=404)).url).ping()
    with pytest.raises(RegistryUnavailable, match="503"):
        client(server(lambda _: Reply(status=503)).url).ping()
