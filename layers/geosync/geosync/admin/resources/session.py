"""A browser's session: signing in and out, and who is signed in."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from pydantic import StringConstraints

from geosync.admin.common import AnswerModel, Done, RequestModel
from geosync.admin.current import CurrentRequest
from geosync.admin.gate import Gate
from geosync.admin.http import JSON
from geosync.admin.rights import Caller
from geosync.admin.site import AdminSite
from geosync.clock import moment
from geosync.sync_registry.site.admin_access import Right


class SignIn(RequestModel):
    """The read token, the act token, or a named one."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=512)]


class SessionModel(AnswerModel):
    """The caller's right, and the name of the caller's token if it has one.

    `csrf_token` goes into the header X-CSRF-Token of every action made with the cookie.
    """

    site: str
    right: Right
    token_name: str | None
    expires_at: str | None
    csrf_token: str | None


class SessionRoutes:
    """Opens and ends the sessions of browsers."""

    def __init__(self, site: AdminSite, gate: Gate, current: CurrentRequest) -> None:
        self._site = site
        self._gate = gate
        self._current = current

    def sign_in(self, asked: SignIn) -> Response[SessionModel]:
        """Open a session in exchange for a token. The audit log has it before the browser does."""
        opened = self._gate.exchange(asked.token)
        assert opened.session is not None, "a session was opened"  # noqa: S101
        self._site.audit.signed_in(opened.name, source=self._current.source)
        seconds = max(opened.session.expires - self._site.clock.now_ms() // 1000, 0)
        cookie = _cookie(self._gate.cookie, opened.session.text, seconds)
        shown = _session(self._site, opened)
        return Response(status_code=200, content_type=JSON, body=shown, cookies=[cookie])

    def sign_out(self) -> Response[Done]:
        """End the session, in this browser and wherever else its cookie is."""
        self._gate.end(self._current.caller)
        cookie = _cookie(self._gate.cookie, "", 0)
        return Response(status_code=200, content_type=JSON, body=Done(message="signed out"), cookies=[cookie])

    def show_session(self) -> SessionModel:
        """The caller, and the right that the caller has."""
        return _session(self._site, self._current.caller)


def _session(site: AdminSite, caller: Caller) -> SessionModel:
    session = caller.session
    return SessionModel(
        site=site.name,
        right=caller.right,
        token_name=caller.token.name if caller.token is not None else None,
        expires_at=moment(session.expires * 1000) if session is not None else None,
        csrf_token=session.csrf if session is not None else None,
    )


def _cookie(name: str, value: str, seconds: int) -> Cookie:
    return Cookie(
        name=name, value=value, path="/", secure=True, http_only=True, max_age=seconds, same_site=SameSite.STRICT_MODE
    )
