"""The gate that every request passes first: who asks, and with what right.

Everything is closed but what is named here. GET needs the right to read, everything else the right to act, and in a
session the CSRF token as well. A site's report has a token of its own (`operating/sites.py`).
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Any

from geosync.admin.http import HttpRefusal, header
from geosync.admin.rights import Caller, Rights

SIGN_IN, SIGN_OUT, REPORT, METRICS = "/sign-in", "/sign-out", "/api/v4/geo/status", "/metrics"
CSRF_HEADER = "X-CSRF-Token"
MOST_TOKEN = 512
"""Characters of a token that are looked at."""


class GateRefusal(HttpRefusal):
    """A request that the gate refuses. `caller` is who asked, if that is known; `reason` is one word for the log."""

    def __init__(self, status: int, message: str, reason: str, caller: Caller | None = None) -> None:
        super().__init__(status, message)
        self.reason = reason
        self.caller = caller


class Gate:
    """Admits requests to one site."""

    def __init__(self, site: str, rights: Rights) -> None:
        self.cookie = f"__Host-geosync-{site}"
        """A name that browsers take only with Secure, Path=/ and no Domain: no other host can set it."""
        self._rights = rights

    def admit(self, event: dict[str, Any]) -> Caller | None:
        """Return the caller of a request of API Gateway's, None where no caller is needed. Raises GateRefusal."""
        method, path = str(event.get("httpMethod")), str(event.get("path"))
        if _is_open(method, path):
            return None
        caller = self._caller(event)
        if method == "GET":
            return caller
        if path != SIGN_OUT and caller.right != "act":
            raise GateRefusal(403, "this token may only look: use the act token", "read_only", caller)
        if caller.session is not None:
            given = header(event, CSRF_HEADER.lower()) or ""
            if not hmac.compare_digest(given.encode(), caller.session.csrf.encode()):
                message = f"in a session an action needs the header {CSRF_HEADER} (GET /api/v4/session has its value)"
                raise GateRefusal(403, message, "csrf", caller)
        return caller

    def exchange(self, token: str) -> Caller:
        """Open a session for a token. Raises GateRefusal."""
        caller = self._rights.by_token(token[:MOST_TOKEN])
        if caller is None:
            raise GateRefusal(401, "this is no token of this site", "wrong_token")
        return self._rights.open(caller)

    def end(self, caller: Caller) -> None:
        """End the caller's session, if there is one. Raises botocore's errors."""
        if caller.session is not None:
            self._rights.end(caller.session)

    def _caller(self, event: dict[str, Any]) -> Caller:
        given = _token(event)
        if given is not None:
            caller = self._rights.by_token(given[:MOST_TOKEN]) if given else None
            if caller is None:
                raise GateRefusal(401, "this is no token of this site", "wrong_token")
            return caller
        text = self._cookie_of(event)
        if text is None:
            raise GateRefusal(401, "send a token of this site as Authorization: Bearer …, or sign in", "no_credentials")
        caller = self._rights.by_session(text)
        if caller is None:
            raise GateRefusal(401, "the session is over: sign in again", "session_over")
        return caller

    def _cookie_of(self, event: dict[str, Any]) -> str | None:
        try:
            cookies: SimpleCookie = SimpleCookie(header(event, "cookie") or "")
        except CookieError:
            return None
        return cookies[self.cookie].value if self.cookie in cookies else None


def _is_open(method: str, path: str) -> bool:
    """True for requests that need no caller: the pages (the same for everybody), signing in, a site's report."""
    is_page = method == "GET" and not path.startswith("/api/") and path != METRICS
    return is_page or (method == "POST" and path in (SIGN_IN, REPORT))


def _token(event: dict[str, Any]) -> str | None:
    """The token in the headers, "" for a header that holds none; None: no such header."""
    private = header(event, "private-token")  # GitLab's
    if private is not None:
        return private.strip()
    return bearer(event)


def bearer(event: dict[str, Any]) -> str | None:
    """The token of `Authorization: Bearer …`, "" for another scheme; None: no such header."""
    given = header(event, "authorization")
    if given is None:
        return None
    scheme, _, token = given.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
