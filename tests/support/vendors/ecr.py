"""Amazon ECR: the distribution API and the five actions of its own API that Geosync calls, with ECR's rules.

Sources are named beside each rule: "API" is the Amazon ECR API Reference, "guide" its User Guide, "roadmap N" an issue
of aws/containers-roadmap, where AWS's own people answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.support.scripted import Reply, Request, ScriptedServer
from tests.support.vendors.double import VendorDouble

from geosync.oci import media_types
from geosync.oci.documents import read_object
from geosync.oci.references import is_digest

ACCOUNT, REGION = "111122223333", "eu-west-1"
TARGET = "AmazonEC2ContainerRegistry_V20150921."
MIB = 1024 * 1024
Listed = TypeVar("Listed")
_UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<id>[0-9a-f]+)")
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
_REFERRERS = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>[^/]+)")


@dataclass(kw_only=True)
class Repository:
    """The parameters of CreateRepository, and the pushed content."""

    request: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    """Digests that UpdateImageStorageClass moved to ARCHIVE."""

    def status_of(self, digest: str) -> str:
        return "ARCHIVED" if digest in self.archived else "ACTIVE"

    @property
    def immutable(self) -> bool:
        return bool(self.request.get("imageTagMutability") == "IMMUTABLE")


@dataclass(kw_only=True)
class _Session:
    repository: str
    content: bytearray = field(default_factory=bytearray)
    first_end: int | None = None


class EcrDouble(VendorDouble):
    """One account's registry; its data plane and its API at one address.

    `may_not` holds API actions (`CreateRepository`) and data plane permissions (`ecr:PutImage`) to be refused;
    `throttle` so many of the next requests of the data plane, each with the given Retry-After.
    """

    def __init__(self, registry: str, *, token_seconds: float = 12 * 3600) -> None:
        self.repositories: dict[str, Repository] = {}
        self.calls: Counter[str] = Counter()
        self.may_not: set[str] = set()
        self.mounts_blobs = False
        self.token_seconds = token_seconds
        self.throttle = 0
        self.retry_after = "1"
        self._passwords: dict[str, float] = {}
        self._sessions: dict[str, _Session] = {}
        self._state = threading.RLock()
        self._storage = ScriptedServer(self._store)
        super().__init__(registry)

    def close(self) -> None:
        super().close()
        self._storage.close()

    def password(self) -> str:
        """A password like those of GetAuthorizationToken, for what is not the client under test."""
        password = secrets.token_hex(40)
        with self._state:
            self._passwords[password] = time.time() + 3600
        return password

    def expire_tokens(self) -> None:
        """Every password that was given out so far has ended."""
        with self._state:
            self._passwords = dict.fromkeys(self._passwords, 0.0)

    def answer(self, request: Request) -> Reply:
        target = request.headers.get("x-amz-target", "")
        if target.startswith(TARGET):
            return self._call(target.removeprefix(TARGET), json.loads(request.body))
        refused = self._authenticate(request)
        if refused is not None:
            return refused
        if self.throttle > 0:
            # guide, "Troubleshooting Amazon ECR error messages": "TOOMANYREQUESTS: Rate exceeded" from docker's API.
            self.throttle -= 1
            return self.error(429, "TOOMANYREQUESTS", "Rate exceeded", Retry_After=self.retry_after)
        if request.path == "/v2/":
            return self.forward(request)
        return self._data(request)

    # ------------------------------------------------------------------------------------------------- the data plane

    def _authenticate(self, request: Request) -> Reply | None:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if not shown:
            # guide, "Using HTTP API authentication": Basic with the token of GetAuthorizationToken.
            challenge = f'Basic realm="http://{self.host}/",service="ecr.amazonaws.com"'
            return Reply(status=401, headers=[("WWW-Authenticate", challenge)], body=b"Not Authorized\n")
        username, _, password = base64.b64decode(shown).decode().partition(":")
        if scheme != "Basic" or username != "AWS":
            self.break_rule("the user is not AWS")  # API, GetAuthorizationToken
        with self._state:
            ends = self._passwords.get(password)
        if ends is None:
            return self.error(403, "DENIED", "not authorized")
        if time.time() >= ends:
            # guide, "Private registry authentication": 12 hours; the refusal is a 403 (aws-cli issue 2351).
            return self.error(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
        return None

    def _data(self, request: Request) -> Reply:
        name = self.repository_of(request)
        repository = self.repositories.get(name) if name is not None else None
        if name is None or repository is None:
            message = f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"
            return self.error(404, "NAME_UNKNOWN", message)  # API, CreateRepository: the first push does not make one
        refused = self._forbidden(request)
        if refused is not None:
            return refused
        if (found := _REFERRERS.fullmatch(request.path)) is not None:
            return self._referrers(repository, found["digest"])
        if (found := _MANIFEST.fullmatch(request.path)) is not None:
            return self._manifest(request, repository, found["reference"])
        return self._blob(request, name)

    def _forbidden(self, request: Request) -> Reply | None:
        writes = request.method in ("POST", "PUT", "PATCH", "DELETE")
        permission = "ecr:PutImage" if "/manifests/" in request.path else "ecr:InitiateLayerUpload"
        if writes and permission in self.may_not:
            message = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/geosync is not authorized to perform: {permission}"
            return self.error(403, "DENIED", message)
        if request.method == "DELETE":
            # guide, "Deleting an image": the console, the CLI or the API; docker's API has no part in it.
            self.break_rule("DELETE on the data plane")
            return self.error(405, "UNSUPPORTED", "The operation is unsupported.")
        return None

    def _blob(self, request: Request, name: str) -> Reply:
        if request.method == "POST":
            return self._begin(request, name)
        if (found := _UPLOAD.fullmatch(request.path)) is not None:
            return self._upload(request, found["id"])
        if request.method == "GET" and "/blobs/" in request.path:
            there = self.forward(replace(request, method="HEAD"))
            if there.status == 200:
                # guide, "Amazon ECR interface VPC endpoints": layers come from S3, by a presigned URL.
                signed = f"{self._storage.url}{request.path}?X-Amz-Signature={secrets.token_hex(16)}"
                return Reply(status=307, headers=[("Location", signed)])
        return self.forward(request)

    def _store(self, request: Request) -> Reply:
        """S3: a presigned URL is the authorization, and a second one beside it is refused."""
        if "authorization" in request.headers:
            self.break_rule("Authorization was sent to S3")  # S3's API Reference, "Only one auth mechanism allowed"
            return Reply(status=400)
        return self.forward(request, target=request.path)

    def _begin(self, request: Request, name: str) -> Reply:
        """A POST begins an upload; it mounts from elsewhere where the account is set so (guide, "Blob mounting").

        The setting is off by default. Whether a repository mounts from itself the guide does not say: here it does not.
        """
        query = parse_qs(urlsplit(request.target).query)
        source = query.get("from", [name])[0]
        if self.mounts_blobs and "mount" in query and source != name:
            answer = self.forward(request)
            if answer.status == 201:
                return answer
        upload = secrets.token_hex(16)
        with self._state:
            self._sessions[upload] = _Session(repository=name)
        location = f"/v2/{name}/blobs/uploads/{upload}"
        return Reply(status=202, headers=[("Location", location), ("Docker-Upload-UUID", upload), ("Range", "0-0")])

    def _upload(self, request: Request, upload: str) -> Reply:
        with self._state:
            session = self._sessions.get(upload)
        if session is None:
            return self.error(404, "BLOB_UPLOAD_UNKNOWN")
        if request.method == "GET":
            end = session.first_end or 0
            return Reply(status=204, headers=[("Location", request.path), ("Range", f"0-{end}")])
        said = request.headers.get("content-range")
        start = int(said.partition("-")[0]) if said else (0 if request.method == "PATCH" else len(session.content))
        if start != len(session.content):
            # roadmap 2831 and apple/container issue 1895: the text of a session that is begun again.
            message = f"First byte of the layer part is {start} instead of {len(session.content)}"
            return self.error(416, "BLOB_UPLOAD_INVALID", message)
        session.content += request.body
        if request.method == "PATCH":
            if said is not None and not 5 * MIB <= len(request.body) <= 20 * MIB:
                self.break_rule(f"a part of {len(request.body)} bytes")  # guide, "Amazon ECR service quotas"
            if session.first_end is None:
                session.first_end = len(session.content) - 1
            # roadmap 2831: 201, and a Range that stays at the end of the first chunk.
            stuck = f"0-{session.first_end}"
            return Reply(status=201, headers=[("Location", request.path), ("Range", stuck)])
        (digest,) = parse_qs(urlsplit(request.target).query)["digest"]
        with self._state:
            del self._sessions[upload]
        return self._keep(request, session, digest)

    def _keep(self, request: Request, session: _Session, digest: str) -> Reply:
        headers = {"host": request.headers["host"]}
        begin = replace(
            request, method="POST", target=f"/v2/{session.repository}/blobs/uploads/", body=b"", headers=headers
        )
        location = urlsplit(dict(self.forward(begin).headers)["Location"])
        closing = f"{location.path}?{location.query}&digest={digest}"
        octets = {**headers, "content-type": "application/octet-stream"}
        put = replace(request, method="PUT", target=closing, body=bytes(session.content), headers=octets)
        return self.forward(put)

    def _manifest(self, request: Request, repository: Repository, reference: str) -> Reply:
        if request.method == "PUT":
            return self._put(request, repository, reference)
        digest = reference if ":" in reference else repository.tags.get(reference)
        # guide, "Archiving an image": requests to pull the archived image will fail with a 404 error.
        if digest is None or digest in repository.archived:
            return self.error(404, "MANIFEST_UNKNOWN", "Requested image not found")
        return self.forward(request, target=request.path.rpartition("/")[0] + f"/{digest}")

    def _put(self, request: Request, repository: Repository, reference: str) -> Reply:
        document = read_object(request.body)
        kinds = [media_types.essence(one.get("mediaType")) for one in document.get("manifests") or []]
        if not all(map(media_types.is_manifest, kinds)):
            # roadmap 876: BuildKit's index of blobs. Known ahead, so that it should not even be tried.
            self.break_rule("an index of blobs was sent")
            return self.error(400, "MANIFEST_INVALID", "Manifest list references a layer")
        if ":" not in reference and repository.immutable and reference in repository.tags:
            # roadmap 2380 and moby/buildkit issue 3776: for the same digest as well.
            message = (
                f"The image tag '{reference}' already exists and cannot be overwritten: the repository is immutable."
            )
            return self.error(400, "TAG_INVALID", message)
        stored = self.forward(request)
        if stored.status == 201:
            digest = dict(stored.headers)["Docker-Content-Digest"]
            document["mediaType"] = request.headers.get("content-type")
            document["size"] = len(request.body)
            with self._state:
                repository.archived.discard(digest)  # guide: restored "by re-pushing the image to the repository"
                repository.images[digest] = document
                if ":" not in reference:
                    repository.tags[reference] = digest
            subject = document.get("subject")
            if isinstance(subject, dict) and is_digest(subject["digest"]):
                # distribution-spec 1.1, "Pushing Manifests with Subject"; AWS's open source blog on OCI 1.1 in ECR.
                stored = replace(stored, headers=[*stored.headers, ("OCI-Subject", subject["digest"])])
        return stored

    def _referrers(self, repository: Repository, digest: str) -> Reply:
        """ECR has the referrers API (guide, "Container image manifest format support")."""
        listed = [
            {
                "mediaType": one["mediaType"],
                "digest": name,
                "size": one["size"],
                "artifactType": one.get("artifactType") or one.get("config", {}).get("mediaType"),
            }
            for name, one in repository.images.items()
            if one.get("subject", {}).get("digest") == digest
        ]
        index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": listed}
        return replace(self.document(index), headers=[("Content-Type", media_types.OCI_INDEX)])

    # ----------------------------------------------------------------------------------------------------- ECR's API

    def _call(self, action: str, asked: dict[str, Any]) -> Reply:
        with self._state:
            self.calls[action] += 1
            if f"ecr:{action}" in self.may_not:
                message = (
                    f"User: arn:aws:sts::{ACCOUNT}:assumed-role/geosync is not authorized to perform: ecr:{action}"
                )
                return self._exception("AccessDeniedException", message)
            if asked.get("registryId", ACCOUNT) != ACCOUNT:
                self.break_rule("another account's registry was asked for")
            handler = {
                "GetAuthorizationToken": self._token,
                "CreateRepository": self._create,
                "DescribeRepositories": self._describe,
                "ListImages": self._list,
                "BatchDeleteImage": self._delete,
                "GetAccountSetting": self._setting,
            }[action]
            return handler(asked)

    def _setting(self, asked: dict[str, Any]) -> Reply:
        if asked["name"] != "BLOB_MOUNTING":
            self.break_rule(f"the setting {asked['name']}")  # API, GetAccountSetting: the names that there are
        return self._result({"name": asked["name"], "value": "ENABLED" if self.mounts_blobs else "DISABLED"})

    def _token(self, _: dict[str, Any]) -> Reply:
        password = secrets.token_hex(40)
        ends = time.time() + self.token_seconds
        self._passwords[password] = ends
        token = base64.b64encode(f"AWS:{password}".encode()).decode()
        return self._result({"authorizationData": [{"authorizationToken": token, "expiresAt": ends}]})

    def _create(self, asked: dict[str, Any]) -> Reply:
        name = asked["repositoryName"]
        # API, CreateRepository: 2 to 256 characters of this pattern.
        if not re.fullmatch(r"(?:[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*/)*[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*", name):
            return self._exception("InvalidParameterException", "Invalid parameter at 'repositoryName'")
        if name in self.repositories:
            return self._exception("RepositoryAlreadyExistsException", f"The repository with name '{name}' exists")
        self.repositories[name] = Repository(request=asked)
        return self._result({"repository": {"repositoryName": name, "registryId": ACCOUNT}})

    def _describe(self, asked: dict[str, Any]) -> Reply:
        # Not sorted: API, DescribeRepositories promises no order.
        names = sorted(self.repositories, key=lambda name: hashlib.sha256(name.encode()).digest())
        page, more = self._page(names, asked)
        return self._result({"repositories": [{"repositoryName": name} for name in page], **more})

    def _list(self, asked: dict[str, Any]) -> Reply:
        repository = self.repositories.get(asked["repositoryName"])
        if repository is None:
            return self._exception("RepositoryNotFoundException", "does not exist")
        which = asked.get("filter", {})
        tagged = which.get("tagStatus", "ANY")
        if tagged == "ANY" and "imageStatus" not in which:
            self.break_rule("images with and without a tag are listed among one another")
        # guide, "Lifecycle policies": the images that an index refers to have no tags of their own.
        untagged = sorted(repository.images.keys() - set(repository.tags.values()))
        tags = sorted(repository.tags, key=lambda tag: hashlib.sha256(tag.encode()).digest())
        listed = [{"imageTag": tag, "imageDigest": repository.tags[tag]} for tag in tags if tagged != "UNTAGGED"]
        listed += [{"imageDigest": digest} for digest in untagged if tagged != "TAGGED"]
        # API, ListImagesFilter: "If not specified, only images with ACTIVE status are returned."
        status = which.get("imageStatus", "ACTIVE")
        listed = [one for one in listed if status in {"ANY", repository.status_of(one["imageDigest"])}]
        page, more = self._page(listed, asked)
        return self._result({"imageIds": page, **more})

    def _delete(self, asked: dict[str, Any]) -> Reply:
        repository = self.repositories.get(asked["repositoryName"])
        if repository is None:
            return self._exception("RepositoryNotFoundException", "does not exist")
        if not 1 <= len(asked["imageIds"]) <= 100:
            self.break_rule("BatchDeleteImage takes 1 to 100 images")  # API, BatchDeleteImage
        failures = []
        for one in asked["imageIds"]:
            reason = self._remove(asked["repositoryName"], repository, one)
            if reason is not None:
                failures.append({"imageId": one, "failureCode": reason, "failureReason": reason})
        return self._result({"imageIds": [], "failures": failures})

    def _remove(self, name: str, repository: Repository, one: dict[str, str]) -> str | None:
        tag = one.get("imageTag")
        digest = one.get("imageDigest") or repository.tags.get(tag or "")
        if digest is None or digest not in repository.images:
            return "ImageNotFound"
        others = [other for other, its in repository.tags.items() if its == digest and other != tag]
        if tag is not None and others:
            del repository.tags[tag]
            return None
        # API, BatchDeleteImage: with the last tag the image goes; what an index refers to stays.
        for index in repository.images.values():
            if any(child.get("digest") == digest for child in index.get("manifests") or []):
                return "ImageReferencedByManifestList"
        repository.tags = {other: its for other, its in repository.tags.items() if its != digest}
        del repository.images[digest]
        gone = Request(method="DELETE", target=f"/v2/{name}/manifests/{digest}", headers={}, body=b"", connection=0)
        self.forward(gone)
        return None

    def _page(self, names: list[Listed], asked: dict[str, Any]) -> tuple[list[Listed], dict[str, str]]:
        most = asked.get("maxResults", 100)
        if not 1 <= most <= 1000:
            self.break_rule(f"maxResults {most}")  # API, ListImages: 1 to 1000, 100 where it is left out
        start = int(asked.get("nextToken", "0"))
        more = {"nextToken": str(start + most)} if start + most < len(names) else {}
        return names[start : start + most], more

    def _result(self, content: dict[str, Any]) -> Reply:
        return Reply(headers=[("Content-Type", "application/x-amz-json-1.1")], body=json.dumps(content).encode())

    def _exception(self, kind: str, message: str) -> Reply:
        body = json.dumps({"__type": kind, "message": message}).encode()
        return Reply(status=400, headers=[("Content-Type", "application/x-amz-json-1.1")], body=body)


def tags_of(double: EcrDouble) -> dict[str, dict[str, str]]:
    """The digests of each repository's tags."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, repository in double.repositories.items():
        found[name] = dict(repository.tags)
    return found
