"""Callers and their rights: two tokens (read, act), and sessions that a browser gets in exchange for one.

The tokens are secrets of their own, made by the template; the registry's notification token opens nothing here.

A session is a signed text, `right.id.expires.signature`, that nothing has to remember. The key is derived from the
current token of its right: a rotation ends the sessions that were opened with it. What an action needs beside the
cookie, its CSRF token, is derived from the session by the same key, so that a page of another origin, which makes a
browser send the cookie without reading anything, cannot know it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.tokens import KeptTokens

Right = Literal["read", "act"]
Tokens = Mapping[Right, tuple[bytes, ...]]
"""Of each right the valid tokens, the current one first."""

MAX_AGE_SECONDS = 60
"""A token that was rotated out twice, and a session of a token that was rotated, are refused this soon everywhere."""
REREAD_SECONDS = 10
"""After a mismatch the secrets are read again, as they may have been rotated: a flood costs one read in this time."""
SESSION_SECONDS: Mapping[Right, int] = {"read": 8 * 3600, "act": 3600}
"""A working day to look; an hour to act."""
_RIGHTS: tuple[Right, ...] = ("read", "act")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser's session. `expires` is in seconds since the epoch; `text` is the cookie's value."""

    id: str
    expires: int
    text: str = field(repr=False)
    csrf: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A caller, by a token or in a session."""

    right: Right
    session: Session | None = None

    @property
    def name(self) -> str:
        """The caller's name in logs."""
        return f"{self.right} token" if self.session is None else f"{self.right} session {self.session.id}"


class Rights:
    """Judges tokens and sessions of one site. `read` reads both secrets."""

    def __init__(
        self,
        site: str,
        read: Callable[[], Tokens],
        *,
        on_failure: Callable[[Exception], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._site = site
        self._clock = clock
        self._kept = KeptTokens(
            read, max_age_s=MAX_AGE_SECONDS, reread_s=REREAD_SECONDS, on_failure=on_failure, clock=clock
        )

    def by_token(self, token: str) -> Caller | None:
        """The caller who has this token; None: it is none of ours. Raises what `read` raises while none are known."""
        if not token.isascii():
            return None
        return self._kept.judge(lambda tokens: _right_of(tokens, token.encode()))

    def by_session(self, text: str) -> Caller | None:
        """The caller whose cookie this is; None: not signed here, signed before a rotation, or over."""
        right, _, rest = text.partition(".")
        identifier, _, rest = rest.partition(".")
        expires, _, signature = rest.partition(".")
        if right not in _RIGHTS or not expires.isdecimal() or len(expires) > 12 or not signature.isascii():
            return None

        def judged(tokens: Tokens) -> Caller | None:
            session = self._session(tokens, right, identifier, int(expires))
            genuine = hmac.compare_digest(session.text.encode(), text.encode("ascii", "replace"))
            return Caller(right=right, session=session) if genuine else None

        caller = self._kept.judge(judged)
        return caller if caller is not None and int(expires) * 1000 > self._clock.now_ms() else None

    def open(self, right: Right) -> Caller:
        """Open a session of a right."""
        expires = self._clock.now_ms() // 1000 + SESSION_SECONDS[right]
        return Caller(right=right, session=self._session(self._kept.current(), right, secrets.token_hex(8), expires))

    def _session(self, tokens: Tokens, right: Right, identifier: str, expires: int) -> Session:
        head = f"{right}.{identifier}.{expires}"
        key = _mac(tokens[right][0], "geosync session key")
        return Session(
            id=identifier,
            expires=expires,
            text=f"{head}.{_mac(key, f'session {self._site} {head}').hex()}",
            csrf=_mac(key, f"csrf {self._site} {head}").hex(),
        )


def _right_of(tokens: Tokens, given: bytes) -> Caller | None:
    """Compare with every token, always: the time taken tells neither which one matches nor how far."""
    found: Right | None = None
    for right in _RIGHTS:
        for token in tokens[right]:
            if hmac.compare_digest(token, given):
                found = right
    return Caller(right=found) if found is not None else None


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
