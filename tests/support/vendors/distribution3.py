"""CNCF Distribution 3, as far as it differs from 2.8, which stands behind it and stores everything in the end.

Tags go without their manifest and are listed in pages; there is no schema 1; a PATCH that broke can be gone on with.
What an index lists is checked as its configuration says (distribution3_indexes.py).
The rules are those of its source, registry/handlers (v3.0). Of uploads, blobupload.go: `_state` says where the client
believes the upload to be; PATCH and PUT refuse another place with 416 and keep the upload; GET asks nobody and tells
how far it is.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections import defaultdict
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from tests.support.scripted import Reply, Request
from tests.support.vendors.distribution3_indexes import Indexes
from tests.support.vendors.double import VendorDouble

from geosync.oci import media_types

_UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<id>[0-9a-f]+)")
_BEGIN = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/")
_RANGE = re.compile(r"(\d+)-(\d+)")


MAX_TAGS = 1000
_TAGS = re.compile(r"/v2/(?P<name>.+)/tags/list")
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")


class Distribution3(VendorDouble):
    """Tags and uploads as Distribution 3 has them, in memory; everything else is the registry's behind it."""

    def __init__(self, registry: str) -> None:
        super().__init__(registry)
        self._server.broken = self._broke
        self._state = threading.Lock()
        self._uploads: dict[str, bytearray] = {}
        self._issued: dict[str, int] = {}
        self.begun = 0
        self.on_s3 = False
        """3.1.1 on S3: an unknown repository lists as empty, and a tag that begins with another one is not listed
        (issue 4891, mended in main)."""
        self.max_entries = 1000
        """`catalog.maxentries`."""
        self.indexes = Indexes(self.has_manifest, self._has_blob)
        self.tags: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def answer(self, request: Request) -> Reply:
        if request.method == "POST" and _BEGIN.fullmatch(request.path):
            return self._begin(request)
        if (found := _TAGS.fullmatch(request.path)) is not None:
            return self._list(request, found["name"])
        if request.path == "/v2/_catalog":
            return self._catalogue(request)
        if (found := _MANIFEST.fullmatch(request.path)) is not None:
            return self._manifest(request, found["name"], found["reference"])
        found = _UPLOAD.fullmatch(request.path)
        return self.forward(request) if found is None else self._go_on(request, found)

    def _list(self, request: Request, name: str) -> Reply:
        query = parse_qs(urlsplit(request.target).query)
        number = int(query.get("n", ["0"])[0])
        if number > MAX_TAGS:
            # handlers/tags.go: more than tags.maxtags.
            self.break_rule(f"n={number}")
            return self.error(400, "PAGINATION_NUMBER_INVALID")
        if name not in self.tags and not self.on_s3:
            return self.error(404, "NAME_UNKNOWN")
        after = query.get("last", [""])[0]
        known = self.tags.get(name, {})
        tags = [tag for tag in sorted(known) if tag > after]
        if self.on_s3:
            tags = [tag for tag in tags if not any(tag != one and tag.startswith(one) for one in known)]
        page = tags[: number or None]
        # handlers/catalog.go (createLinkEntry): the path of the request, without a host.
        more = [("Link", f'</v2/{name}/tags/list?last={page[-1]}&n={number}>; rel="next"')] if page != tags else []
        return self.document({"name": name, "tags": page}, *more)

    def _catalogue(self, request: Request) -> Reply:
        """handlers/catalog.go: more than catalog.maxentries is refused; without a number it gives so many."""
        query = parse_qs(urlsplit(request.target).query)
        number = int(query.get("n", [str(min(self.max_entries, 100))])[0])
        if number > self.max_entries:
            return self.error(400, "PAGINATION_NUMBER_INVALID")
        after = query.get("last", [""])[0]
        names = [name for name in sorted(self.tags) if name > after]
        page = names[:number]
        more = [("Link", f'</v2/_catalog?last={page[-1]}&n={number}>; rel="next"')] if page != names else []
        return self.document({"repositories": page}, *more)

    def _manifest(self, request: Request, name: str, reference: str) -> Reply:
        by_tag = ":" not in reference
        if request.method == "PUT":
            media_type = media_types.essence(request.headers.get("content-type"))
            if media_type in media_types.SCHEMA1:
                # manifests.go: schema 1 is no registered media type any more.
                return self.error(400, "MANIFEST_INVALID", "manifest invalid")
            stored = self.indexes.put(request, name) if media_type in media_types.INDEXES else self.forward(request)
            if stored.status == 201 and by_tag:
                self.tags[name][reference] = dict(stored.headers)["Docker-Content-Digest"]
            return stored
        if request.method == "DELETE" and by_tag:
            # handlers/manifests.go, DeleteManifest: the tag alone, 202; not there, MANIFEST_UNKNOWN.
            known = self.tags[name].pop(reference, None)
            return Reply(status=202) if known is not None else self.error(404, "MANIFEST_UNKNOWN")
        digest = self.tags[name].get(reference) if by_tag else reference
        if digest is None:
            return self.error(404, "MANIFEST_UNKNOWN")
        if self.indexes.has(name, digest):
            return self.indexes.get(request, name, digest)
        return self.forward(replace(request, target=f"/v2/{name}/manifests/{digest}"))

    def has_manifest(self, name: str, digest: str) -> bool:
        """Tell whether the registry behind has it; the indexes are in `indexes`."""
        accept = {"accept": media_types.ACCEPT}
        target = f"/v2/{name}/manifests/{digest}"
        return self.forward(Request(method="HEAD", target=target, headers=accept, body=b"", connection=0)).status == 200

    def _has_blob(self, name: str, digest: str) -> bool:
        target = f"/v2/{name}/blobs/{digest}"
        return self.forward(Request(method="HEAD", target=target, headers={}, body=b"", connection=0)).status == 200

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
        if "digest" in query:
            self.break_rule("a blob in the body of a POST")  # handlers/blobupload.go: that body is not read
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
        """Keep the bytes of a PATCH that broke."""
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
