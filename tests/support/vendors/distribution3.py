"""CNCF Distribution 3, as far as uploads go: what it does with a PATCH, a broken one too. Blobs end in the real one.

The rules are those of its source, registry/handlers/blobupload.go (v3.0): `_state` says where the client believes the
upload to be; PATCH and PUT refuse another place with 416 and keep the upload; GET asks nobody and tells how far it is.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from tests.support.scripted import Reply, Request
from tests.support.vendors.double import VendorDouble

_UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<id>[0-9a-f]+)")
_BEGIN = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/")
_RANGE = re.compile(r"(\d+)-(\d+)")


class Distribution3(VendorDouble):
    """Uploads as Distribution 3 takes them, in memory; everything else is the registry's behind it."""

    def __init__(self, registry: str) -> None:
        super().__init__(registry)
        self._server.broken = self._broke
        self._state = threading.Lock()
        self._uploads: dict[str, bytearray] = {}
        self._issued: dict[str, int] = {}
        self.begun = 0

    def answer(self, request: Request) -> Reply:
        if request.method == "POST" and _BEGIN.fullmatch(request.path):
            return self._begin(request)
        found = _UPLOAD.fullmatch(request.path)
        return self.forward(request) if found is None else self._go_on(request, found)

    def _go_on(self, request: Request, found: re.Match[str]) -> Reply:
        with self._state:
            content = self._uploads.get(found["id"])
            if content is None:
                return self.error(404, "BLOB_UPLOAD_UNKNOWN")
            if request.method == "GET":
                return self._where(204, request.path, content)
            if self._believed(request) != len(content):
                return self.error(416, "RANGE_INVALID")
            if request.method == "PATCH":
                return self._patch(request, content)
        return self._close(request, found, content)

    def _begin(self, request: Request) -> Reply:
        query = parse_qs(urlsplit(request.target).query)
        if "mount" in query:
            blob = request.path.replace("uploads/", query["mount"][0])
            if self.forward(replace(request, method="HEAD", target=blob)).status == 200:
                return Reply(status=201, headers=[("Location", blob)])
        upload = secrets.token_hex(16)
        with self._state:
            self.begun += 1
            self._uploads[upload] = bytearray()
            return self._where(202, request.path + upload, self._uploads[upload])

    def _where(self, status: int, path: str, content: bytearray) -> Reply:
        token = secrets.token_urlsafe(16) + "=="
        self._issued[token] = len(content)
        location = f"http://{self.host}{path}?_state={token}"
        return Reply(status=status, headers=[("Location", location), ("Range", f"0-{max(len(content) - 1, 0)}")])

    def _believed(self, request: Request) -> int | None:
        """What the client's `_state` says; one that was never given out (or was encoded anew) breaks a rule."""
        token = parse_qs(urlsplit(request.target).query).get("_state", [""])[0]
        if token not in self._issued:
            self.break_rule("a _state that the registry did not give out")
        return self._issued.get(token)

    def _patch(self, request: Request, content: bytearray) -> Reply:
        if request.headers.get("content-type") != "application/octet-stream":
            self.break_rule("bad Content-Type")
        said = _RANGE.fullmatch(request.headers.get("content-range", ""))
        if said is None:
            self.break_rule("a chunk without a Content-Range <start>-<end>")  # distribution-spec 1.1, "Pushing a blob"
            return self.error(416, "RANGE_INVALID")
        start, end = int(said[1]), int(said[2])
        if start > end or start != len(content):
            return self.error(416, "RANGE_INVALID")
        if end - start + 1 != len(request.body):
            return self.error(400, "SIZE_INVALID")
        content += request.body
        return self._where(202, request.path, content)

    def _broke(self, request: Request) -> None:
        """What came of a PATCH that broke stays."""
        found = _UPLOAD.fullmatch(request.path)
        with self._state:
            content = self._uploads.get(found["id"]) if found is not None and request.method == "PATCH" else None
            if content is not None and self._believed(request) == len(content):
                content += request.body

    def _close(self, request: Request, found: re.Match[str], content: bytearray) -> Reply:
        whole = bytes(content) + request.body
        digest = parse_qs(urlsplit(request.target).query)["digest"][0]
        with self._state:
            del self._uploads[found["id"]]
        if f"sha256:{hashlib.sha256(whole).hexdigest()}" != digest:
            return self.error(400, "DIGEST_INVALID")
        begin = replace(request, method="POST", target=f"/v2/{found['name']}/blobs/uploads/", body=b"")
        location = urlsplit(dict(self.forward(begin).headers)["Location"])
        return self.forward(replace(request, target=f"{location.path}?{location.query}&digest={digest}", body=whole))
