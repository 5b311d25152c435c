"""GitLab's registry, which trusts tokens that are signed with one key, as GitLab itself signs them.

Sources: "auth" is Distribution's "Token Authentication Implementation" (JWT) and GitLab's "Container registry
administration"; "api" is gitlab-org/container-registry, docs/spec/gitlab/api.md; "media types" the same repository's
list of those that its metadata database knows.
"""

from __future__ import annotations

import json
import re
from typing import Any

import jwt
from local.certificates import KeyPair
from tests.support.scripted import Reply, Request
from tests.support.vendors.tokens import Given, TokenDouble, public_key, some_pair

from geosync.oci.documents import field, read_object
from geosync.oci.media_types import SCHEMA1

ISSUER, SERVICE = "omnibus-gitlab-issuer", "container_registry"
_TAGS = re.compile(r"/gitlab/v1/repositories/(?P<name>.+)/tags/list/")
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
_KNOWN = re.compile(
    r"application/(vnd\.oci\.image\..+|vnd\.oci\.empty\.v1\+json|vnd\.docker\.(container|distribution|image|plugin).+"
    r"|vnd\.buildkit\.cacheconfig\.v0|vnd\.in-toto\+json|octet-stream)"
)


class GitLabDouble(TokenDouble):
    """One registry; `database`: with GitLab's metadata database."""

    page = 100

    def __init__(self, registry: str, *, database: bool = True) -> None:
        self.database = database
        self.pair: KeyPair = some_pair()
        self.listings = 0
        super().__init__(registry)

    @property
    def secret(self) -> str:
        return json.dumps({"type": "registry_key", "private_key": self.pair.private_key, **self.names})

    @property
    def names(self) -> dict[str, str]:
        return {"issuer": ISSUER, "service": SERVICE}

    @property
    def service(self) -> str:
        return SERVICE

    def token(self, request: Request) -> Reply:
        self.break_rule("who has the key asks nobody for a token")
        return Reply(status=404)

    def is_good(self, text: str) -> Given | None:
        # auth: signature, issuer, audience (a string), not before, expiry.
        if self.throttled_out(text):
            return None
        key = public_key(self.pair)
        try:
            claims = jwt.decode(text, key, algorithms=["RS256"], audience=SERVICE, issuer=ISSUER, leeway=60)
        except jwt.InvalidTokenError:
            return None
        if not isinstance(claims["aud"], str) or not isinstance(claims["exp"], int):
            self.break_rule("auth: aud is a string and exp an integer")
        scopes = {(one["type"], one["name"]): frozenset(one["actions"]) for one in claims["access"]}
        return Given(scopes=scopes, ends=claims["exp"])

    def throttled_out(self, text: str) -> bool:
        """Whether a token was seen before the last `expire_tokens`; from then on only new ones are good."""
        with self._state:
            given = self.tokens.setdefault(text, Given(scopes={}, ends=1.0))
        return given.ends == 0.0

    def needed(self, request: Request) -> tuple[tuple[str, str], frozenset[str]] | None:
        if (found := _TAGS.fullmatch(request.path)) is not None:
            return ("repository", found["name"]), frozenset({"pull"})  # api, "List Repository Tags"
        return super().needed(request)

    def let_in(self, request: Request) -> Reply:
        if request.path.startswith("/gitlab/v1/") and not self.database:
            return self.error(404, "NOT_FOUND")  # api, "Compliance check": 404 without the metadata database
        if request.path == "/gitlab/v1/":
            return Reply(status=200, headers=[("Content-Type", "application/json")])
        if (found := _TAGS.fullmatch(request.path)) is not None:
            return self._list(found["name"], request)
        found = _MANIFEST.fullmatch(request.path)
        if found is not None and request.method == "PUT":
            refused = self._refusal(request)
            if refused is not None:
                return refused
        if found is not None and request.method == "DELETE" and ":" not in found["reference"]:
            self.untag(found["name"], found["reference"])  # Distribution 2.8 cannot; GitLab's registry answers 202
            return Reply(status=202)
        return super().let_in(request)

    def _list(self, name: str, request: Request) -> Reply:
        self.listings += 1
        size = int(self.query(request).get("n", ["100"])[0])
        if not 1 <= size <= 1000:
            self.break_rule("api: n is 1 to 1000")
        digests = self.digests(name)
        names, link = self.page_of(name, request, f"/gitlab/v1/repositories/{name}/tags/list/")
        listed: list[dict[str, Any]] = [{"name": tag, "digest": digests[tag], "size_bytes": 1} for tag in names]
        return self.document(listed, *link)

    def _refusal(self, request: Request) -> Reply | None:
        media_type = request.headers.get("content-type", "")
        if media_type in SCHEMA1:
            self.break_rule("schema 1 is known to be refused, and is not tried")
            return self.error(400, "MANIFEST_INVALID", "manifest invalid")
        document = read_object(request.body)
        parts = [field(document, "config") or {}, *(field(document, "layers") or [])]
        kinds = [field(one, "mediaType") or "" for one in parts if one]
        unknown = [one for one in kinds if not _KNOWN.fullmatch(one)]
        if self.database and unknown:  # media types
            return self.error(400, "MANIFEST_INVALID", f"unknown media type: {unknown[0]}")
        return None
