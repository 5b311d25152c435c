"""Redirects and locations on other hosts: followed without credentials, and no secret is shown."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable

import pytest
from tests.support.scripted import Reply, Request, Script, ScriptedServer

from geosync.errors import (
    GeosyncError,
    Refused,
    RegistryUnavailable,
    Unauthorized,
)
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Basic
from geosync.oci.manifests import Descriptor

DATA = b"layer" * 1000
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
BLOB = Descriptor(media_type="x", digest=DIGEST, size=len(DATA))
USER = Basic(username="geo", password="s3cret-password")
SIGNED = "X-Amz-Signature=0badf00d&X-Amz-Credential=AKIAEXAMPLE%2F2026"


Servers = Callable[[Script], ScriptedServer]
Clients = Callable[..., RegistryClient]


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


def test_a_mount_of_another_digest_does_not_count_and_becomes_an_upload(server: Servers, client: Clients) -> None:
    other = f"sha256:{'0' * 64}"

    def script(request: Request) -> Reply:
        if "mount=" in request.target:
            return Reply(status=201, headers=[("Location", f"/v2/a/b/blobs/{other}"), ("Docker-Content-Digest", other)])
        return Reply(status=202, headers=[("Location", "/v2/u/1")])

    registry = server(script)
    one = client(registry.url, writes=True)
    assert one.begin_upload("a/b", mount=DIGEST, mount_from="c/d") is not None
    assert one.begin_upload("a/b", mount=DIGEST) is not None
    assert [request.target for request in registry.requests][-1] == "/v2/a/b/blobs/uploads/"


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


def test_connections_ahead_are_to_the_registry_and_to_the_storage_that_it_led_to_last(
    server: Servers, client: Clients
) -> None:
    storage, registry = storage_and_registry(server, strict_storage)
    reader = client(registry.url, USER)
    assert len(reader.connections_ahead(2)) == 2
    with reader.open_blob("a/b", BLOB) as blob:
        blob.read(len(DATA))
    asked = len(registry.requests), len(storage.requests)
    ahead = reader.connections_ahead(3)
    assert len(ahead) == 2 * 3 - 2, "one to each is open"
    for connect in ahead:
        connect()
    assert reader.connections_ahead(3) == []
    assert (len(registry.requests), len(storage.requests)) == asked, "nothing was asked"


def test_a_connection_ahead_that_cannot_be_opened_is_no_error(client: Clients) -> None:
    (connect,) = client("http://127.0.0.1:9", USER).connections_ahead(1)
    connect()
