"""Streams from and to servers that lie, cut, hang or close, and what the client makes of it."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterator

import pytest
from tests.support.scripted import Reply, Request, Script, ScriptedServer
from tests.support.waits import socket_timeouts

from geosync.errors import (
    DigestMismatch,
    MalformedManifest,
    NotFound,
    OutcomeUnknown,
    OutOfTime,
    Refused,
    RegistryUnavailable,
    SizeMismatch,
    TooLarge,
)
from geosync.oci import media_types
from geosync.oci.blobs import BlobReader
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import MAX_MANIFEST_BYTES, SIZE_UNKNOWN, Descriptor, Manifest
from geosync.oci.options import ClientOptions
from geosync.oci.transport import Timeouts
from geosync.oci.uploads import Upload

DATA = bytes(range(256)) * 4000
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
BLOB = Descriptor(media_type="application/octet-stream", digest=DIGEST, size=len(DATA))
QUICK = Timeouts(connect_s=1, send_s=1, answer_s=0.3, read_s=0.3)

Serve = Callable[[Script], tuple[ScriptedServer, RegistryClient]]


class Stream(io.BytesIO):
    """A body that remembers how often it was read from the start."""

    def __len__(self) -> int:
        return len(self.getvalue())


@pytest.fixture
def serve(deadline: Deadline) -> Iterator[Serve]:
    made: list[tuple[ScriptedServer, RegistryClient]] = []

    def begin(script: Script) -> tuple[ScriptedServer, RegistryClient]:
        server = ScriptedServer(script)
        client = RegistryClient(
            server.url,
            Anonymous(),
            deadline=deadline,
            writes=True,
            options=ClientOptions(timeouts=QUICK, tag_write_s=0.4),
        )
        made.append((server, client))
        return made[-1]

    yield begin
    for server, client in made:
        client.close()
        server.close()


def drain(reader: BlobReader) -> bytes:
    parts = []
    with reader:
        while data := reader.read(100_000):
            parts.append(data)
    return b"".join(parts)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=DATA),
        Reply(body=DATA, chunked=True),
        Reply(body=DATA, length=-1, close=True),
        Reply(body=DATA, headers=[("Connection", "close")], close=True),
    ],
    ids=["content-length", "chunked", "neither", "closing"],
)
def test_a_blob_is_read_however_its_length_is_told(serve: Serve, reply: Reply) -> None:
    _, client = serve(lambda _: reply)
    reader = client.open_blob("a/b", BLOB)
    assert len(reader) == len(DATA)
    assert drain(reader) == DATA


def test_a_connection_in_use_when_the_client_is_closed_is_closed_with_its_answer(serve: Serve) -> None:
    server, client = serve(lambda _: Reply(body=DATA))
    reader = client.open_blob("a/b", BLOB)
    client.close()
    assert drain(reader) == DATA
    assert drain(client.open_blob("a/b", BLOB)) == DATA
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_layer_of_unknown_size_has_that_of_the_response(serve: Serve) -> None:
    _, client = serve(lambda _: Reply(body=DATA))
    unknown = Descriptor(media_type="x", digest=DIGEST, size=SIZE_UNKNOWN)
    reader = client.open_blob("a/b", unknown)
    assert len(reader) == len(DATA)
    assert drain(reader) == DATA


def test_a_layer_whose_size_nobody_tells_is_refused(serve: Serve) -> None:
    _, client = serve(lambda _: Reply(body=DATA, chunked=True))
    with pytest.raises(SizeMismatch):
        client.open_blob("a/b", Descriptor(media_type="x", digest=DIGEST, size=SIZE_UNKNOWN))


@pytest.mark.parametrize("announced", [len(DATA) - 1, len(DATA) + 1])
def test_another_size_than_the_descriptors_is_refused_before_anything_is_read(serve: Serve, announced: int) -> None:
    _, client = serve(lambda _: Reply(body=DATA, length=announced, close=True))
    with pytest.raises(SizeMismatch, match="announced"):
        client.open_blob("a/b", BLOB)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (DATA[:-1], SizeMismatch),
        (DATA + b"x", SizeMismatch),
        (DATA[:-1] + b"x", DigestMismatch),
        (b"", SizeMismatch),
    ],
    ids=["short", "long", "other", "empty"],
)
def test_what_is_not_the_blob_is_refused_before_its_last_byte_is_handed_on(
    serve: Serve, body: bytes, error: type[Exception]
) -> None:
    _, client = serve(lambda _: Reply(body=body, chunked=True))
    handed = 0
    with client.open_blob("a/b", BLOB) as reader, pytest.raises(error):
        while data := reader.read(100_000):
            handed += len(data)
    assert handed < len(DATA)


def test_an_empty_blob_is_proved_too(serve: Serve) -> None:
    _, client = serve(lambda _: Reply(body=b""))
    empty = Descriptor(media_type="x", digest="sha256:" + hashlib.sha256(b"").hexdigest(), size=0)
    assert drain(client.open_blob("a/b", empty)) == b""
    wrong = Descriptor(media_type="x", digest=DIGEST, size=0)
    with pytest.raises(DigestMismatch):
        drain(client.open_blob("a/b", wrong))


def test_a_blob_goes_on_where_its_connection_broke(serve: Serve) -> None:
    def script(request: Request) -> Reply:
        given = request.headers.get("range")
        if given is None:
            return Reply(body=DATA, cut=300_000)
        offset = int(given.removeprefix("bytes=").removesuffix("-"))
        headers = [("Content-Range", f"bytes {offset}-{len(DATA) - 1}/{len(DATA)}")]
        return Reply(status=206, headers=headers, body=DATA[offset:], cut=300_000)

    server, client = serve(script)
    assert drain(client.open_blob("a/b", BLOB)) == DATA
    assert [one.headers.get("range") for one in server.requests] == [
        None,
        "bytes=300000-",
        "bytes=600000-",
        "bytes=900000-",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=DATA),
        Reply(status=206, headers=[("Content-Range", f"bytes 0-{len(DATA) - 1}/{len(DATA)}")], body=DATA),
        Reply(status=404),
    ],
    ids=["whole", "another part", "gone"],
)
def test_what_is_not_the_rest_of_a_blob_is_not_taken_for_it(serve: Serve, reply: Reply) -> None:
    _, client = serve(lambda request: reply if "range" in request.headers else Reply(body=DATA, cut=300_000))
    with pytest.raises(RegistryUnavailable):
        drain(client.open_blob("a/b", BLOB))


def test_the_rest_of_another_blob_does_not_prove_itself(serve: Serve) -> None:
    def script(request: Request) -> Reply:
        if "range" not in request.headers:
            return Reply(body=DATA, cut=300_000)
        offset = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        headers = [("Content-Range", f"bytes {offset}-{len(DATA) - 1}/{len(DATA)}")]
        return Reply(status=206, headers=headers, body=b"x" * (len(DATA) - offset))

    _, client = serve(script)
    with pytest.raises(DigestMismatch):
        drain(client.open_blob("a/b", BLOB))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_cut_in_the_middle_is_the_registrys_failure_not_the_contents(serve: Serve, chunked: bool) -> None:
    _, client = serve(lambda _: Reply(body=DATA, cut=500_000, chunked=chunked))
    with pytest.raises(RegistryUnavailable):
        drain(client.open_blob("a/b", BLOB))


def test_reading_stops_at_the_deadline(serve: Serve, deadline: Deadline) -> None:
    _, client = serve(lambda _: Reply(body=DATA))
    with client.open_blob("a/b", BLOB) as reader:
        reader.read(1000)
        deadline.set(-1)
        with pytest.raises(OutOfTime):
            reader.read(1000)


def test_no_request_is_begun_after_the_deadline(serve: Serve, deadline: Deadline) -> None:
    server, client = serve(lambda _: Reply())
    deadline.set(-1)
    for ask in (
        lambda: client.get_manifest("a/b", "v1"),
        lambda: client.begin_upload("a/b"),
        client.ping,
        lambda: next(client.tags("a/b")),
    ):
        with pytest.raises(OutOfTime):
            ask()
    assert server.requests == []


def test_a_registry_that_is_silent_until_the_deadline_is_out_of_time(serve: Serve, deadline: Deadline) -> None:
    _, client = serve(lambda _: Reply(hang=True))
    deadline.set(0.1)
    with pytest.raises(OutOfTime):
        client.get_manifest("a/b", "v1")


def test_a_registry_that_does_not_answer_is_unavailable(serve: Serve) -> None:
    server, client = serve(lambda _: Reply(hang=True))
    with pytest.raises(RegistryUnavailable, match="no answer"):
        client.head_manifest("a/b", "v1")
    assert len(server.requests) == 1, "a time-out is not tried again"


def test_an_upload_waits_for_no_longer_than_the_deadline_that_is_left_at_its_end(
    serve: Serve, deadline: Deadline
) -> None:
    reads = 0

    class Slow(Stream):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal reads
            reads += 1
            deadline.set(deadline.left() - 10)  # as if it had taken so long
            return super().read(size)

    server, _ = serve(lambda _: Reply(silent=True))
    client = RegistryClient(server.url, Anonymous(), deadline=deadline)
    upload = Upload(repository="a/b", location=f"{server.url}/v2/a/b/blobs/uploads/1")
    deadline.set(35)
    with socket_timeouts() as timeouts, pytest.raises(OutcomeUnknown):
        client.put_blob(upload, DIGEST, Slow(DATA[:1000]))
    waited = timeouts[-1]
    assert reads > 0
    assert waited is not None
    assert 0 < waited <= 35 - 10 * reads
    client.close()


def test_nothing_listens(serve: Serve) -> None:
    server, client = serve(lambda _: Reply())
    server.close()
    with pytest.raises(RegistryUnavailable, match="refused") as caught:
        client.put_manifest("a/b", "v1", MANIFEST)
    assert not isinstance(caught.value, OutcomeUnknown), "it was never sent"


MANIFEST = Manifest.read(
    b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"%s","size":1},"layers":[]}' % DIGEST.encode(),
    media_types.OCI_MANIFEST,
)


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
def test_a_tag_write_without_an_answer_has_an_unknown_outcome_and_is_sent_once(serve: Serve, reply: Reply) -> None:
    server, client = serve(lambda _: reply)
    with socket_timeouts() as timeouts, pytest.raises(OutcomeUnknown):
        client.put_manifest("a/b", "v1", MANIFEST)
    assert timeouts[-1] is not None
    assert 0 < timeouts[-1] <= QUICK.answer_s
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
def test_a_write_that_was_put_off_is_no_unknown_outcome(serve: Serve, status: int) -> None:
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
    server, client = serve(lambda _: Reply(headers=[("Set-Cookie", "a=b")]))
    client.ping()
    client.ping()
    for one in server.requests:
        assert one.headers["accept-encoding"] == "identity"
        assert one.headers["user-agent"].startswith("geosync")
        assert "cookie" not in one.headers
        assert "authorization" not in one.headers
