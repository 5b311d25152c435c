"""GitHub's packages API: the containers of an account, for the registry that lists no repositories.

"REST API endpoints for packages", "Getting started with the REST API", "Using pagination in the REST API" and "Rate
limits for the REST API" at docs.github.com. Only its listings are read, at the configured address; neither
a redirect nor a link leads the token to another host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any, NoReturn
from urllib.parse import quote, urljoin, urlsplit

from geosync.clock import Clock
from geosync.errors import ContentError, NotFound, Refused, RegistryUnavailable, TooLarge
from geosync.oci.answers import MAX_RETRY_AFTER_S, Errors, broken, classify, read_bounded, redact, retry_after
from geosync.oci.deadline import Deadline
from geosync.oci.links import next_page
from geosync.oci.listings import MAX_PAGE_BYTES
from geosync.oci.references import is_digest, is_repository
from geosync.oci.requests import MAX_REDIRECTS, USER_AGENT
from geosync.oci.transport import Broken, HttpAnswer, HttpRequest, Timeouts, Transport

PAGE_SIZE = 100
"""The most that the API gives a page."""
API_VERSION = "2022-11-28"
DEFAULT_PAUSE_S = 60.0
"""The pause after a 429 that does not name one ("Exceeding the rate limit": at least one minute)."""

_TIMEOUTS = Timeouts(connect_s=5, send_s=10, answer_s=30, read_s=30)
_REDIRECTS = frozenset({301, 302, 307, 308})
_ADVICE = (
    "check that the registry's secret has a personal access token (classic) with read:packages, authorized for the "
    "organization's single sign-on if it has one"
)


class GitHubPackages:
    """The packages API at `url`, called with one account's token. Errors name its host."""

    def __init__(self, url: str, username: str, token: str, *, deadline: Deadline, ca_bundle: str | None) -> None:
        self._base = url.rstrip("/")
        self.name = urlsplit(url).netloc
        self._username = username.lower()
        self._token = token
        self._deadline = deadline
        self._transport = Transport(ca_bundle=ca_bundle, connections=1, clock=deadline.clock)

    def containers(self, owner: str) -> list[str]:
        """Return the names (`owner/package`) of all containers of an organization or user that the token may read.

        One request for each 100. Raises Unauthorized, Denied, NotFound (no such account), RegistryUnavailable with the
        pause that a rate limit asks for, ContentError, OutOfTime.
        """
        if owner.lower() == self._username:
            return list(self._names("/user/packages", owner))
        try:
            return list(self._names(f"/orgs/{quote(owner, safe='')}/packages", owner))
        except NotFound:
            # The account is a user, not an organization.
            return list(self._names(f"/users/{quote(owner, safe='')}/packages", owner))

    def untagged(self, owner: str, package: str) -> Iterator[list[str]]:
        """Yield the digests of a container's versions that no tag names, one request for each 100 versions.

        "List package versions for a package owned by an organization" (by a user, by the authenticated user). The first
        page is requested at once. Raises as `containers`; NotFound: there is no such package, or not for this token.
        """
        name = quote(package, safe="")
        if owner.lower() == self._username:
            pages = self._pages(f"/user/packages/container/{name}/versions")
            first = next(pages, [])
        else:
            try:
                pages = self._pages(f"/orgs/{quote(owner, safe='')}/packages/container/{name}/versions")
                first = next(pages, [])
            except NotFound:
                pages = self._pages(f"/users/{quote(owner, safe='')}/packages/container/{name}/versions")
                first = next(pages, [])
        return (list(_untagged(page)) for page in chain([first], pages))

    def close(self) -> None:
        """Close the idle connection."""
        self._transport.close()

    def _names(self, path: str, owner: str) -> Iterator[str]:
        for page in self._pages(path):
            for package in page:
                account = package.get("owner")
                login = account.get("login") if isinstance(account, dict) else None
                if isinstance(login, str) and login.lower() != owner.lower():
                    detail = f"these are {login}'s, not {owner}'s: correct username and owners in the registry's secret"
                    raise Refused(self.name, f"GET {path}", detail=detail)
                # The registry has names in lower case, however the account's is written.
                name = f"{owner}/{package.get('name')}".lower()
                if package.get("package_type") == "container" and is_repository(name):
                    yield name

    def _pages(self, path: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages as `Link` leads; where there is no Link at all, a full page may not be the last one.

        (octokit/core.js 695: the listing of an organization's packages without a Link.)
        """
        kind = "" if path.endswith("/versions") else "package_type=container&"
        first = f"{self._base}{path}?{kind}per_page={PAGE_SIZE}"
        url, seen = first, set[str]()
        while url not in seen:
            seen.add(url)
            request = f"GET {urlsplit(url).path}"
            answer = self._get(url, request)
            links = answer.headers.get_all("Link") or []
            page = _listed(self._read(answer, request))
            if page is None:
                raise RegistryUnavailable(self.name, request, status=200, detail="no list of packages")
            yield page
            link = next_page(links)
            if link is not None:
                url = self._own(url, link, request)
            elif not links and len(page) >= PAGE_SIZE:
                url = f"{first}&page={len(seen) + 1}"
            else:
                return
        raise ContentError(f"{self.name}: GET {path}: the pages go round in a circle")

    def _get(self, url: str, request: str) -> HttpAnswer:
        """GET, with redirects on the same host followed ("Best practices": follow them); only a 200 is returned."""
        headers = {
            "Accept": "application/vnd.github+json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {self._token}",
            "User-Agent": USER_AGENT,
            "X-GitHub-Api-Version": API_VERSION,
        }
        for _ in range(MAX_REDIRECTS):
            self._deadline.check()
            try:
                answer = self._transport.send(
                    HttpRequest(method="GET", url=url, headers=headers, repeatable=True),
                    timeouts=_TIMEOUTS,
                    left=self._deadline.left_s,
                )
            except Broken as error:
                self._deadline.check()
                raise broken(self.name, request, error, write=False) from error
            if answer.status == 200:
                return answer
            location = answer.header("Location")
            if answer.status not in _REDIRECTS or location is None:
                self._fail(answer, request)
            answer.close()
            url = self._own(url, location, request)
        raise RegistryUnavailable(self.name, request, detail="too many redirects")

    def _own(self, url: str, reference: str, request: str) -> str:
        """Return a link or a Location as a URL of the API's own host."""
        target = urljoin(url, reference)
        if urlsplit(target)[:2] != urlsplit(self._base)[:2] or not target.isascii() or not target.isprintable():
            raise RegistryUnavailable(self.name, request, detail="it leads to another host: not followed")
        return target

    def _read(self, answer: HttpAnswer, request: str) -> bytes:
        try:
            return read_bounded(answer, MAX_PAGE_BYTES, self._deadline, "a page of packages")
        except Broken as error:
            self._deadline.check()
            raise broken(self.name, request, error, write=False) from error

    def _fail(self, answer: HttpAnswer, request: str) -> NoReturn:
        """Raise the error for an answer ("Exceeding the rate limit": a 403 may be one, too)."""
        pause_s = retry_after(answer.header("Retry-After"), self._deadline.clock)
        if pause_s is None and answer.header("X-RateLimit-Remaining") == "0":
            pause_s = _seconds_until(answer.header("X-RateLimit-Reset"), self._deadline.clock)
        message = self._message_in(answer, request)
        if answer.status == 429 or (answer.status == 403 and pause_s is not None):
            wanted = DEFAULT_PAUSE_S if pause_s is None else pause_s
            raise RegistryUnavailable(self.name, request, status=answer.status, detail=message, retry_after=wanted)
        advice = _ADVICE if answer.status in (401, 403, 404) else ""
        detail = ": ".join(one for one in (message, advice) if one)
        raise classify(self.name, request, answer.status, Errors(detail=detail), pause_s)

    def _message_in(self, answer: HttpAnswer, request: str) -> str:
        try:
            message = json.loads(self._read(answer, request)).get("message")
        except (ValueError, RecursionError, AttributeError, TooLarge):
            return ""
        return redact(message) if isinstance(message, str) else ""


def _untagged(versions: list[dict[str, Any]]) -> Iterator[str]:
    """The digests of versions that no tag names: `{"name": "sha256:…", "metadata": {"container": {"tags": []}}}`."""
    for one in versions:
        metadata = one.get("metadata")
        container = metadata.get("container") if isinstance(metadata, dict) else None
        tags = container.get("tags") if isinstance(container, dict) else None
        digest = one.get("name")
        if tags == [] and isinstance(digest, str) and is_digest(digest):
            yield digest


def _seconds_until(reset: str | None, clock: Clock) -> float | None:
    """Return the seconds until a moment in seconds since the epoch; None for nonsense."""
    if reset is None or not (reset.isascii() and reset.isdigit()):
        return None
    # A second more, as the header has no fraction.
    return min(max(int(reset) - clock.now_ms() / 1000 + 1, 0.0), MAX_RETRY_AFTER_S)


def _listed(body: bytes) -> list[dict[str, Any]] | None:
    """The entries of a page; None where the body is no list of objects."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return page if isinstance(page, list) and all(isinstance(one, dict) for one in page) else None
