"""GitHub's container registry.

Sources: "guide" is docs.github.com, "Working with the Container registry"; "containerd N" an issue of
containerd/containerd, "wasmCloud/wash-archive N" of that one; what the registry's API answers to a DELETE and to
referrers is what its users report of it.
"""

from __future__ import annotations

import json
import secrets

from tests.support.scripted import Reply, Request
from tests.support.vendors.github_api import GitHubApi
from tests.support.vendors.tokens import TokenDouble

CHUNK_LIMIT = 4 * 1024 * 1024


class GhcrDouble(TokenDouble):
    """All of it, for one account."""

    realm_path = "/token"

    def __init__(self, registry: str, *, token_seconds: float = 300.0) -> None:
        self.pat = f"ghp_{secrets.token_hex(18)}"
        self.may = {"pull", "push"}
        super().__init__(registry, token_seconds=token_seconds)
        self.api = GitHubApi(registry, "octocat", self.pat, self)

    @property
    def secret(self) -> str:
        return json.dumps({"type": "basic", "username": "octocat", "password": self.pat})

    def listing_secret(self, *owners: str, **more: str) -> str:
        """A secret whose owners' packages are listed."""
        document = {"type": "github", "username": "octocat", "token": self.pat, "api_url": self.api.url, **more}
        return json.dumps(document | ({"owners": owners} if owners else {}))

    def close(self) -> None:
        super().close()
        self.api.close()

    @property
    def service(self) -> str:
        return "ghcr.io"

    def token(self, request: Request) -> Reply:
        # guide, "Authenticating": a user's name and a personal access token (classic).
        self.asked.append("basic")
        if request.method != "GET" or self.query(request).get("service") != ["ghcr.io"]:
            self.break_rule("a token is asked for by GET, with the service of the challenge")
        if self.basic(request) != ("octocat", self.pat):
            return self.error(403, "DENIED", "denied")
        scopes = self.scopes(self.query(request).get("scope", []))
        granted = {key: actions & self.may for key, actions in scopes.items()}
        return self.document({"token": self.give(granted)})

    def let_in(self, request: Request) -> Reply:
        if request.method == "PATCH" and len(request.body) > CHUNK_LIMIT:
            # wasmCloud/wash-archive 268, containerd 9029.
            self.break_rule(f"a chunk of {len(request.body)} bytes: 4 MiB are taken")
            message = "the request body is too large and exceeds the maximum permissible limit of 4.00MiB"
            return self.error(416, "REQUESTED_RANGE_NOT_SATISFIABLE", message)
        if request.method == "PATCH" and "content-range" not in request.headers:
            # distribution-spec 1.1, "Pushing a blob in chunks": a chunk says where it belongs.
            self.break_rule("a chunk without Content-Range")
        if request.method == "DELETE":
            self.break_rule("nothing is deleted through the registry's API: it is known to answer 405")
            return self.error(405, "UNSUPPORTED", "The operation is unsupported.")
        if request.path == "/v2/_catalog":
            self.break_rule("there is no catalogue: it is known, and not asked for")  # vscode-docker 1525, oras-go 621
            return Reply(status=404, headers=[("Content-Type", "text/plain")], body=b"404 page not found")
        if "/referrers/" in request.path:
            return Reply(status=404, headers=[("Content-Type", "text/plain")], body=b"404 page not found")
        return super().let_in(request)
