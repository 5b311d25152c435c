"""The API of a registry (OCI distribution-spec 1.1, as Distribution answers it), without a wire."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from random import Random
from urllib.parse import parse_qs, urlsplit

from tests.simulation.registry.habits import Habits
from tests.simulation.registry.storage import INDEXES, Storage, digest_of
from tests.simulation.scheduler import Place, Scheduler

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs/uploads|blobs|tags|referrers)/(?P<reference>[^/]*)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(slots=True)
class Answer:
    """An answer; the client has it `after_s` seconds later."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    after_s: float = 0.0
    length: int | None = None
    """What Content-Length says where there is no body (HEAD)."""


STORAGE = "/storage/"
"""The path of a blob at the storage to which a registry may send whoever reads one."""
UNAVAILABLE = Answer(503)
NO_SUCH_VERB = Answer(405, [("Allow", "GET, HEAD")], b"Method not allowed\n")
"""As Distribution in `maintenance.readonly`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    method: str
    name: str
    reference: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Upload:
    repository: str
    content: bytearray = field(default_factory=bytearray)
    there: frozenset[str] = frozenset()
    """The blobs that the repository had when it began, but for those that came since whoever began it was told that
    they are missing: between that answer and the upload somebody else may bring one."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A blob arrived whole by an upload; `was_there`: the repository had it already when the upload began."""

    repository: str
    digest: str
    why: str
    """Who uploaded it."""
    was_there: bool
    size: int = 0


