"""A hostile registry: any bytes as any answer end in a result or an error of ours, with few requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.hostile.answers import HOST, answering, one
from tests.hostile.fuzzing import SECRET, SEEDS, Bounds, attack, fuzz
from tests.hostile.odd_json import DIGEST, texts, to_bytes, values

from geosync.errors import RegistryUnavailable, TooLarge
from geosync.oci import media_types
from geosync.oci.client import RegistryClient
from geosync.oci.manifests import SIZE_UNKNOWN, Descriptor, Manifest
from geosync.oci.uploads import Upload

BOUNDS = Bounds(steps=60_000, steps_per_byte=12.0, held=6 * 1024 * 1024, held_per_byte=60.0)
"""A body of 64 KiB is drained or parsed whole: half a MiB of lists in it takes some more."""
BLOB = Descriptor(media_type=media_types.OCI_LAYER_GZIP, digest=DIGEST, size=5)
UNSIZED = Descriptor(media_type="", digest=DIGEST, size=SIZE_UNKNOWN)
MANIFEST = Manifest.read(
    b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"%s","size":1},"layers":[]}' % DIGEST.encode(),
    media_types.OCI_MANIFEST,
)


class Five:
    """Five bytes to upload."""

    def __init__(self) -> None:
        self._left = b"abcde"

    def __len__(self) -> int:
        return 5

    def read(self, _size: int, /) -> bytes:
        data, self._left = self._left, b""
        return data


def upload(location: str = f"http://{HOST}/v2/a/b/blobs/uploads/1?_state={SECRET}") -> Upload:
    return Upload(repository="a/b", location=location)


def read_blob(client: RegistryClient, descriptor: Descriptor, offset: int = 0) -> int:
    with client.open_blob("a/b", descriptor, offset=offset) as reader:
        size = len(reader)
        for _ in range(8):
            if not reader.read(1024):
                break
        return size


VERBS: dict[str, Callable[[RegistryClient], object]] = {
    "ping": lambda client: client.ping(),
    "head_manifest": lambda client: client.head_manifest("a/b", "v1"),
    "get_manifest": lambda client: _read(client.get_manifest("a/b", "v1")),
    "get_manifest_by_digest": lambda client: _read(client.get_manifest("a/b", DIGEST)),
    "put_manifest": lambda client: client.put_manifest("a/b", "v1", MANIFEST),
    "delete_manifest": lambda client: client.delete_manifest("a/b", "v1"),
    "head_blob": lambda client: client.head_blob("a/b", DIGEST),
    "open_blob": lambda client: read_blob(client, BLOB),
    "open_unsized_blob": lambda client: read_blob(client, UNSIZED),
    "open_rest_of_blob": lambda client: read_blob(client, BLOB, 3),
    "begin_upload": lambda client: client.begin_upload("a/b", mount=DIGEST, mount_from="c/d"),
    "put_small_blob": lambda client: client.put_small_blob("a/b", DIGEST, b"abc"),
    "put_blob": lambda client: client.put_blob(upload(), DIGEST, Five()),
    "put_chunk": lambda client: client.keepable(client.put_chunk(upload(), 5, Five())),
    "upload_status": lambda client: client.upload_status(upload()),
    "close_upload": lambda client: client.close_upload(upload(), DIGEST, 5),
    "tags": lambda client: list(client.tags("a/b")),
    "repositories": lambda client: list(client.repositories()),
    "referrers": lambda client: client.referrers("a/b", DIGEST),
    "documents": lambda client: list(client.documents("/own", ())),
}


def _read(manifest: Manifest | None) -> object:
    return (manifest.all_blobs, manifest.children, manifest.subject) if manifest is not None else None


DOCUMENTS: list[Any] = [
    json.loads(MANIFEST.content),
    {"name": "a/b", "tags": ["v1", "v2"]},
    {"repositories": ["a/b", "c"]},
    {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [{"digest": DIGEST, "size": 3, "urls": []}]},
    {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "m", "detail": {"digest": DIGEST}}]},
    {"errors": [{"code": "TOOMANYREQUESTS", "message": f"see https://h/?sig={SECRET}"}]},
    {"token": SECRET, "access_token": SECRET, "expires_in": 300, "issued_at": "2026-11-29T22:00:00Z"},
]
_ODD_NUMBERS = st.sampled_from(
    ["0", "5", "-1", "-0", "+5", "5,5", "9" * 19, str(2**63), "9" * 5000, "0x5", "5 ", "", "NaN", "1e3", "٣"]
)
_ODD_URLS = st.sampled_from(
    [
        *(
            "http://[::1",
            f"http://{HOST}/v2/x?sig={SECRET}",
            f"https://{HOST}:99999/",
            "//",
            "",
            "/",
            "?",
            "#",
            "http://",
        ),
        *(
            "ftp://h/",
            "javascript:1",
            f"http://u:{SECRET}@{HOST}/",
            "http://a b/",
            "http://\x9b/",
            "/" * 3000,
            "http://é/",
        ),
        *(
            f"http://{'a' * 300}.example.com/",
            "http://.../",
            "http://[v1.x]/",
            "http://1.2.3.4:0/",
            "/v2/" + "%zz" * 50,
        ),
        *(f"http://{HOST}/v2/a/b/tags/list?n=1", f"http://{HOST}:80/v2/", "http://xn--\x80/", "http://a\\b/"),
    ]
)
_ODD_TEXTS = st.one_of(
    st.sampled_from(
        [
            *(
                "",
                "\x1b[2J",
                "\x9b2J",
                "a" * 7000,
                SECRET,
                "\x00",
                "é",
                "text/html",
                "application/json",
                "a\r\n b",
                DIGEST,
            )
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=20),
)
_CHALLENGES = st.sampled_from(
    [
        *('Basic realm="x"', "Basic", "Bearer", 'Bearer realm=""', f'Bearer realm="http://{HOST}/token",service="s"'),
        *('Bearer realm="http://[::1"', f'Bearer realm="http://{HOST}/token?a={SECRET}#x",error="insufficient_scope"'),
        *('Bearer realm="https://evil.example.com/t"', f'Bearer realm="http://{HOST}:99999/"', 'Bearer realm="\\\\"'),
        *(f'Basic x=1, Bearer realm="http://{HOST}/token", error="\x9b2J"', f'Bearer realm="http://{HOST}\x7f/"'),
    ]
)
HEADERS: dict[str, st.SearchStrategy[str]] = {
    "Content-Length": _ODD_NUMBERS,
    "Location": _ODD_URLS | _ODD_TEXTS,
    "Link": _ODD_URLS.map(lambda url: f'<{url}>; rel="next"') | _ODD_TEXTS,
    "WWW-Authenticate": _CHALLENGES | _ODD_TEXTS,
    "Range": _ODD_NUMBERS.map("0-{}".format) | _ODD_TEXTS,
    "Content-Range": _ODD_NUMBERS.map("bytes 3-4/{}".format) | _ODD_TEXTS,
    "Docker-Content-Digest": st.sampled_from([DIGEST, MANIFEST.digest, "sha256:x", "md5:1", "", "\x9b"]) | _ODD_TEXTS,
    "Content-Type": st.sampled_from([media_types.OCI_MANIFEST, media_types.OCI_INDEX, media_types.DOCKER_SCHEMA1])
    | _ODD_TEXTS,
    "Retry-After": _ODD_NUMBERS | st.sampled_from(["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 1 Jan 0001 00:00:00 +2359"]),
    "OCI-Chunk-Min-Length": _ODD_NUMBERS,
    "OCI-Subject": _ODD_TEXTS,
    "Allow": _ODD_TEXTS | st.just("GET, HEAD"),
    "Transfer-Encoding": st.sampled_from(["chunked", "Chunked", "gzip", "chunked, chunked", ""]),
    "Connection": st.sampled_from(["close", "keep-alive", "x"]),
    "Docker-Distribution-Api-Version": st.just("registry/2.0"),
    "Content-Encoding": st.just("gzip"),
}
STATUSES = [200, 200, 200, 201, 202, 204, 206, 301, 304, 307, 400, 401, 401, 403, 404, 405, 416, 429, 500, 503]
_CHUNK_SIZES = [b"5", b"-1", b"-5", b"0", b"ffffffffffffffffff", b"", b"zz", b"5;x", b"+2", b"1_0", b" 5 ", b"\xb2"]


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Draw the bytes of one answer: usually one that HTTP knows, with odd words in it."""
    status = draw(st.sampled_from(STATUSES) | st.integers(100, 999))
    body = to_bytes(draw(texts(st.sampled_from(DOCUMENTS), most=2))) if draw(st.booleans()) else b""
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=5))
    lines = [f"{name}: {draw(HEADERS[name])}".encode("utf-8", "replace") for name in names]
    framing = draw(st.sampled_from(["length", "length", "length", "chunked", "none", "short"]))
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    elif framing == "short":
        lines.append(b"Content-Length: %d" % (len(body) + draw(st.integers(1, 2**40))))
    elif framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        sizes = draw(st.lists(st.sampled_from([*_CHUNK_SIZES, b"%x" % len(body)]), max_size=3))
        body = b"".join(b"%s\r\n%s\r\n" % (size, body) for size in sizes) + draw(st.sampled_from([b"", b"0\r\n\r\n"]))
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"HTTP/0.9", b"x"]))
    whole = b"%s %d X\r\n%s\r\n\r\n%s" % (version, status, b"\r\n".join(lines), body)
    if draw(st.integers(0, 15)) == 0:
        whole = whole[: draw(st.integers(0, len(whole)))]
    if draw(st.integers(0, 15)) == 0:
        whole = draw(st.sampled_from([b"\x16\x03\x01\x02", b"\r\n" * 200, b"HTTP/1.1 100 X\r\n\r\n" * 40])) + whole
    return whole


