"""The indexes of CNCF Distribution 3, which checks what they list or not, as its configuration says today.

Seen live on 3.0.0 and 3.1.1; registry/storage/manifestlisthandler.go:

- all that an index lists is looked for, and what is missing is named; `validation.disabled: true` and
  `validation.manifests.indexes.platforms: none` switch that off;
- `platforms: list` has the children of the listed platforms looked for, and no others; a child without a platform ends
  the request (a nil pointer), and the connection with it;
- a blob is found only while the descriptor cache remembers it: without `storage.cache`, or now and then with two nodes,
  an index of blobs is refused with the names of blobs that are there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from tests.support.images import digest_of
from tests.support.scripted import Reply, Request

from geosync.oci.documents import read_object

Has = Callable[[str, str], bool]
"""Tells whether the registry has a manifest (or a blob) of a repository, by its digest."""


class Indexes:
    """The indexes that were taken, in memory, and what is checked of them. Any setting may change at any time."""

    def __init__(self, has_manifest: Has, has_blob: Has) -> None:
        self.checks = True
        """False: `validation.disabled`, or `platforms: none`."""
        self.platforms: frozenset[tuple[str, str]] | None = None
        """`platforms: list`: architecture and operating system of what is checked."""
        self.remembers_blobs = True
        """`storage.cache` is there, and knows the blobs."""
        self._has_manifest = has_manifest
        self._has_blob = has_blob
        self._taken: dict[tuple[str, str], tuple[str, bytes]] = {}
        self._lock = threading.Lock()

    def put(self, request: Request, name: str) -> Reply:
        """Answer the PUT of an index by tag or digest."""
        digest, media_type = digest_of(request.body), request.headers["content-type"]
        missing = []
        for entry in read_object(request.body).get("manifests") or []:
            if self._is_checked(entry) is None:
                return Reply(silent=True)
            if self._is_checked(entry) and not self._is_found(name, entry["digest"]):
                missing.append(entry["digest"])
        if missing:
            errors = [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown", "detail": one} for one in missing]
            body = json.dumps({"errors": errors}).encode()
            return Reply(status=400, headers=[("Content-Type", "application/json")], body=body)
        with self._lock:
            self._taken[name, digest] = (media_type, request.body)
        location = f"/v2/{name}/manifests/{digest}"
        return Reply(status=201, headers=[("Location", location), ("Docker-Content-Digest", digest)])

    def has(self, name: str, digest: str) -> bool:
        """Tell whether it was taken."""
        with self._lock:
            return (name, digest) in self._taken

    def get(self, request: Request, name: str, digest: str) -> Reply:
        """Answer a GET, HEAD or DELETE of one that was taken."""
        with self._lock:
            media_type, content = self._taken[name, digest]
            if request.method == "DELETE":
                del self._taken[name, digest]
                return Reply(status=202)
        headers = [("Content-Type", media_type), ("Docker-Content-Digest", digest)]
        if request.method == "HEAD":
            return Reply(headers=headers, length=len(content))
        return Reply(headers=headers, body=content)

    def _is_checked(self, entry: dict[str, Any]) -> bool | None:
        """None: the request ends here."""
        if not self.checks or self.platforms is None:
            return self.checks
        platform = entry.get("platform")
        return None if platform is None else (platform["architecture"], platform["os"]) in self.platforms

    def _is_found(self, name: str, digest: str) -> bool:
        if self.has(name, digest) or self._has_manifest(name, digest):
            return True
        return self.remembers_blobs and self._has_blob(name, digest)
