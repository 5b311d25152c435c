"""Amazon S3 as its reference has it, in front of an emulator that leaves the checksums of copies out.

Differs: s3-checksums.

What is added, and where AWS says so:
- UploadPartCopy answers the part's checksum by the upload's algorithm (API Reference, CopyPartResult);
- CompleteMultipartUpload refuses another full-object checksum or size than the upload has (API Reference,
  x-amz-checksum-crc64nvme: BadDigest; x-amz-mp-object-size: InvalidRequest);
- HeadObject tells the full-object CRC-64/NVME that S3 gives what is put without a checksum (User Guide, "Checking
  object integrity in Amazon S3"), if `keeps_checksums`.

No CRC is computed here: to the code under test it is a word that is the same for the same bytes, so a short hash will
do. The bytes of every request and answer are counted; those of the emulator behind are not, as they move inside of S3.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote

from tests.support.patience import PATIENCE_S
from tests.support.scripted import Reply, Request, ScriptedServer

ALGORITHM, TYPE = "x-amz-checksum-algorithm", "x-amz-checksum-type"
CRC = "x-amz-checksum-crc64nvme"
_HOP = {"connection", "transfer-encoding", "content-length", "host", "date", "server"}
Fault = Callable[[str, Request], Reply | None]


def crc_of(content: bytes) -> str:
    """A stand-in for the CRC-64/NVME of some bytes."""
    return base64.b64encode(hashlib.sha256(b"crc" + content).digest()[:8]).decode()


def sha256_of(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def refusal(status: int, code: str) -> Reply:
    """An error as S3 says it."""
    return Reply(status=status, body=f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


class S3Double(ScriptedServer):
    """One S3. `faults` are asked before each request, with its operation; a reply of one is the answer."""

    def __init__(self, emulator: str) -> None:
        self._emulator = emulator
        self._guard = threading.Lock()
        self._uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.faults: list[Fault] = []
        self.keeps_checksums = True
        self.computes_checksums = True
        self.operations: list[str] = []
        self.bytes_moved = 0
        super().__init__(self._answer_as_s3)

    def fail(self, operation: str, reply: Reply | Callable[[], object], *, nth: int = 1, times: int = 1) -> None:
        """Answer the nth request for an operation so; a function is called before it goes on instead."""
        seen = 0

        def fault(asked: str, request: Request) -> Reply | None:
            nonlocal seen
            if asked != operation:
                return None
            seen += 1
            if not nth <= seen < nth + times:
                return None
            if isinstance(reply, Reply):
                return reply
            reply()
            return None

        self.faults.append(fault)

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Note the operations of a block, with nothing counted before it."""
        self.operations.clear()
        self.bytes_moved = 0
        yield self.operations

    def uploads_left(self) -> int:
        """Uploads that nobody completed or aborted."""
        with self._guard:
            return len(self._uploads)

    def forget_uploads(self) -> None:
        """Lose every upload that is under way, as a lifecycle rule or somebody else aborts them."""
        with self._guard:
            self._uploads.clear()

    def _answer_as_s3(self, request: Request) -> Reply:
        operation = operation_of(request)
        with self._guard:
            self.operations.append(operation)
            self.bytes_moved += len(request.body)
        for fault in self.faults:
            if (reply := fault(operation, request)) is not None:
                return reply
        step = getattr(self, f"_{operation}", self._forward)
        reply = step(request)
        with self._guard:
            self.bytes_moved += len(reply.body)
        return reply

    def _create_multipart_upload(self, request: Request) -> Reply:
        algorithm = request.headers.get(ALGORITHM, "")
        reply = self._forward(request, without={ALGORITHM, TYPE})
        if found := re.search(rb"<UploadId>(.+?)</UploadId>", reply.body):
            with self._guard:
                self._uploads[found[1].decode()] = (algorithm, {})
        return reply

    def _upload_part_copy(self, request: Request) -> Reply:
        query = parse_qs(request.target.partition("?")[2])
        with self._guard:
            upload = self._uploads.get(query["uploadId"][0])
        if upload is None:
            return refusal(404, "NoSuchUpload")
        reply = self._forward(request)
        if reply.status != 200:
            return reply
        algorithm, parts = upload
        content = self.read(unquote(request.headers["x-amz-copy-source"]).lstrip("/"))
        if range_ := request.headers.get("x-amz-copy-source-range"):
            first, last = map(int, range_.removeprefix("bytes=").split("-"))
            content = content[first : last + 1]
        parts[int(query["partNumber"][0])] = content
        if not self.computes_checksums:
            return reply
        value = sha256_of(content) if algorithm == "SHA256" else crc_of(content)
        name = f"Checksum{algorithm}"
        body = reply.body.replace(b"</CopyPartResult>", f"<{name}>{value}</{name}></CopyPartResult>".encode())
        return Reply(status=200, headers=reply.headers, body=body)

    def _complete_multipart_upload(self, request: Request) -> Reply:
        identifier = parse_qs(request.target.partition("?")[2])["uploadId"][0]
        with self._guard:
            upload = self._uploads.get(identifier)
        if upload is None:
            return refusal(404, "NoSuchUpload")
        content = b"".join(part for _, part in sorted(upload[1].items()))
        if request.headers.get(CRC, crc_of(content)) != crc_of(content):
            return refusal(400, "BadDigest")
        if int(request.headers.get("x-amz-mp-object-size", len(content))) != len(content):
            return refusal(400, "InvalidRequest")
        body = re.sub(rb"<Checksum(\w+)>.*?</Checksum\1>", b"", request.body)
        reply = self._forward(request, without={CRC, TYPE}, body=body)
        if reply.status == 200:
            with self._guard:
                self._uploads.pop(identifier, None)
        return reply

    def _abort_multipart_upload(self, request: Request) -> Reply:
        with self._guard:
            self._uploads.pop(parse_qs(request.target.partition("?")[2])["uploadId"][0], None)
        return self._forward(request)

    def _head_object(self, request: Request) -> Reply:
        reply = self._forward(request)
        if reply.status != 200 or not self.keeps_checksums:
            return reply
        content = self.read(unquote(request.path).lstrip("/"))
        others = [(name, value) for name, value in reply.headers if not name.lower().startswith("x-amz-checksum")]
        headers = [*others, (CRC, crc_of(content)), (TYPE, "FULL_OBJECT")]
        return Reply(status=200, headers=headers, length=reply.length)

    def read(self, path: str) -> bytes:
        """An object of the emulator's, by its bucket and key."""
        with urllib.request.urlopen(f"{self._emulator}/{path}", timeout=PATIENCE_S) as answer:
            content: bytes = answer.read()
            return content

    def _forward(self, request: Request, *, without: set[str] | None = None, body: bytes | None = None) -> Reply:
        gone = _HOP | (without or set())
        headers = {name: value for name, value in request.headers.items() if name not in gone}
        content = request.body if body is None else body
        forwarded = urllib.request.Request(
            self._emulator + request.target, content or None, headers, method=request.method
        )
        try:
            with urllib.request.urlopen(forwarded, timeout=60) as answer:
                return _reply(answer.status, answer.headers.items(), answer.read(), request.method)
        except urllib.error.HTTPError as answer:
            with answer:
                return _reply(answer.code, answer.headers.items(), answer.read(), request.method)


def operation_of(request: Request) -> str:
    """The operation of a request, in snake case."""
    query = parse_qs(request.target.partition("?")[2], keep_blank_values=True)
    match request.method:
        case "POST":
            return "create_multipart_upload" if "uploads" in query else "complete_multipart_upload"
        case "PUT" if "x-amz-copy-source" in request.headers:
            return "upload_part_copy" if "partNumber" in query else "copy_object"
        case "PUT":
            return "put_object"
        case "DELETE":
            return "abort_multipart_upload" if "uploadId" in query else "delete_object"
        case method:
            return f"{method.lower()}_object"


def _reply(status: int, headers: object, body: bytes, method: str) -> Reply:
    kept = [(name, value) for name, value in headers if name.lower() not in _HOP]  # type: ignore[attr-defined]
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), None)  # type: ignore[attr-defined]
    return Reply(status=status, headers=kept, body=body, length=length if method == "HEAD" else None)
