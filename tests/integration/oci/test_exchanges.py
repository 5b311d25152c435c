"""One request and its answer: repeats, unknown outcomes, and the use of connections."""

from __future__ import annotations

import time

import pytest
from tests.integration.oci.serving import (
    BLOB,
    DATA,
    DIGEST,
    IMPATIENT,
    MANIFEST,
    Serve,
    Stream,
    drain,
    serve,
    serve_impatient,
)
from tests.support.scripted import Reply, Request, ScriptedServer
from tests.support.waits import socket_timeouts

from geosync.errors import (
    DigestMismatch,
    MalformedManifest,
    NotFound,
    OutcomeUnknown,
    Refused,
    RegistryUnavailable,
    SizeMismatch,
    TooLarge,
)
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import MAX_MANIFEST_BYTES, SIZE_UNKNOWN, Descriptor
from geosync.oci.options import ClientOptions
from geosync.oci.uploads import Upload

__all__ = ["serve", "serve_impatient"]  # fixtures


def test_a_broken_get_is_sent_once_more_on_a_new_connection(serve: Serve) -> None:
    replies = iter([Reply(silent=True), Reply(body=MANIFEST.content, headers=[("Content-Type", MANIFEST.media_type)])])
    server, client = serve(lambda _: next(replies))
    assert client.get_manifest("a/b", "v1") == MANIFEST
    assert [one.connection for one in server.requests] == [1, 2]


def test_a_get_that_breaks_twice_is_given_up(serve: Serve) -> None:
    server, client = serve(lambda _: Reply(silent=True))
    with pytest.raises(RegistryUnavailable):
        client.get_manifest("a/b", "v1")
    assert len(server.requests) == 2


@pytest.mark.parametrize("reply", [Reply(silent=True), Reply(hang=True)])
def test_a_tag_write_without_an_answer_has_an_unknown_outcome_and_is_sent_once(
    serve_impatient: Serve, reply: Reply
) -> None:
    server, client = serve_impatient(lambda _: reply)
    with socket_timeouts() as timeouts, pytest.raises(OutcomeUnknown):
        client.put_manifest("a/b", "v1", MANIFEST)
    assert timeouts[-1] is not None
    assert 0 < timeouts[-1] <= IMPATIENT.answer_s
    assert len(server.requests) == 1


def test_the_time_of_a_tag_write_is_bounded_whatever_the_answers_time_out(deadline: Deadline) -> None:
    with ScriptedServer(lambda _: Reply(hang=True)) as server:
        client = RegistryClient(server.url, Anonymous(), deadline=deadline, options=ClientOptions(tag_write_s=0.2))
        with socket_timeouts() as timeouts, pytest.raises(OutcomeUnknown):
            client.put_manifest("a/b", "v1", MANIFEST)
        assert timeouts
        assert all(seconds is not None and seconds <= 0.2 for seconds in timeouts)
        client.close()


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_gateway_that_gave_up_on_a_write_leaves_its_outcome_open(serve: Serve, status: int) -> None:
    _, client = serve(lambda _: Reply(status=status))
    with pytest.raises(OutcomeUnknown):
        client.put_manifest("a/b", "v1", MANIFEST)
    with pytest.raises(RegistryUnavailable) as caught:
        client.head_manifest("a/b", "v1")
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("status", [429, 503])
def test_a_postponed_write_has_no_unknown_outcome(serve: Serve, status: int) -> None:
    _, client = serve(lambda _: Reply(status=status, headers=[("Retry-After", "7")]))
    with pytest.raises(RegistryUnavailable) as caught:
        client.put_manifest("a/b", "v1", MANIFEST)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert caught.value.retry_after == 7


def test_a_kept_connection_that_the_server_closed_does_not_break_a_write(serve: Serve) -> None:
    def script(request: Request) -> Reply:
        return Reply(status=201) if request.method == "PUT" else Reply()

    server, client = serve(script)
    client.ping()
    server.drop_connections()
    time.sleep(0.05)
    upload = Upload(repository="a/b", location=f"{server.url}/v2/a/b/blobs/uploads/1")
    client.put_blob(upload, DIGEST, Stream(DATA))
    puts = [one for one in server.requests if one.method == "PUT"]
    assert [one.body for one in puts] == [DATA]


def test_a_streamed_body_is_never_sent_twice(serve: Serve) -> None:
    server, client = serve(lambda request: Reply(silent=request.method == "PUT"))
    client.ping()
    body = Stream(DATA)
    upload = Upload(repository="a/b", location=f"{server.url}/v2/a/b/blobs/uploads/1")
    with pytest.raises(OutcomeUnknown):
        client.put_blob(upload, DIGEST, body)
    assert len([one for one in server.requests if one.method == "PUT"]) == 1


def test_a_streamed_put_has_a_content_length_and_the_bytes(serve: Serve) -> None:
    server, client = serve(lambda _: Reply(status=201))
    upload = Upload(repository="a/b", location=f"{server.url}/v2/a/b/blobs/uploads/1?_state=a%2fb%3D")
    client.put_blob(upload, DIGEST, Stream(DATA))
    (request,) = server.requests
    assert request.headers["content-length"] == str(len(DATA))
    assert "transfer-encoding" not in request.headers
    assert request.body == DATA
    assert request.target == f"/v2/a/b/blobs/uploads/1?_state=a%2fb%3D&digest={DIGEST}"


