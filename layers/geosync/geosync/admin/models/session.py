"""A browser's session."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from geosync.admin.models.common import Answer, Request
from geosync.admin.rights import Right


class SignIn(Request):
    """A read or an act token."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=512)]


class Session(Answer):
    """Who asks, and what for. `csrf_token` goes into the header X-CSRF-Token of every action made with the cookie."""

    site: str
    right: Right
    expires_at: str | None
    csrf_token: str | None
