"""The client's verbs for uploads in chunks, resumed uploads, and blobs read from an offset."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator

import pytest
from tests.integration.conftest import Place
from tests.support.scripted import Reply, Request, ScriptedServer

from geosync.errors import DigestMismatch, ReadOnly, Refused, RegistryError, RegistryUnavailable, SizeMismatch
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.uploads import Upload, arrived_bytes

DATA = os.urandom(300_000)
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
BLOB = Descriptor(media_type="application/octet-stream", digest=DIGEST, size=len(DATA))

Serve = Callable[[Callable[[Request], Reply]], RegistryClient]


class Body(io.BytesIO):
    def __len__(self) -> int:
        return len(self.getvalue())


@pytest.fixture
def serve() -> Iterator[Serve]:
    made: list[tuple[ScriptedServer, RegistryClient]] = []

    def begin(script: Callable[[Request], Reply]) -> RegistryClient:
        server = ScriptedServer(script)
        made.append((server, RegistryClient(server.url, Anonymous(), deadline=Deadline(), writes=True)))
        return made[-1][1]

    yield begin
    for server, client in made:
        client.close()
        server.close()


def test_a_blob_goes_in_chunks_by_way_of_what_was_written_down(
    plain_registry: Place, connect: Callable[..., RegistryClient], repository: str
) -> None:
    client = connect(plain_registry, writes=True)
    upload = client.begin_upload(repository)
    assert upload is not None
    upload = client.put_chunk(upload, 0, Body(DATA[:100_000]))
    path = client.keepable(upload)
    assert path is not None
    assert path.startswith(f"/v2/{repository}/blobs/uploads/")

    other = connect(plain_registry, writes=True)
    again = other.kept_upload(repository, path)
    assert again is not None
    again, offset = other.upload_status(again)
    assert offset == 100_000
    again = other.put_chunk(again, 100_000, Body(DATA[100_000:]))
    other.close_upload(again, DIGEST, len(DATA))

    assert other.head_blob(repository, DIGEST) == len(DATA)


def test_an_upload_that_the_registry_knows_no_more_says_so(
    plain_registry: Place, connect: Callable[..., RegistryClient], repository: str
) -> None:
    client = connect(plain_registry, writes=True)
    upload = client.begin_upload(repository)
    assert upload is not None
    client.put_chunk(upload, 0, Body(DATA[:1000]))
    with pytest.raises(RegistryUnavailable) as raised:
        client.upload_status(upload)  # its `_state` is not the newest
    assert any(code.startswith("BLOB_UPLOAD_") for code in raised.value.codes)
    assert "_state" not in str(raised.value)


@pytest.mark.parametrize("kept", ["//example.com/v2/x", "http://example.com/v2/x", "v2/x", ""])
def test_only_the_registrys_own_host_is_gone_back_to(serve: Serve, kept: str) -> None:
    client = serve(lambda _: Reply(status=404))
    assert client.kept_upload("app", kept) is None


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/bucket?X-Amz-Signature=secret", "https://example.com/x"])
def test_a_location_on_another_host_is_not_written_down(serve: Serve, location: str) -> None:
    client = serve(lambda _: Reply(status=202, headers=[("Location", location)]))
    upload = client.begin_upload("app")
    assert upload is not None
    assert client.keepable(upload) is None


def test_a_registry_says_how_small_a_chunk_may_be(serve: Serve) -> None:
    headers = [("Location", "/v2/app/blobs/uploads/1"), ("OCI-Chunk-Min-Length", "5242880")]
    upload = serve(lambda _: Reply(status=202, headers=headers)).begin_upload("app")
    assert upload is not None
    assert upload.min_chunk == 5_242_880


@pytest.mark.parametrize(("status", "taken"), [(202, True), (201, True), (204, True), (416, False), (405, False)])
def test_which_answers_to_a_chunk_mean_that_it_was_taken(serve: Serve, status: int, taken: bool) -> None:
    client = serve(lambda _: Reply(status=status, headers=[("Location", "/v2/app/blobs/uploads/2?x=%2F")]))
    upload = Upload(repository="app", location=f"http://{client.name}/v2/app/blobs/uploads/1?secret=1")
    if taken:
        assert client.put_chunk(upload, 5, Body(b"abc")).location.endswith("/v2/app/blobs/uploads/2?x=%2F")
        return
    with pytest.raises(Refused) as raised:
        client.put_chunk(upload, 5, Body(b"abc"))
    assert raised.value.status == status
    assert "secret" not in str(raised.value)


UNSUPPORTED = b'{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}'
ONLY_READS = [("Allow", "GET, HEAD")]
MANIFEST = Manifest.read(b'{"schemaVersion":2}', "application/vnd.oci.image.manifest.v1+json")
VERBS: dict[str, Callable[[RegistryClient], object]] = {
    "begin": lambda client: client.begin_upload("app"),
    "mount": lambda client: client.begin_upload("app", mount=DIGEST),
    "chunk": lambda client: client.put_chunk(upload_at(client), 0, Body(b"abc")),
    "close": lambda client: client.close_upload(upload_at(client), DIGEST, 3),
    "put": lambda client: client.put_manifest("app", "v1", MANIFEST),
    "delete": lambda client: client.delete_manifest("app", "v1"),
}


def upload_at(client: RegistryClient) -> Upload:
    return Upload(repository="app", location=f"http://{client.name}/v2/app/blobs/uploads/1")


@pytest.mark.parametrize("verb", VERBS)
def test_a_registry_that_has_no_verb_to_write_with_is_read_only(serve: Serve, verb: str) -> None:
    client = serve(lambda _: Reply(status=405, headers=ONLY_READS, body=b"Method not allowed\n"))
    with pytest.raises(ReadOnly, match="405 the registry is read-only: for maintenance, perhaps") as raised:
        VERBS[verb](client)
    assert (raised.value.everywhere, raised.value.retryable) == (True, True)


@pytest.mark.parametrize("verb", VERBS)
def test_a_405_that_speaks_of_the_repository_or_of_the_verb_is_not_the_registry_s(serve: Serve, verb: str) -> None:
    client = serve(lambda _: Reply(status=405, body=UNSUPPORTED))
    with pytest.raises(RegistryError) as raised:
        VERBS[verb](client)
    if verb in ("begin", "mount", "close"):
        assert isinstance(raised.value, ReadOnly)
        assert not raised.value.everywhere
    else:
        assert type(raised.value) is Refused, "no deletes, no chunks, not this format"


@pytest.mark.parametrize(
    ("header", "expected"),
    [("0-99", 100), ("bytes=0-99", 100), ("0-0", 0), (None, None), ("5-9", None), ("0-", None), ("0-99x", None)],
)
def test_how_much_has_arrived(header: str | None, expected: int | None) -> None:
    assert arrived_bytes(header) == expected


# ------------------------------------------------------------------------------------------------ from the middle of it


def rest(offset: int, data: bytes = DATA) -> Reply:
    content_range = f"bytes {offset}-{len(data) - 1}/{len(data)}"
    return Reply(status=206, headers=[("Content-Range", content_range)], body=data[offset:])


def read(client: RegistryClient, offset: int) -> bytes:
    with client.open_blob("app", BLOB, offset=offset) as reader:
        assert len(reader) == len(DATA) - offset
        return b"".join(iter(reader.read, b""))


def test_a_blob_is_read_from_an_offset(serve: Serve) -> None:
    assert read(serve(lambda _: rest(100_000)), 100_000) == DATA[100_000:]


@pytest.mark.parametrize("answer", [Reply(body=DATA), rest(0)])
def test_a_source_that_does_not_give_the_rest_is_read_past_it(serve: Serve, answer: Reply) -> None:
    def script(request: Request) -> Reply:
        return answer if "range" in request.headers else Reply(body=DATA)

    assert read(serve(script), 100_000) == DATA[100_000:]


def test_skipped_bytes_count_for_the_digest(serve: Serve) -> None:
    wrong = b"x" * 100_000 + DATA[100_000:]
    with pytest.raises(DigestMismatch):
        read(serve(lambda _: Reply(body=wrong)), 100_000)


def test_a_source_that_changed_its_size_is_found_out_at_once(serve: Serve) -> None:
    with pytest.raises(SizeMismatch):
        read(serve(lambda _: rest(100_000, DATA + b"more")), 100_000)
