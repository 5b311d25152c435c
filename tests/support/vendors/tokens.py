"""A double whose vendor has a token service of its own, sends blobs from another host, and may throttle.

What is common to the doubles of Azure's, GitHub's, Google's and GitLab's registries. Its rules are those of
Distribution's "Token Authentication Specification" and of the distribution specification.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from local.certificates import KeyPair, signing_pair
from tests.support.patience import PATIENCE_S
from tests.support.scripted import Reply, Request, ScriptedServer
from tests.support.vendors.double import VendorDouble

from geosync.oci import media_types

#: (type, name) -> actions
Scopes = dict[tuple[str, str], frozenset[str]]
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
_BLOB = re.compile(r"/v2/(?P<name>.+)/blobs/sha256:[0-9a-f]{64}")
_TAGS = re.compile(r"/v2/(?P<name>.+)/tags/list")
_ACTIONS = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}


@dataclass(kw_only=True)
class Given:
    """A token that was given out."""

    scopes: Scopes
    ends: float


class TokenDouble(VendorDouble):
    """`token_seconds` is the life of a token; `throttle` holds a Retry-After for each of the next requests."""

    realm_path = "/token"
    redirects = True
    """Whether a blob's GET leads to another host, as cloud storages do."""
    page = 1000

    def __init__(self, registry: str, *, token_seconds: float = 300.0) -> None:
        self.token_seconds = token_seconds
        self.throttle: list[str] = []
        self.tokens: dict[str, Given] = {}
        self.asked: list[str] = []
        """The token service's requests: method and grant."""
        self.untagged: dict[str, list[str]] = {}
        """The manifests of each repository that may have no tag: the registry behind does not tell."""
        self._untagged: set[tuple[str, str]] = set()
        self._state = threading.RLock()
        self._storage = ScriptedServer(self._store)
        super().__init__(registry)

    @property
    @abstractmethod
    def secret(self) -> str:
        """The text of a valid secret."""

    @property
    def service(self) -> str:
        return self.host

    @property
    def realm(self) -> str:
        """The realm that the challenge names."""
        return f"{self.url}{self.realm_path}"

    def close(self) -> None:
        super().close()
        self._storage.close()

    def expire_tokens(self) -> None:
        """Every token that was given out so far has ended."""
        with self._state:
            for given in self.tokens.values():
                given.ends = 0.0

    def answer(self, request: Request) -> Reply:
        if request.path == self.realm_path:
            return self.token(request)
        if request.path.startswith("/v2/") and self.throttle:
            # RFC 9110, "Retry-After": seconds, or a date.
            return self.error(429, "TOOMANYREQUESTS", "slow down", Retry_After=self.throttle.pop(0))
        return self._refused(request) or self.let_in(request)

    @abstractmethod
    def token(self, request: Request) -> Reply:
        """Answer as the token service."""

    def let_in(self, request: Request) -> Reply:
        """Answer a request with a sufficient token."""
        found = _MANIFEST.fullmatch(request.path)
        if found is not None and (found["name"], found["reference"]) in self._untagged:
            if request.method != "PUT":
                return self.error(404, "MANIFEST_UNKNOWN")
            with self._state:
                self._untagged.discard((found["name"], found["reference"]))
        if request.method == "GET" and self.redirects and _BLOB.fullmatch(request.path):
            signed = f"{self._storage.url}{request.path}?X-Signature={secrets.token_hex(16)}"
            return Reply(status=307, headers=[("Location", signed)])
        if (listing := _TAGS.fullmatch(request.path)) is not None:
            return self.tags(listing["name"], request)
        return self.relocated(self.forward(request))

    def tags(self, name: str, request: Request) -> Reply:
        """Answer `tags/list`: a page, with a relative Link that has more in its query than the request."""
        names, link = self.page_of(name, request, f"/v2/{name}/tags/list")
        return self.document({"name": name, "tags": names}, *link)

    def page_of(self, name: str, request: Request, path: str) -> tuple[list[str], list[tuple[str, str]]]:
        """Return the tags of a page, and the Link to the next one."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.target).query).items()}
        all_tags = sorted(self.digests(name))
        left = [tag for tag in all_tags if tag > query.get("last", "")]
        size = min(int(query.get("n", self.page)), self.page)
        names = left[:size]
        if len(left) <= size:
            return names, []
        return names, [("Link", f'<{path}?last={quote(names[-1])}&n={size}&orderby=>; rel="next"')]

    def relocated(self, reply: Reply) -> Reply:
        """Make a Location relative, as some vendors do (distribution-spec 1.1: "Location ... MAY be relative")."""
        headers = [
            (name, value.removeprefix(self.url) if name.lower() == "location" else value)
            for name, value in reply.headers
        ]
        return Reply(status=reply.status, headers=headers, body=reply.body, length=reply.length)

    def digests(self, name: str) -> dict[str, str]:
        """The tags of a repository with their digests, as the registry behind has them."""
        upstream = f"http://{self._upstream[0]}:{self._upstream[1]}/v2/{name}"
        listed = requests.get(f"{upstream}/tags/list", timeout=PATIENCE_S)
        tags = (listed.json().get("tags") or []) if listed.status_code == 200 else []
        found = {}
        for tag in (one for one in tags if (name, one) not in self._untagged):
            headers = {"Accept": media_types.ACCEPT}
            answer = requests.head(f"{upstream}/manifests/{tag}", headers=headers, timeout=PATIENCE_S)
            if answer.status_code == 200:
                found[tag] = answer.headers["Docker-Content-Digest"]
        return found

    def without_tags(self, name: str) -> list[str]:
        """The manifests of a repository that `untagged` names and that no tag names now."""
        return [digest for digest in self.untagged.get(name, ()) if digest not in self.digests(name).values()]

    def untag(self, name: str, tag: str) -> None:
        """Remove a tag, which the registry behind cannot."""
        with self._state:
            self._untagged.add((name, tag))

    def give(self, scopes: Scopes, seconds: float | None = None) -> str:
        """Give out a token."""
        text = secrets.token_hex(24)
        self.keep(text, scopes, seconds)
        return text

    def keep(self, text: str, scopes: Scopes, seconds: float | None = None) -> None:
        """Take a token for one that was given out."""
        with self._state:
            ends = time.time() + (self.token_seconds if seconds is None else seconds)
            self.tokens[text] = Given(scopes=scopes, ends=ends)

    @staticmethod
    def scopes(listed: list[str]) -> Scopes:
        """Read `type:name:action,action` of a token request; several may be in one, with spaces between."""
        parts = [one.rsplit(":", 1) for text in listed for one in text.split()]
        pairs = [(tuple(name.split(":", 1)), actions) for name, actions in parts]
        return {(kind, name): frozenset(actions.split(",")) for (kind, name), actions in pairs}

    @staticmethod
    def basic(request: Request) -> tuple[str, str] | None:
        """The user and the password of a request."""
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        user, _, password = base64.b64decode(shown).decode().partition(":")
        return user, password

    @staticmethod
    def form(request: Request) -> dict[str, list[str]]:
        """The fields of a form."""
        return parse_qs(request.body.decode())

    def query(self, request: Request) -> dict[str, list[str]]:
        return parse_qs(urlsplit(request.target).query)

    def needed(self, request: Request) -> tuple[tuple[str, str], frozenset[str]] | None:
        """What a token must allow for a request; None where any will do."""
        if request.path == "/v2/":
            return None
        if request.path == "/v2/_catalog":
            return ("registry", "catalog"), frozenset({"*"})
        name = self.repository_of(request)
        if name is None:
            return None
        action = _ACTIONS.get(request.method)
        # Distribution, "Token Authentication": what writes needs pull and push.
        return ("repository", name), frozenset({action} if action else {"pull", "push"})

    def is_good(self, text: str) -> Given | None:
        """A token that is good now."""
        with self._state:
            given = self.tokens.get(text)
        return given if given is not None and time.time() < given.ends else None

    def _refused(self, request: Request) -> Reply | None:
        needed = self.needed(request)
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme and scheme.lower() != "bearer":
            self.break_rule(f"{scheme} credentials are for the token service, not for {request.method} {request.path}")
        given = self.is_good(shown) if shown else None
        if given is not None and (needed is None or needed[1] <= given.scopes.get(needed[0], frozenset())):
            return None
        error = "" if not shown else f',error="{"invalid_token" if given is None else "insufficient_scope"}"'
        scope = f',scope="{needed[0][0]}:{needed[0][1]}:{",".join(sorted(needed[1]))}"' if needed else ""
        challenge = f'Bearer realm="{self.realm}",service="{self.service}"{scope}{error}'
        return self.error(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=challenge)

    def _store(self, request: Request) -> Reply:
        """The storage behind a redirect: a signed URL and an Authorization are one too many (S3, Azure: 400)."""
        if "authorization" in request.headers:
            self.break_rule("the registry's token was sent to the storage that it redirects to")
            return Reply(status=400)
        if "X-Signature=" not in request.target:
            return Reply(status=403)
        return self.forward(request, target=request.path)


@cache
def some_pair() -> KeyPair:
    """A signing key, made once because that is slow."""
    return signing_pair("vendor")


def public_key(pair: KeyPair) -> RSAPublicKey:
    """The public key of a pair."""
    key = x509.load_pem_x509_certificate(pair.certificate.encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    return key


def jwt_of(claims: dict[str, Any]) -> str:
    """A token in the form of a JWT, that only its own service can check."""

    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}.{secrets.token_urlsafe(32)}"
