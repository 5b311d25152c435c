"""Streams from and to servers that lie, cut, hang or close, and the client's errors."""

from __future__ import annotations

import hashlib

import pytest
from tests.integration.oci.serving import BLOB, DATA, DIGEST, MANIFEST, Serve, Stream, drain, serve, serve_impatient
from tests.support.scripted import Reply, Request
from tests.support.waits import socket_timeouts

from geosync.errors import (
    DigestMismatch,
    OutcomeUnknown,
    OutOfTime,
    RegistryUnavailable,
    SizeMismatch,
)
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import SIZE_UNKNOWN, Descriptor
from geosync.oci.uploads import Upload

__all__ = ["serve", "serve_impatient"]  # fixtures


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
def test_bytes_of_another_digest_are_refused_before_the_last_byte_is_passed_on(
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
def test_an_answer_that_is_not_the_rest_of_a_blob_is_not_taken_for_it(serve: Serve, reply: Reply) -> None:
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


def test_a_registry_that_does_not_answer_is_unavailable(serve_impatient: Serve) -> None:
    server, client = serve_impatient(lambda _: Reply(hang=True))
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
            deadline.set(deadline.left_s() - 10)  # as if it had taken so long
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


def test_a_registry_that_nobody_listens_for_is_unavailable(serve: Serve) -> None:
    server, client = serve(lambda _: Reply())
    server.close()
    with pytest.raises(RegistryUnavailable, match="refused") as caught:
        client.put_manifest("a/b", "v1", MANIFEST)
    assert not isinstance(caught.value, OutcomeUnknown), "it was never sent"


def test_a_long_path_that_a_registry_links_to_does_not_fill_the_error(serve: Serve) -> None:
    first = Reply(body=b'{"repositories":["a/b"]}', headers=[("Link", f'</{"x" * 3000}?last=a>; rel="next"')])
    _, client = serve(lambda request: first if request.path == "/v2/_catalog" else Reply(status=500))
    with pytest.raises(RegistryUnavailable) as caught:
        list(client.repositories())
    assert "GET /xxx" in str(caught.value)
    assert len(str(caught.value)) < 1000
