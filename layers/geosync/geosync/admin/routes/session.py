"""Signing in and out of a browser's session, and who is signed in."""

from __future__ import annotations

from collections.abc import Callable

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from geosync.admin.gate import SIGN_IN, SIGN_OUT, Gate
from geosync.admin.models.common import Done
from geosync.admin.models.session import Session, SignIn
from geosync.admin.rights import SESSION_SECONDS, Caller
from geosync.admin.routes.common import answers
from geosync.admin.site import Site
from geosync.operating.moments import moment

TAGS = ["session"]


def add(
    app: APIGatewayRestResolver, site: Site, gate: Gate, caller: Callable[[], Caller], source: Callable[[], str]
) -> None:
    """Add the routes; `caller` is who sent the request that is answered, `source` from where."""

    @app.post(SIGN_IN, summary="Exchange a token for a session", tags=TAGS, responses=answers(400, 413, 415))
    def sign_in(asked: SignIn) -> Response[Session]:
        opened = gate.exchange(asked.token)
        assert opened.session is not None, "a session was opened"  # noqa: S101
        site.audit.signed_in(opened.name, source=source())
        cookie = _cookie(gate.cookie, opened.session.text, SESSION_SECONDS[opened.right])
        return Response(status_code=200, content_type="application/json", body=_session(site, opened), cookies=[cookie])

    @app.post(SIGN_OUT, summary="End the session in this browser", tags=TAGS, responses=answers(403))
    def sign_out() -> Response[Done]:
        done = Done(message="signed out")
        cookie = _cookie(gate.cookie, "", 0)
        return Response(status_code=200, content_type="application/json", body=done, cookies=[cookie])

    @app.get("/api/v4/session", summary="Who asks, and what for", tags=TAGS, responses=answers())
    def show_session() -> Session:
        return _session(site, caller())


def _session(site: Site, caller: Caller) -> Session:
    session = caller.session
    return Session(
        site=site.name,
        right=caller.right,
        expires_at=moment(session.expires * 1000) if session is not None else None,
        csrf_token=session.csrf if session is not None else None,
    )


def _cookie(name: str, value: str, seconds: int) -> Cookie:
    return Cookie(
        name=name, value=value, path="/", secure=True, http_only=True, max_age=seconds, same_site=SameSite.STRICT_MODE
    )
