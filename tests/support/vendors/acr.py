"""Azure Container Registry, with the Microsoft Entra ID before it.

Sources: "AAD-OAuth" is Azure/acr, docs/AAD-OAuth.md; "REST" the registry's REST reference; "limits" the service tiers'
page; "harbor N" an issue of goharbor/harbor, where Azure's support is quoted.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Any

from tests.support.scripted import Reply, Request, ScriptedServer
from tests.support.vendors.tokens import TokenDouble, jwt_of

TENANT, CLIENT = "409520d4-8100-4d1d-ad47-72432ddcc120", "11111111-2222-3333-4444-555555555555"
NULL_USER = "00000000-0000-0000-0000-000000000000"
BODY_LIMIT = 20_000_000
_LISTING = re.compile(r"/acr/v1/(?P<name>.+)/_tags")
_MANIFESTS = re.compile(r"/acr/v1/(?P<name>.+)/_manifests")
_TAG = re.compile(r"/acr/v1/(?P<name>.+)/_tags/(?P<tag>[^/]+)")


class AcrDouble(TokenDouble):
    """One registry. `may` holds the actions that accounts have in its repositories."""

    realm_path = "/oauth2/token"
    page = 3

    def __init__(self, registry: str, *, token_seconds: float = 300.0, refresh_seconds: float = 3 * 3600) -> None:
        self.refresh_seconds = refresh_seconds
        self.may = {"pull", "push", "delete", "metadata_read", "*"}
        self.client_secret = secrets.token_urlsafe(24)
        self.password = secrets.token_urlsafe(24)
        self.principal_has_role = True
        self._entra_tokens: set[str] = set()
        self._refresh: dict[str, float] = {}
        self._entra = ScriptedServer(self._of_entra)
        super().__init__(registry, token_seconds=token_seconds)

    @property
    def secret(self) -> str:
        return json.dumps(
            {
                "type": "service_principal",
                "tenant": TENANT,
                "client_id": CLIENT,
                "client_secret": self.client_secret,
                "authority": self._entra.url,
            }
        )

    @property
    def basic_secret(self) -> str:
        """A repository-scoped token's name and password (or an admin's, or a principal's): to GET /oauth2/token."""
        return json.dumps({"type": "basic", "username": "geosync", "password": self.password})

    def close(self) -> None:
        super().close()
        self._entra.close()

    def expire_tokens(self) -> None:
        super().expire_tokens()
        with self._state:
            self._refresh = dict.fromkeys(self._refresh, 0.0)

    def _of_entra(self, request: Request) -> Reply:
        # Microsoft identity platform, "OAuth 2.0 client credentials flow".
        form = {key: values[0] for key, values in self.form(request).items()}
        if request.method != "POST" or request.path != f"/{TENANT}/oauth2/v2.0/token":
            self.break_rule(f"Entra ID's token endpoint is POST /<tenant>/oauth2/v2.0/token, not {request.path}")
        if form.get("scope") != "https://containerregistry.azure.net/.default":
            self.break_rule("a registry's token is asked for with the scope of the registries")
        if form.get("grant_type") != "client_credentials" or form.get("client_id") != CLIENT:
            return _oauth_error(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory")
        if form.get("client_secret") != self.client_secret:
            return _oauth_error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided")
        token = jwt_of({"aud": "https://containerregistry.azure.net", "exp": int(time.time()) + 3600})
        with self._state:
            self._entra_tokens.add(token)
        return self.document({"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def answer(self, request: Request) -> Reply:
        if request.path == "/oauth2/exchange":
            return self._exchange(request)
        if len(request.body) > BODY_LIMIT:
            self.break_rule(f"a body of {len(request.body)} bytes: about 20 MB are taken")  # harbor 21640, 23015
            return Reply(status=413, body=b"<html>413 Request Entity Too Large - AzureContainerRegistry</html>")
        return super().answer(request)

    def _exchange(self, request: Request) -> Reply:
        # AAD-OAuth, "Calling POST /oauth2/exchange to get an ACR refresh token".
        form = {key: values[0] for key, values in self.form(request).items()}
        if request.method != "POST" or form.get("grant_type") != "access_token" or form.get("tenant") != TENANT:
            self.break_rule(f"the exchange takes grant_type=access_token and the tenant, not {sorted(form)}")
        if form.get("service") != request.headers["host"]:
            self.break_rule("the service of an exchange is the registry's own name")
        self.asked.append("exchange")
        if form.get("access_token") not in self._entra_tokens or not self.principal_has_role:
            return self.error(401, "UNAUTHORIZED", "authentication required")
        refresh = jwt_of({"exp": int(time.time() + self.refresh_seconds), "grant_type": "refresh_token"})
        with self._state:
            self._refresh[refresh] = time.time() + self.refresh_seconds
        return self.document({"refresh_token": refresh})

    def token(self, request: Request) -> Reply:
        if request.method == "POST":
            # AAD-OAuth, "Calling POST /oauth2/token to get an ACR access token".
            form = self.form(request)
            self.asked.append("refresh_token")
            if "authorization" in request.headers:
                self.break_rule("a refresh token goes in the form, and nothing else along with it")
            refresh = form.get("refresh_token", [""])[0]
            is_known = time.time() < self._refresh.get(refresh, 0.0)
            if form.get("grant_type") != ["refresh_token"] or not is_known:
                return self.error(401, "UNAUTHORIZED", "authentication required")
            fields = form
        else:
            # Azure/acr, docs/Token-BasicAuth.md: GET with Basic.
            fields = self.query(request)
            self.asked.append("basic")
            if self.basic(request) != ("geosync", self.password):
                return self.error(401, "UNAUTHORIZED", "authentication required")
        if fields.get("service") != [self.host]:
            self.break_rule("the service of a token is the one of the challenge")
        scopes = {key: actions & self.may for key, actions in self.scopes(fields.get("scope", [])).items()}
        # Only an access_token, without expires_in (AAD-OAuth): the token itself says when it ends.
        token = jwt_of({"exp": int(time.time() + self.token_seconds), "jti": secrets.token_hex(8)})
        self.keep(token, scopes)
        return self.document({"access_token": token})

    def needed(self, request: Request) -> tuple[tuple[str, str], frozenset[str]] | None:
        # REST, "Tag - Get List" and "Manifests - Get List" ask for metadata_read, "Tag - Delete" for delete.
        if (found := _LISTING.fullmatch(request.path) or _MANIFESTS.fullmatch(request.path)) is not None:
            return ("repository", found["name"]), frozenset({"metadata_read"})
        if (found := _TAG.fullmatch(request.path)) is not None:
            return ("repository", found["name"]), frozenset({"delete"})
        return super().needed(request)

    def let_in(self, request: Request) -> Reply:
        if (found := _LISTING.fullmatch(request.path)) is not None:
            names, link = self.page_of(found["name"], request, f"/acr/v1/{found['name']}/_tags")
            digests = self.digests(found["name"])
            listed: list[dict[str, Any]] = [{"name": tag, "digest": digests[tag], "signed": False} for tag in names]
            return self.document({"registry": self.host, "imageName": found["name"], "tags": listed or None}, *link)
        if (found := _MANIFESTS.fullmatch(request.path)) is not None:
            return self._manifests(found["name"], request)
        if (found := _TAG.fullmatch(request.path)) is not None and request.method == "DELETE":
            self.untag(found["name"], found["tag"])
            return Reply(status=202)
        if request.method == "DELETE" and "/manifests/" in request.path and "/manifests/sha256:" not in request.path:
            self.break_rule("a manifest is deleted by digest, a tag by /acr/v1/<name>/_tags/<tag>")  # REST
            return self.error(405, "UNSUPPORTED")
        return super().let_in(request)

    def _manifests(self, name: str, request: Request) -> Reply:
        # REST, "Manifests - Get List": `n`, `last` (a digest) and Link; `tags` is left out where there are none.
        query = {key: values[0] for key, values in self.query(request).items()}
        tags: dict[str, list[str]] = {digest: [] for digest in self.without_tags(name)}
        for tag, digest in self.digests(name).items():
            tags.setdefault(digest, []).append(tag)
        left = [digest for digest in sorted(tags) if digest > query.get("last", "")]
        shown = left[: min(int(query.get("n", self.page)), self.page)]
        path = f"/acr/v1/{name}/_manifests?n={self.page}"
        more = [("Link", f'<{path}&last={shown[-1]}>; rel="next"')] if len(left) > len(shown) else []
        listed = [
            {"digest": digest, "imageSize": 1, **({"tags": tags[digest]} if tags[digest] else {})} for digest in shown
        ]
        return self.document({"registry": self.host, "imageName": name, "manifests": listed or None}, *more)


def _oauth_error(status: int, error: str, description: str) -> Reply:
    body = json.dumps({"error": error, "error_description": description}).encode()
    return Reply(status=status, headers=[("Content-Type", "application/json")], body=body)
