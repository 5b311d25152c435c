"""The request that is being answered. An execution environment answers one at a time."""

from __future__ import annotations

from typing import Any

from geosync.admin import gate, http
from geosync.admin.rights import Caller


class CurrentRequest:
    """The parts of the current request that routes need beside its path, query and body."""

    def __init__(self) -> None:
        self._event: dict[str, Any] = {}
        self._caller: Caller | None = None

    def begin(self, event: dict[str, Any], caller: Caller | None) -> None:
        """Make this request of API Gateway's the current one; `caller` is None where the gate asks for none."""
        self._event = event
        self._caller = caller

    @property
    def caller(self) -> Caller:
        """The caller that the gate admitted."""
        assert self._caller is not None, "the gate lets nobody else through to here"  # noqa: S101
        return self._caller

    @property
    def action(self) -> str:
        """Method and path, as logs name the request."""
        return http.action(self._event)

    @property
    def source(self) -> str:
        """The address that the request came from."""
        return http.source(self._event)

    @property
    def bearer(self) -> str | None:
        """The token of `Authorization: Bearer …`, "" for another scheme; None: no such header."""
        return gate.bearer(self._event)

    @property
    def accept(self) -> str:
        """The media types that the caller takes, as it sent them; "" when it sent none."""
        return http.header(self._event, "accept") or ""

    @property
    def base(self) -> str:
        """The address of this API and of the pages, as API Gateway names it, without a slash at its end."""
        return http.base(self._event)
