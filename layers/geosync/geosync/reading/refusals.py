"""Refusals in the form of a registry's own errors (OCI distribution-spec 1.1, "Error Codes")."""

from __future__ import annotations

import json
from collections.abc import Mapping

JSON = "application/json"


class ReadRefusal(Exception):
    """The request is answered with an error; no caller of the folder sees it.

    `status` is the answer's, `code` the specification's, and the text is for people.
    """

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    @property
    def body(self) -> str:
        """The body of the answer."""
        return json.dumps({"errors": [{"code": self.code, "message": str(self), "detail": None}]})


def unknown_manifest(message: str) -> ReadRefusal:
    """Refuse a manifest that is not here, or not here in time: a client goes on to its next host."""
    return ReadRefusal(404, "MANIFEST_UNKNOWN", message)


def unavailable(message: str) -> ReadRefusal:
    """Refuse a request that the site's registry did not answer."""
    return ReadRefusal(503, "UNAVAILABLE", message)