def test_the_sources_error_comes_through_a_streamed_put(serve: Serve) -> None:
    class Broken:
        def __len__(self) -> int:
            return 10

        def read(self, size: int, /) -> bytes:
            raise DigestMismatch(f"not the bytes {size}")

    server, client = serve(lambda _: Reply(status=201))
    upload = Upload(repository="a/b", location=f"{server.url}/v2/a/b/blobs/uploads/1")
    with pytest.raises(DigestMismatch):
        client.put_blob(upload, DIGEST, Broken())
    assert server.requests == []


@pytest.mark.parametrize("status", [200, 202, 204])
def test_only_a_201_closes_an_upload(serve: Serve, status: int) -> None:
    server, client = serve(lambda _: Reply(status=status))
    upload = Upload(repository="a/b", location=f"{server.url}/v2/a/b/blobs/uploads/1")
    with pytest.raises(OutcomeUnknown):
        client.put_blob(upload, DIGEST, Stream(DATA))


def test_an_early_refusal_is_told_as_such(serve: Serve) -> None:
    _, client = serve(lambda _: Reply(status=413, close=True))
    upload = Upload(repository="a/b", location=f"{client._requests.base}/v2/a/b/blobs/uploads/1")
    with pytest.raises(Refused):
        client.put_blob(upload, DIGEST, Stream(DATA))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"x" * 10, length=MAX_MANIFEST_BYTES + 1, cut=10),
        Reply(body=b"x" * (MAX_MANIFEST_BYTES + 1), chunked=True),
    ],
    ids=["announced", "sent"],
)
def test_a_manifest_that_is_too_large_is_not_read_to_its_end(serve: Serve, reply: Reply) -> None:
    _, client = serve(lambda _: reply)
    with pytest.raises(TooLarge):
        client.get_manifest("a/b", "v1")


@pytest.mark.parametrize("size", [str(2**63), "9" * 19, "9" * 5000], ids=["2**63", "19 digits", "5000 digits"])
def test_a_size_that_no_registry_can_count_to_is_an_error_of_ours(serve: Serve, size: str) -> None:
    """A body of so many bytes has no len()."""
    _, client = serve(lambda _: Reply(headers=[("Content-Length", size)], length=-1, close=True))
    with pytest.raises(RegistryUnavailable):
        client.head_blob("a/b", DIGEST)
    for said in (SIZE_UNKNOWN, 5):
        with pytest.raises((SizeMismatch, RegistryUnavailable)):
            client.open_blob("a/b", Descriptor(media_type="", digest=DIGEST, size=said)).read()
    with pytest.raises((MalformedManifest, RegistryUnavailable, TooLarge)):
        client.get_manifest("a/b", "v1")


def test_a_manifest_with_another_digest_than_asked_is_refused(serve: Serve) -> None:
    headers = [("Content-Type", MANIFEST.media_type)]
    _, client = serve(lambda _: Reply(body=MANIFEST.content, headers=headers))
    assert client.get_manifest("a/b", MANIFEST.digest) == MANIFEST
    with pytest.raises(DigestMismatch):
        client.get_manifest("a/b", DIGEST)


def test_a_manifest_with_another_digest_than_announced_is_refused(serve: Serve) -> None:
    headers = [("Content-Type", MANIFEST.media_type), ("Docker-Content-Digest", DIGEST)]
    _, client = serve(lambda _: Reply(body=MANIFEST.content, headers=headers))
    with pytest.raises(DigestMismatch):
        client.get_manifest("a/b", "v1")


def test_a_blob_that_is_not_there_is_not_found(serve: Serve) -> None:
    _, client = serve(lambda _: Reply(status=404))
    assert client.head_blob("a/b", DIGEST) is None
    with pytest.raises(NotFound):
        client.open_blob("a/b", BLOB)


def test_connections_are_used_again(serve: Serve) -> None:
    error = b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'

    def script(request: Request) -> Reply:
        if "manifests" in request.path:
            return Reply(status=404, body=b"" if request.method == "HEAD" else error)
        return Reply(body=DATA) if request.method == "GET" else Reply(status=202, headers=[("Location", "/v2/u/1")])

    server, client = serve(script)
    for _ in range(5):
        assert client.head_manifest("a/b", "v1") is None
        assert client.get_manifest("a/b", "v1") is None
        assert client.begin_upload("a/b") is not None
        assert drain(client.open_blob("a/b", BLOB)) == DATA
    assert {one.connection for one in server.requests} == {1}


def test_a_connection_that_idled_for_long_is_not_used_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server, client = serve(lambda _: Reply())
    client.ping()
    monkeypatch.setattr("geosync.oci.idle_connections.MAX_IDLE_S", 0.01)
    time.sleep(0.02)
    client.ping()
    assert [one.connection for one in server.requests] == [1, 2]


def test_what_every_request_carries(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server, client = serve(lambda _: Reply(headers=[("Set-Cookie", "a=b")]))
    client.ping()
    client.ping()
    for one in server.requests:
        assert one.headers["accept-encoding"] == "identity"
        assert one.headers["user-agent"].startswith("geosync")
        assert "cookie" not in one.headers
        assert "authorization" not in one.headers
