"""An S3 that keeps its objects on the disk, for images that do not fit into memory.

The emulators have each object in memory, and copies of it while they copy. This one moves each byte from file to file
in blocks, so a copy takes as long as the disk and SHA-256 take. It knows what Distribution's S3 driver and
copying/s3/copies.py ask for, without signatures, and follows the Amazon S3 API Reference there: a part of an upload
that was created with SHA-256 is answered with the SHA-256 of its bytes, also where it was copied (CopyPartResult), and
an upload is completed by naming its parts, without another copy of their bytes. ETags are random.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from bench.disk_objects import BLOCK, Refused, Store, Upload

DATE = "Mon, 30 Nov 2026 00:00:00 GMT"


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    rbufsize = BLOCK
    disable_nagle_algorithm = True
    store: Store

    def do_GET(self) -> None:
        """ListObjects, ListObjectsV2, ListMultipartUploads, ListParts, GetObject."""
        self._answered(self._get)

    def do_HEAD(self) -> None:
        """HeadObject."""
        self._answered(self._get)

    def do_PUT(self) -> None:
        """CreateBucket, PutObject, CopyObject, UploadPart, UploadPartCopy."""
        self._answered(self._put)

    def do_POST(self) -> None:
        """CreateMultipartUpload, CompleteMultipartUpload, DeleteObjects."""
        self._answered(self._post)

    def do_DELETE(self) -> None:
        """DeleteObject, AbortMultipartUpload."""
        self._answered(self._delete)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Print nothing."""

    def _answered(self, work: Callable[[], None]) -> None:
        path, _, query = self.path.partition("?")
        bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        self._bucket, self._key = bucket, key
        self._query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self._left = int(self.headers.get("content-length", "0"))
        try:
            work()
        except Refused as refusal:
            for _ in self._body():
                pass
            code = f"<Code>{refusal.code}</Code><Message>{refusal.code}</Message>"
            self._answer(f"<Error>{code}</Error>", status=refusal.status)

    def _get(self) -> None:
        if not self._key:
            self._answer(self._uploads_listed() if "uploads" in self._query else self._listed())
        elif "uploadId" in self._query:
            self._answer(self._parts_listed())
        else:
            self._object()

    def _put(self) -> None:
        if not self._key:
            list(self._body())
            self.store.make(self._bucket)
            self._answer("")
        elif "uploadId" in self._query:
            self._part(self.store.upload(self._query["uploadId"]))
        else:
            stored = self.store.put(self._bucket, self._key, (self.store.write(self._content(), hashed=False),))
            is_copy = "x-amz-copy-source" in self.headers
            self._answer(f"<CopyObjectResult>{_tag(stored.etag)}</CopyObjectResult>" if is_copy else "", stored.etag)

    def _part(self, upload: Upload) -> None:
        piece = self.store.write(self._content(), hashed=upload.algorithm == "SHA256")
        upload.parts[int(self._query["partNumber"])] = piece
        if "x-amz-copy-source" not in self.headers:
            self._answer("", piece.etag)
            return
        checksum = f"<ChecksumSHA256>{piece.sha256}</ChecksumSHA256>" if piece.sha256 else ""
        self._answer(f"<CopyPartResult>{_tag(piece.etag)}{checksum}</CopyPartResult>")

    def _post(self) -> None:
        body = b"".join(self._body())
        named = f"<Bucket>{self._bucket}</Bucket><Key>{escape(self._key)}</Key>"
        if "uploads" in self._query:
            name = self.store.begin(self._bucket, self._key, self.headers.get("x-amz-checksum-algorithm", ""))
            result = f"{named}<UploadId>{name}</UploadId>"
            self._answer(f"<InitiateMultipartUploadResult>{result}</InitiateMultipartUploadResult>")
        elif "delete" in self._query:
            for key in _texts(body, "Key"):
                self.store.delete(self._bucket, key)
            self._answer("<DeleteResult></DeleteResult>")
        else:
            stored = self.store.complete(self._query["uploadId"], [int(one) for one in _texts(body, "PartNumber")])
            result = f"{named}{_tag(stored.etag)}"
            self._answer(f"<CompleteMultipartUploadResult>{result}</CompleteMultipartUploadResult>")

    def _delete(self) -> None:
        if "uploadId" in self._query:
            self.store.abort(self._query["uploadId"])
        else:
            self.store.delete(self._bucket, self._key)
        self._answer("", status=204)

    def _listed(self) -> str:
        prefix, delimiter = self._query.get("prefix", ""), self._query.get("delimiter", "")
        after = max(self._query.get(name, "") for name in ("marker", "continuation-token", "start-after"))
        entries: dict[str, str] = {}
        for key, one in self.store.keys(self._bucket, prefix):
            folder = _folder(key, prefix, delimiter)
            said = f"<Key>{escape(key)}</Key><LastModified>2026-11-30T00:00:00.000Z</LastModified>{_tag(one.etag)}"
            whole = f"<Contents>{said}<Size>{one.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            common = f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            entries[folder or key] = common if folder else whole
        later = [name for name in sorted(entries) if name > after]
        page = later[: int(self._query.get("max-keys", "1000"))]
        more = len(later) > len(page)
        last = escape(page[-1]) if page and more else ""
        token = f"<NextMarker>{last}</NextMarker><NextContinuationToken>{last}</NextContinuationToken>" if last else ""
        head = f"<Name>{self._bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
        found = "".join(entries[name] for name in page)
        cut = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return f"<ListBucketResult>{head}{cut}{token}{found}</ListBucketResult>"

    def _uploads_listed(self) -> str:
        found = "".join(
            f"<Upload><Key>{escape(one.key)}</Key><UploadId>{name}</UploadId></Upload>"
            for name, one in self.store.uploads(self._bucket, self._query.get("prefix", ""))
        )
        return f"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{found}</ListMultipartUploadsResult>"

    def _parts_listed(self) -> str:
        after = int(self._query.get("part-number-marker", "0"))
        parts = sorted(self.store.upload(self._query["uploadId"]).parts.items())
        found = "".join(
            f"<Part><PartNumber>{number}</PartNumber>{_tag(piece.etag)}<Size>{piece.size}</Size></Part>"
            for number, piece in parts
            if number > after
        )
        return f"<ListPartsResult><IsTruncated>false</IsTruncated>{found}</ListPartsResult>"

    def _object(self) -> None:
        stored = self.store.find(self._bucket, self._key)
        asked = self.headers.get("range")
        first, last = _range(asked, stored.size) if asked else (0, stored.size - 1)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{stored.size}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("ETag", stored.etag)
        self.send_header("Last-Modified", DATE)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.flush()
        for piece, offset, length in stored.ranges(first, last):
            with piece.path.open("rb") as file:
                self.connection.sendfile(file, offset, length)

    def _content(self) -> Iterator[bytes]:
        """The bytes that a request brings, or those of the object that it has copied."""
        source = self.headers.get("x-amz-copy-source")
        if source is None:
            yield from self._body()
            return
        bucket, _, key = urllib.parse.unquote(source).lstrip("/").partition("/")
        stored = self.store.find(bucket, key)
        asked = self.headers.get("x-amz-copy-source-range")
        for piece, offset, length in stored.ranges(*(_range(asked, stored.size) if asked else (0, stored.size - 1))):
            with piece.path.open("rb", buffering=0) as file:
                file.seek(offset)
                yield from _blocks(file, length)

    def _body(self) -> Iterator[bytes]:
        while self._left:
            block = self.rfile.read(min(self._left, BLOCK))
            if not block:
                raise EOFError
            self._left -= len(block)
            yield block

    def _answer(self, body: str, etag: str | None = None, *, status: int = 200) -> None:
        content = body.encode()
        self.send_response(status)
        if etag is not None:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing where a client left: Distribution leaves many a GET after its head."""
        if not isinstance(sys.exc_info()[1], OSError | EOFError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def serve(folder: Path, pipe: Connection) -> None:
    """Serve objects in a folder until the pipe says anything, for bench.apart."""
    folder.mkdir()
    handler = type("OfThisStore", (Handler,), {"store": Store(folder)})
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(f"http://127.0.0.1:{server.server_address[1]}")
    pipe.recv()
    os._exit(0)  # clients keep their connections, and nobody needs the files any more


def _blocks(file: BinaryIO, length: int) -> Iterator[bytes]:
    while length:
        block = file.read(min(length, BLOCK))
        if not block:
            raise EOFError
        length -= len(block)
        yield block


def _folder(key: str, prefix: str, delimiter: str) -> str:
    """The common prefix that stands for a key in a listing, "" where the key itself does."""
    head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
    return f"{prefix}{head}{delimiter}" if found else ""


def _range(text: str, size: int) -> tuple[int, int]:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", text)
    if found is None or int(found[1]) >= size:
        raise Refused(416, "InvalidRange")
    return int(found[1]), min(int(found[2] or size), size - 1)


def _texts(body: bytes, name: str) -> list[str]:
    """The texts of all elements of a name."""
    document = ElementTree.fromstring(body)  # noqa: S314 - the bench's own clients wrote it
    return [one.text or "" for one in document.iter() if one.tag.rpartition("}")[2] == name]


def _tag(etag: str) -> str:
    return f"<ETag>{escape(etag)}</ETag>"
