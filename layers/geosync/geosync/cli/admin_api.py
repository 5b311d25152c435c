"""A site's admin API as a client: for who has a token and no AWS account, such as a pipeline.

The token comes from the environment alone: a command line is seen by everybody on the machine. It is sent to the site
that it is for, over TLS, and follows no redirect.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import urlsplit

import requests

from geosync.errors import AdminApiRefused, AdminApiUnavailable, ConfigurationError
from geosync.operating.sites import NAME, URL

TOKEN = "GEOSYNC_TOKEN"  # noqa: S105 - the variable's name
"""The environment variable with the token; that of another site has its name behind: GEOSYNC_TOKEN_OREGON."""
TIMEOUT_S = (5.0, 30.0)
"""For connecting, and for the answer: API Gateway waits 29 s."""
MOST_BYTES = 1024 * 1024
"""Of an answer; a longer one is cut, and is no document then."""
_PIECE = 64 * 1024
_LOOPBACK = {"localhost", "127.0.0.1"}
_TEMPORARY = {429, 500, 502, 503, 504}


class _Bearer(requests.auth.AuthBase):
    """Sends the token, and nothing that a .netrc says in its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class AdminClient:
    """Asks one site's admin API."""

    def __init__(self, url: str, token: str) -> None:
        """Raise ConfigurationError for an address that is none, or to which a token is not to be sent."""
        if not URL.fullmatch(url):
            raise ConfigurationError("the address of an admin API is https://host/path, without user or query")
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise ConfigurationError(f"{parts.hostname}: a token is sent over https alone")
        self._url = url.rstrip("/")
        self._auth = _Bearer(token)
        self._session = requests.Session()

    def get(self, path: str, **query: str | int | None) -> Any:
        """Ask for a document. Raises AdminApiUnavailable, and AdminApiRefused with the API's own word."""
        asked = {name: value for name, value in query.items() if value is not None}
        try:
            answer = self._session.get(
                f"{self._url}{path}",
                params=asked,
                auth=self._auth,
                timeout=TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                content = _content(answer)
        except requests.RequestException as error:
            raise AdminApiUnavailable(f"the admin API does not answer: {type(error).__name__}") from None
        return self._read(answer.status_code, content)

    def _read(self, status: int, content: bytes) -> Any:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if status == 200 and document is not None:
            return document
        said = document.get("message") if isinstance(document, dict) else None
        text = f"the admin API answers {status}" + (f": {said}" if isinstance(said, str) else "")
        if status in _TEMPORARY:
            raise AdminApiUnavailable(text)
        if status == 401:
            raise AdminApiRefused(f"{text} (the token is read from {TOKEN}, that of another site from {TOKEN}_<SITE>)")
        raise AdminApiRefused(text)


def _content(answer: requests.Response) -> bytes:
    """Read an answer, in however many pieces it comes."""
    content = bytearray()
    for piece in answer.iter_content(_PIECE):
        content += piece
        if len(content) >= MOST_BYTES:
            break
    return bytes(content[:MOST_BYTES])


def token_of(site: str | None = None) -> str:
    """Read the token of the site whose address is given, or of another one by name. Raises ConfigurationError."""
    variable = TOKEN if site is None else f"{TOKEN}_{site.upper().replace('-', '_')}"
    token = os.environ.get(variable, "").strip()
    if not token:
        whose = "the site" if site is None else f"the site {site}"
        raise ConfigurationError(f"set {variable} to a token of {whose}: geosync token create, there")
    return token


def other_sites(client: AdminClient) -> list[dict[str, Any]]:
    """The sites that one site knows, itself first; each with a name that can be one. Raises as `get` does."""
    found = client.get("/api/v4/geo_sites")
    named = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [one for one in named if isinstance(one.get("name"), str) and NAME.fullmatch(one["name"])]
