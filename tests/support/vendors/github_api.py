"""GitHub's packages API, on a host of its own beside the registry's.

Sources, all at docs.github.com: "packages" is "REST API endpoints for packages", "start" is "Getting started with the
REST API", "versions" is "API versions", "paging" is "Using pagination in the REST API", "limits" is "Rate limits for
the REST API".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from tests.support.patience import PATIENCE_S
from tests.support.scripted import Reply, Request
from tests.support.vendors.double import StrictServer
from tests.support.vendors.tokens import TokenDouble

Kind = Literal["Organization", "User"]
_TYPES = {"npm", "maven", "rubygems", "docker", "nuget", "container"}


class GitHubApi(StrictServer):
    """The packages of `accounts` (login, as it is shown, and kind) are what the registry at `registry` has below them.

    `limited` holds an answer for each of the next requests, beside the others; `scopes` are the token's.
    """

    def __init__(self, registry: str, username: str, pat: str, double: TokenDouble) -> None:
        self.username = username
        self.accounts: dict[str, Kind] = {username: "User"}
        self.scopes = {"read:packages"}
        self.limited: list[Reply] = []
        self.links = True
        """Whether a page says where the next one is (octokit/core.js 695: it did not)."""
        self.before: Callable[[str], None] = lambda target: None
        """Called with what is asked for, before it is answered."""
        self._registry = registry
        self._pat = pat
        self._double = double
        super().__init__()

    @property
    def asked(self) -> list[str]:
        """The targets that were asked for, in order."""
        return [request.target for request in self.requests]

    def break_rule(self, rule: str) -> None:
        """Note a broken rule at the registry's double."""
        self._double.break_rule(rule)

    def limit(self, status: int, **headers: str) -> None:
        """Refuse the next request for the rate's sake; `headers` with underscores for hyphens."""
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.limited.append(self._said(status, "You have exceeded a rate limit.", *named))

    def answer(self, request: Request) -> Reply:
        """Answer as GitHub does."""
        self.before(request.target)
        refused = self._refused(request)
        if refused is not None:
            return refused
        if self.limited:
            # limits, "Exceeding the rate limit".
            return self.limited.pop(0)
        if "read:packages" not in self.scopes:
            return self._said(403, "You need at least read:packages scope to list packages.")  # packages
        parts = urlsplit(request.target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if not 1 <= int(query.get("per_page", "30")) <= 100:
            self.break_rule("per_page is 100 at most")  # packages
        if parts.path.endswith("/versions"):
            return self._versions(parts.path, query)
        if query.get("package_type") not in _TYPES:
            self.break_rule("package_type is required, and one of six")  # packages: 400
        login = self._account(parts.path)
        return self._said(404, "Not Found") if login is None else self._page(login, query)

    def _refused(self, request: Request) -> Reply | None:
        """The refusal of a request that breaks a general rule."""
        if request.method != "GET" or request.body:
            self.break_rule(f"{request.method}: a listing is a GET without a body")  # packages
        if self._pat in request.target:
            self.break_rule("the token is in a URL")
        if not request.headers.get("user-agent"):
            self.break_rule("no User-Agent: refused")  # start, "User-Agent"
        if request.headers.get("accept") != "application/vnd.github+json":
            self.break_rule("Accept is not application/vnd.github+json")  # start, "Accept"
        if request.headers.get("x-github-api-version") != "2022-11-28":
            self.break_rule("X-GitHub-Api-Version is not a supported one")  # versions: 400
        shown = request.headers.get("authorization")
        if shown is None:
            self.break_rule("packages are listed to nobody without a token")  # packages
            return self._said(401, "Requires authentication")
        if not shown.startswith("Bearer "):
            self.break_rule("the token goes as Authorization: Bearer")  # start, "Authentication"
        return self._said(401, "Bad credentials") if shown != f"Bearer {self._pat}" else None

    def _account(self, path: str) -> str | None:
        """The account that a path is about; a user is not there as an organization, nor the other way round."""
        if path == "/user/packages":
            return self.username
        numbered = {f"/accounts/{number}/packages": login for number, login in enumerate(self.accounts)}
        if path in numbered:
            return numbered[path]
        route, _, name = path.removesuffix("/packages").strip("/").partition("/")
        kind = {"orgs": "Organization", "users": "User"}.get(route)
        # packages: "The name is not case sensitive."
        return next((one for one, its in self.accounts.items() if one.lower() == name.lower() and its == kind), None)

    def _page(self, login: str, query: dict[str, str]) -> Reply:
        size, number = int(query.get("per_page", "30")), int(query.get("page", "1"))
        # No order is documented: not by name.
        names = sorted(self._packages(login), reverse=True)
        kept = [self._package(login, name) for name in names] if query["package_type"] == "container" else []
        shown = kept[(number - 1) * size : number * size]
        headers = [("Content-Type", "application/json; charset=utf-8")]
        more = number * size < len(kept)
        if self.links and (more or number > 1):
            # paging, "Using link headers": absolute, and not always by the path that was asked for.
            path = f"{self.url}/accounts/{list(self.accounts).index(login)}/packages"
            address = f"{path}?package_type=container&per_page={size}&page="
            last = -(-len(kept) // size)
            others = [("prev", number - 1), ("first", 1)] if number > 1 else []
            pages = [*others, *([("next", number + 1), ("last", last)] if more else [])]
            headers.append(("Link", ", ".join(f'<{address}{page}>; rel="{relation}"' for relation, page in pages)))
        return Reply(headers=headers, body=json.dumps(shown).encode())

    def _versions(self, path: str, query: dict[str, str]) -> Reply:
        # packages, "List package versions for a package owned by an organization": by number of page, the name encoded.
        account, _, encoded = path.removesuffix("/versions").rpartition("/container/")
        login = self._account(account)
        if login is None or "/" in encoded or unquote(encoded) not in self._packages(login):
            return self._said(404, "Package not found.")
        name = f"{login.lower()}/{unquote(encoded)}"
        tags: dict[str, list[str]] = {}
        for tag, digest in self._double.digests(name).items():
            tags.setdefault(digest, []).append(tag)
        digests = [*tags, *self._double.without_tags(name)]
        size, number = int(query.get("per_page", "30")), int(query.get("page", "1"))
        listed = [self._version(digest, tags.get(digest, [])) for digest in digests]
        headers = [("Content-Type", "application/json; charset=utf-8")]
        if number * size < len(listed):
            following = f"{self.url}{path}?per_page={size}&page={number + 1}"
            headers.append(("Link", f'<{following}>; rel="next"'))
        return Reply(headers=headers, body=json.dumps(listed[(number - 1) * size : number * size]).encode())

    @staticmethod
    def _version(digest: str, tags: list[str]) -> dict[str, object]:
        return {"id": 1, "name": digest, "metadata": {"package_type": "container", "container": {"tags": tags}}}

    def _packages(self, login: str) -> list[str]:
        names: list[str] = []
        url: str | None = f"{self._registry}/v2/_catalog?n=1000"
        while url is not None:
            answer = requests.get(url, timeout=PATIENCE_S)
            names += answer.json()["repositories"]
            following = answer.links.get("next", {}).get("url")
            url = f"{self._registry}{following}" if following else None
        below = f"{login.lower()}/"
        return [name.removeprefix(below) for name in names if name.startswith(below)]

    def _package(self, login: str, name: str) -> dict[str, object]:
        owner = {"login": login, "id": 1, "type": self.accounts[login]}
        return {"id": 197, "name": name, "package_type": "container", "visibility": "private", "owner": owner}

    def _said(self, status: int, message: str, *headers: tuple[str, str]) -> Reply:
        body = json.dumps({"message": message, "documentation_url": "https://docs.github.com/rest"}).encode()
        return Reply(status=status, headers=[("Content-Type", "application/json"), *headers], body=body)
