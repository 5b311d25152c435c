"""Callers and their rights: two tokens (read, act), named ones, and sessions that a browser gets in exchange for one.

The two are secrets of their own, made by the template; the registry's notification token opens nothing here. Of the
named ones (`geosync token`) the digests are in the sync registry.

A session is a signed text, `holder.id.expires.signature`. The holder is the right, or `right:name:key` for a named
token, with the beginning of its digest. The key is derived from the current secret token of the right: a rotation ends
the sessions. Those of a named token end with it, too, and each when it is signed out: its id is remembered until it
would be over. What an action needs beside the cookie, its CSRF token, is derived from the session by the same key, so
that a page of another origin, which makes a browser send the cookie without reading anything, cannot know it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.operating.admin_tokens import token_key
from geosync.sync_registry.site.admin_access import AdminAccess, NamedToken, Right
from geosync.tokens import KeptTokens

MAX_AGE_SECONDS = 60
"""What was rotated out twice or revoked, and a session of what was, is refused this soon everywhere."""
REREAD_SECONDS = 10
"""After a mismatch all are read again, as they may have changed: a flood costs one read in this time."""
SESSION_SECONDS: Mapping[Right, int] = {"read": 8 * 3600, "act": 3600}
"""A working day to look; an hour to act."""
_RIGHTS: tuple[Right, ...] = ("read", "act")
_KEY_SHOWN = 16
"""Digits of a named token's digest in its sessions: another token of the same name is not the same token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of a site: of each right the valid secrets, the current one first, and the named ones."""

    secrets: Mapping[Right, tuple[bytes, ...]] = field(repr=False)
    named: tuple[NamedToken, ...] = ()


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
    token: NamedToken | None = None
    session: Session | None = None

    @property
    def name(self) -> str:
        """The caller's name in logs."""
        if self.token is not None:
            own = f"token {self.token.name}"
            return own if self.session is None else f"{own} session {self.session.id}"
        return f"{self.right} token" if self.session is None else f"{self.right} session {self.session.id}"


class Rights:
    """Judges tokens and sessions of one site. `read` reads its tokens, `access` knows the sessions that were ended."""

    def __init__(
        self,
        site: str,
        read: Callable[[], Tokens],
        access: AdminAccess,
        *,
        on_failure: Callable[[Exception], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._site = site
        self._access = access
        self._clock = clock
        self._kept = KeptTokens(
            read, max_age_s=MAX_AGE_SECONDS, reread_s=REREAD_SECONDS, on_failure=on_failure, clock=clock
        )

    def by_token(self, token: str) -> Caller | None:
        """The caller who has this token; None: it is none of ours. Raises what `read` raises while none are known."""
        if not token.isascii():
            return None
        return self._kept.judge(lambda tokens: _by_token(tokens, token.encode(), self._clock.now_ms()))

    def by_session(self, text: str) -> Caller | None:
        """The caller whose cookie this is; None: not signed here, signed before a rotation, ended, or over.

        Raises what `read` raises while none are known, and botocore's errors.
        """
        holder, _, rest = text.partition(".")
        identifier, _, rest = rest.partition(".")
        expires, _, signature = rest.partition(".")
        if not expires.isdecimal() or len(expires) > 12 or not signature.isascii():
            return None

        def judged(tokens: Tokens) -> Caller | None:
            caller = _by_holder(tokens, holder, self._clock.now_ms())
            if caller is None:
                return None
            session = self._session(tokens, caller, identifier, int(expires))
            genuine = hmac.compare_digest(session.text.encode(), text.encode("ascii", "replace"))
            return replace(caller, session=session) if genuine else None

        caller = self._kept.judge(judged)
        if caller is None or int(expires) * 1000 <= self._clock.now_ms() or self._access.was_ended(identifier):
            return None
        return caller

    def open(self, caller: Caller) -> Caller:
        """Open a session for the caller of a token; it is over when the token ends, at the latest."""
        expires = self._clock.now_ms() // 1000 + SESSION_SECONDS[caller.right]
        if caller.token is not None and caller.token.ends_at is not None:
            expires = min(expires, caller.token.ends_at // 1000)
        session = self._session(self._kept.current(), caller, secrets.token_hex(8), expires)
        return replace(caller, session=session)

    def end(self, session: Session) -> None:
        """End a session before its time, in every browser that has its cookie. Raises botocore's errors."""
        self._access.end_session(session.id, over_at_s=session.expires)

    def _session(self, tokens: Tokens, caller: Caller, identifier: str, expires: int) -> Session:
        head = f"{_holder(caller)}.{identifier}.{expires}"
        key = _mac(tokens.secrets[caller.right][0], "geosync session key")
        return Session(
            id=identifier,
            expires=expires,
            text=f"{head}.{_mac(key, f'session {self._site} {head}').hex()}",
            csrf=_mac(key, f"csrf {self._site} {head}").hex(),
        )


def _by_token(tokens: Tokens, given: bytes, now_ms: int) -> Caller | None:
    """Compare with every token, always: the time taken tells neither which one matches nor how far."""
    found: Caller | None = None
    for right in _RIGHTS:
        for token in tokens.secrets[right]:
            if hmac.compare_digest(token, given):
                found = Caller(right=right)
    key = token_key(given)
    for one in tokens.named:
        if hmac.compare_digest(one.key, key) and not one.has_ended(now_ms):
            found = Caller(right=one.right, token=one)
    return found


def _holder(caller: Caller) -> str:
    """The first part of a session of this caller's."""
    token = caller.token
    return caller.right if token is None else f"{caller.right}:{token.name}:{token.key[:_KEY_SHOWN]}"


def _by_holder(tokens: Tokens, holder: str, now_ms: int) -> Caller | None:
    """The caller that a session names as its holder; None: there is none, or not any more. Nothing is proved yet."""
    callers = [
        *(Caller(right=right) for right in _RIGHTS),
        *(Caller(right=one.right, token=one) for one in tokens.named if not one.has_ended(now_ms)),
    ]
    return next((one for one in callers if _holder(one) == holder), None)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