class Server:
    """One registry: `answer` has the effect of a request at once; a tag is written `tag_gap_s` after its event."""

    def __init__(self, host: str, place: Place, scheduler: Scheduler, random: Random) -> None:
        self.host = host
        self.place = place
        self.storage = Storage(lambda: scheduler.now_s)
        self.is_down = False
        self.is_read_only = False
        self.refuses_writes = UNAVAILABLE
        """The answer to writes while it is read-only."""
        self.habits = Habits()
        self.tag_gap_s: Callable[[], float] = lambda: 0.0
        self.on_event: Callable[[str, str, str | None, str | None, str | None], None] = lambda *_: None
        """Told of what is notified: action, repository, tag, digest, media type."""
        self.on_upload: list[Callable[[Uploaded], None]] = []
        self._scheduler = scheduler
        self._random = random
        self._uploads: dict[str, _Upload] = {}
        self._denied: set[tuple[str, str, str]] = set()
        """Whom it told that a blob is missing, of which repository, and which one; until that one brings it."""
        self._numbers = count(1)

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, why: str) -> Answer:
        """Answer one request; `why` names who asks, for the history."""
        kind, name, reference, query = _read(url)
        asked = Asked(method, name, reference, query, headers, body)
        if kind == STORAGE:
            return self._stored(asked)
        if kind == "_catalog":
            return self._catalogue(query)
        if not kind:
            return _error(404, "NOT_FOUND")
        if method in ("POST", "PUT", "PATCH", "DELETE") and self.is_read_only:
            return self.refuses_writes
        ways: dict[str, Callable[[], Answer]] = {
            "manifests": lambda: self._manifest(asked, why),
            "tags": lambda: self._tags(asked),
            "blobs": lambda: self._blob(asked, why),
            "blobs/uploads": lambda: self._upload(asked, why),
            "referrers": lambda: self._referrers(asked),
        }
        return ways[kind]()

    def _catalogue(self, query: Mapping[str, str]) -> Answer:
        if not self.habits.has_catalogue:
            return _error(405, "UNSUPPORTED")
        return self._page("repositories", sorted(self._listed()), "/v2/_catalog", query)

    def _listed(self) -> list[str]:
        return [name for name, one in self.storage.repositories.items() if one.manifests or one.blobs or one.tags]

    def _page(self, key: str, names: list[str], path: str, query: Mapping[str, str], **more: str) -> Answer:
        size = min(int(query.get("n", "100")), self.habits.page_size)
        rest = [name for name in names if name > query.get("last", "")]
        page, left = rest[:size], rest[size:]
        headers = [("Content-Type", "application/json")]
        if left:
            headers.append(("Link", f'<{path}?n={size}&last={page[-1]}>; rel="next"'))
        return Answer(200, headers, json.dumps({**more, key: page}).encode())

    def _tags(self, asked: Asked) -> Answer:
        repository = self.storage.repositories.get(asked.name)
        if repository is None or not (repository.manifests or repository.tags):
            return _error(404, "NAME_UNKNOWN")
        path = f"/v2/{asked.name}/tags/list"
        return self._page("tags", sorted(repository.tags), path, asked.query, name=asked.name)

    # ----------------------------------------------------------------------------------------------------- manifests

    def _manifest(self, asked: Asked, why: str) -> Answer:
        if asked.method == "PUT":
            return self._put_manifest(asked, why)
        if asked.method == "DELETE":
            return self._delete_manifest(asked, why)
        repository = self.storage.repositories.get(asked.name)
        if repository is None:
            return _error(404, "NAME_UNKNOWN")
        digest = asked.reference
        if not _DIGEST.fullmatch(digest):
            digest = repository.tags.get(asked.reference, "")
        content = self.storage.blobs.get(digest)
        if digest not in repository.manifests or content is None:
            return _error(404, "MANIFEST_UNKNOWN")
        headers = [("Content-Type", repository.manifests[digest]), ("Docker-Content-Digest", digest)]
        return _content(asked, headers, content)

    def _put_manifest(self, asked: Asked, why: str) -> Answer:
        storage, content = self.storage, asked.body
        digest = digest_of(content)
        by_digest = _DIGEST.fullmatch(asked.reference) is not None
        if by_digest and asked.reference != digest:
            return _error(400, "DIGEST_INVALID")
        is_index = "manifests" in json.loads(content)
        checks = self.habits.checks_children if is_index else self.habits.checks_blobs
        missing = storage.missing_below(asked.name, content) if checks else []
        if missing:
            self._denied.update((why, asked.name, one) for one in missing)
            entries = [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": {"digest": one}} for one in missing]
            return Answer(400, [("Content-Type", "application/json")], json.dumps({"errors": entries}).encode())
        media_type = asked.headers["Content-Type"]
        storage.put_manifest(asked.name, content, media_type)
        tag = None if by_digest else asked.reference
        self.on_event("push", asked.name, tag, digest, media_type)
        gap_s = 0.0
        if tag is not None:
            gap_s = self.tag_gap_s()
            if gap_s:
                self._scheduler.spawn(
                    lambda: self._write_tag(asked.name, tag, digest, why), "tag", self.place, delay_s=gap_s
                )
            else:
                storage.tag(asked.name, tag, digest, why)
        return Answer(201, [("Docker-Content-Digest", digest), ("Location", asked.reference)], after_s=gap_s)

    def _write_tag(self, name: str, tag: str, digest: str, why: str) -> None:
        if digest in self.storage.repository(name).manifests:
            self.storage.tag(name, tag, digest, why)

    def _delete_manifest(self, asked: Asked, why: str) -> Answer:
        repository = self.storage.repositories.get(asked.name)
        if repository is None:
            return _error(404, "NAME_UNKNOWN")
        if _DIGEST.fullmatch(asked.reference):
            if asked.reference not in repository.manifests:
                return _error(404, "MANIFEST_UNKNOWN")
            self.storage.delete_manifest(asked.name, asked.reference, why)
            self.on_event("delete", asked.name, None, asked.reference, None)
            return Answer(202)
        if asked.reference not in repository.tags:
            return _error(404, "MANIFEST_UNKNOWN")
        self.storage.untag(asked.name, asked.reference, why)
        self.on_event("delete", asked.name, asked.reference, None, None)
        return Answer(202)

    def _referrers(self, asked: Asked) -> Answer:
        if not self.habits.has_referrers:
            return Answer(404, [("Content-Type", "text/plain")], b"404 page not found\n")
        repository = self.storage.repositories.get(asked.name)
        found = []
        for digest, media_type in (repository.manifests if repository is not None else {}).items():
            content = self.storage.blobs.get(digest)
            if content is not None and json.loads(content).get("subject", {}).get("digest") == asked.reference:
                found.append({"mediaType": media_type, "digest": digest, "size": len(content)})
        document = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": found}
        return Answer(200, [("Content-Type", INDEXES[0])], json.dumps(document).encode())

    # --------------------------------------------------------------------------------------------------------- blobs

    def _has_blob(self, name: str, digest: str) -> bool:
        repository = self.storage.repositories.get(name)
        return repository is not None and digest in repository.blobs and digest in self.storage.blobs

    def _blob(self, asked: Asked, why: str) -> Answer:
        if not self._has_blob(asked.name, asked.reference):
            self._denied.add((why, asked.name, asked.reference))
            return _error(404, "BLOB_UNKNOWN")
        if self.habits.redirects and asked.method == "GET":
            return Answer(307, [("Location", f"https://storage.{self.host}{STORAGE}{asked.reference}?signature=1")])
        headers = [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", asked.reference)]
        return _content(asked, headers, self.storage.blobs[asked.reference])

    def _stored(self, asked: Asked) -> Answer:
        """Answer for the storage, which is asked with a signed URL and without credentials."""
        if "Authorization" in asked.headers or self._random.random() < self.habits.refuses_signed:
            return Answer(403)
        content = self.storage.blobs.get(asked.reference)
        return Answer(404) if content is None else _content(asked, [], content)

    def _upload(self, asked: Asked, why: str) -> Answer:
        if asked.method == "POST":
            return self._begin_upload(asked, why)
        upload = self._uploads.get(asked.reference)
        if upload is None or upload.repository != asked.name:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        if asked.method == "GET":
            return self._upload_answer(204, asked.name, asked.reference, upload)
        if asked.method == "PATCH":
            given = asked.headers.get("Content-Range")
            if given is not None and not given.startswith(f"{len(upload.content)}-"):
                return self._upload_answer(416, asked.name, asked.reference, upload)
            upload.content += asked.body
            return self._upload_answer(202, asked.name, asked.reference, upload)
        return self._close_upload(asked, upload, why)

    def _begin_upload(self, asked: Asked, why: str) -> Answer:
        mount, source = asked.query.get("mount"), asked.query.get("from")
        if self.habits.mounts and mount is not None and source is not None and self._has_blob(source, mount):
            self.storage.link(asked.name, mount)
            self._denied.discard((why, asked.name, mount))
            return Answer(201, [("Docker-Content-Digest", mount)])
        identifier = f"upload-{next(self._numbers)}"
        here = self.storage.repository(asked.name).blobs
        there = frozenset(one for one in here if (why, asked.name, one) not in self._denied)
        self._uploads[identifier] = _Upload(asked.name, there=there)
        return self._upload_answer(202, asked.name, identifier, self._uploads[identifier])

    def _close_upload(self, asked: Asked, upload: _Upload, why: str) -> Answer:
        content = bytes(upload.content) + asked.body
        digest = asked.query.get("digest", "")
        del self._uploads[asked.reference]
        if digest_of(content) != digest:
            return _error(400, "DIGEST_INVALID")
        was_there = digest in upload.there and self._has_blob(asked.name, digest)
        uploaded = Uploaded(asked.name, digest, why, was_there, len(content))
        self.storage.put_blob(asked.name, content)
        self._denied.discard((why, asked.name, digest))
        for listener in self.on_upload:
            listener(uploaded)
        return Answer(201, [("Docker-Content-Digest", digest)])

    def _upload_answer(self, status: int, name: str, identifier: str, upload: _Upload) -> Answer:
        headers = [
            ("Location", f"/v2/{name}/blobs/uploads/{identifier}"),
            ("Range", f"0-{max(len(upload.content) - 1, 0)}"),
        ]
        return Answer(status, headers)


@lru_cache(4096)
def _read(url: str) -> tuple[str, str, str, Mapping[str, str]]:
    """Return what a URL names: its kind (empty: nothing), the repository, the reference and the query."""
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    if parts.path.startswith(STORAGE):
        return STORAGE, "", parts.path.removeprefix(STORAGE), query
    if parts.path == "/v2/_catalog":
        return "_catalog", "", "", query
    found = _PATH.fullmatch(parts.path)
    return (found["kind"], found["name"], found["reference"], query) if found is not None else ("", "", "", query)


def _content(asked: Asked, headers: list[tuple[str, str]], content: bytes) -> Answer:
    if asked.method == "HEAD":
        return Answer(200, headers, length=len(content))
    wanted = asked.headers.get("Range", "")
    if wanted.startswith("bytes="):
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        headers.append(("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"))
        return Answer(206, headers, content[start:])
    return Answer(200, headers, content)


def _error(status: int, code: str) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
    named = [("Content-Type", "application/json"), ("Docker-Distribution-Api-Version", "registry/2.0")]
    return Answer(status, named, body)