def check_verb(given: tuple[str, list[bytes]]) -> None:
    verb, script = given
    size = sum(map(len, script))
    with answering(script) as client:
        attack(lambda: VERBS[verb](client), 8 * size, bounds=BOUNDS)


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_answer_to_any_verb_ends_in_a_result_or_an_error_of_ours(seeds: str) -> None:
    given = st.tuples(st.sampled_from(sorted(VERBS)), st.lists(answers(), min_size=1, max_size=3))
    fuzz(given, check_verb, seeds, examples=300, kept=KEPT)


_ASKS = one(401, f'WWW-Authenticate: Bearer realm="http://{HOST}/token"')


def _given(expires_in: str, token: str) -> bytes:
    return one(200, body=b'{"token":"%s","expires_in":%s}' % (token.encode(), expires_in.encode()))


_EXP = base64.urlsafe_b64encode(b'{"exp":1%s}' % (b"0" * 400)).decode()
KEPT = [
    ("begin_upload", [one(202, "Location: /u", "OCI-Chunk-Min-Length: " + "9" * 5000)]),
    ("ping", [_ASKS, _given("1" + "0" * 400, "t"), one(200)]),
    ("tags", [one(200, 'Link: <a/>; rel="next"', body=b'{"tags":[]}')]),
    ("tags", [one(200, f'Link: <{"a" * 9000}/>; rel="next"', body=b'{"tags":[]}')]),
    ("ping", [_ASKS, _given("Infinity", "t"), one(200)]),
    ("ping", [_ASKS, _given("NaN", "t"), one(200)]),
    ("ping", [_ASKS, _given("null", f"a.{_EXP}.c"), one(200)]),
    *(
        (verb, [b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n" % (status, size) + b"{}" * 30_000])
        for verb, status in (("get_manifest", 200), ("open_unsized_blob", 200), ("tags", 200), ("ping", 404))
        for size in (b"-1", b"-5")
    ),
]


@pytest.mark.parametrize("size", [b"-1", b"-1000"])
def test_a_chunk_of_a_negative_size_is_not_read_to_the_end(size: bytes) -> None:
    """http.client reads one of -1 for as long as anything comes, whatever the bound of who reads."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n" % size + b"x" * 200_000
    with answering([answer]) as client:
        found = attack(lambda: client.get_manifest("a/b", "v1"), 0, bounds=Bounds(held=128 * 1024, steps=4000))
    assert "IncompleteRead" in str(found)


def test_an_answer_that_breaks_off_anywhere_is_no_answer() -> None:
    """http.client takes the end of the connection for that of the headers: 18 bytes of 187, or a HEAD's 404."""
    headers = (f"Docker-Content-Digest: {MANIFEST.digest}", f"Content-Type: {MANIFEST.media_type}")
    for answer in (
        one(200, *headers, body=MANIFEST.content),
        one(404, "Docker-Distribution-Api-Version: registry/2.0"),
    ):
        head = answer.index(b"\r\n\r\n") + 4
        for verb, end in ((RegistryClient.get_manifest, len(answer)), (RegistryClient.head_manifest, head)):
            for size in range(end):
                with answering([answer[:size]]) as client, pytest.raises(RegistryUnavailable):
                    verb(client, "a/b", "v1")


@pytest.mark.parametrize("size", [b"F" * 15, b"F" * 400])
@pytest.mark.parametrize("status", [b"191 X", b"204 No Content", b"304 Not Modified"])
def test_chunks_after_an_answer_that_has_no_body_are_not_drained(status: bytes, size: bytes) -> None:
    """http.client says that such an answer has 0 bytes, and reads its chunks all the same."""
    answer = b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n" % (status, size) + b"x" * 16_000_000
    with answering([answer, answer]) as client:
        attack(lambda: client.get_manifest("a/b", "v1"), 0, bounds=Bounds(held=10 * 1024 * 1024, steps=20_000))


def test_referrers_on_pages_without_an_end_are_too_many() -> None:
    """Each page leads to another one: what they list together has the bound of what one manifest refers to."""
    page = b'{"manifests":[%s]}' % b",".join(b'{"digest":"sha256:%064x"}' % number for number in range(700))

    def script(number: int) -> bytes:
        return one(200, f'Link: </v2/a/b/referrers/{DIGEST}?page={number}>; rel="next"', body=page)

    with answering(script) as client, pytest.raises(TooLarge, match="more than 10000 referrers"):
        client.referrers("a/b", DIGEST)


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_lifetime_and_any_token_are_lived_with(seeds: str) -> None:
    def check(given: tuple[str, Any]) -> None:
        expires_in, token = given
        body = to_bytes(f'{{"token":{json.dumps(token)},"expires_in":{expires_in}}}')
        with answering([_ASKS, one(200, body=body), one(200)]) as client:
            attack(client.ping, 8 * len(body), bounds=BOUNDS)

    numbers = st.sampled_from(["1e400", "-1", "0", "true", '"60"', "1" + "0" * 400, "0.0001", "null", "[]"])
    fuzz(st.tuples(numbers, values.filter(lambda one: not isinstance(one, list))), check, seeds, examples=40)
