"""The dashboard's files. They are the same for everybody; what a page shows of a site comes from the API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geosync.admin.http import header

INDEX = "index.html"
MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Media types of the files that are served, by suffix. Files with another suffix are not served."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Only files of this host, nothing inline, no text that becomes code or markup, no frame around the page."""

_REDIRECTED = "dashboard"
"""Query of an address that was redirected to. It is not redirected again, whatever path a gateway then reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    media_type: str
    text: str
    etag: str


class Pages:
    """The files below a folder, read once."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            f"/{path.relative_to(folder).as_posix()}": _read(path)
            for path in folder.rglob("*")
            if path.suffix in MEDIA_TYPES
        }
        self._files["/"] = self._files.pop(f"/{INDEX}")

    @property
    def paths(self) -> list[str]:
        """The paths of all files."""
        return sorted(self._files)

    def respond(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Answer a request of API Gateway's; None: there is no file at its path."""
        path = str(event.get("path"))
        whole_path = str((event.get("requestContext") or {}).get("path") or "/")
        if (
            path == "/"
            and not whole_path.endswith("/")
            and _REDIRECTED not in (event.get("queryStringParameters") or {})
        ):
            # The page's links are relative to the stage's path. A browser drops what follows the last "/".
            return _answer(308, "", {"Location": f"./{whole_path.rpartition('/')[2]}/?{_REDIRECTED}"})
        file = self._files.get(path)
        if file is None:
            return None
        # A browser asks each time whether its file is the newest, so that no page mixes files of two versions.
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY, "ETag": file.etag}
        if _matches(header(event, "if-none-match") or "", file.etag):
            return _answer(304, "", headers)
        return _answer(200, file.text, {**headers, "Content-Type": file.media_type})


def _read(path: Path) -> _File:
    text = path.read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return _File(media_type=MEDIA_TYPES[path.suffix], text=text, etag=f'"{digest}"')


def _matches(condition: str, etag: str) -> bool:
    """Compare If-None-Match weakly (RFC 9110 section 13.1.2)."""
    return any(one.strip().removeprefix("W/") in (etag, "*") for one in condition.split(","))


def _answer(status: int, body: str, headers: dict[str, str]) -> dict[str, Any]:
    return {"statusCode": status, "headers": headers, "body": body}
