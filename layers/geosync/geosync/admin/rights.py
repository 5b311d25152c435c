"""Callers and their rights: by the read or the act token, by a named token, or in a browser's session.

The template makes the read and the act token, a secret each. The registry's notification token opens nothing here. The
sync registry has the digests of the named tokens (`geosync token`). A browser gets a session in exchange for a token.

A session is a signed text, `holder.id.expires.signature`. The holder is the right, or for a named token
`right:name:key`, where the key is the beginning of its digest. The signing key is derived from the right's current
token, so a rotation ends its sessions. A session of a named token ends with that token. One that is signed out ends at
once: its id is remembered until it would have expired.

An action in a session needs its CSRF token beside the cookie; it is derived by the same signing key. A page of another
origin can make a browser send the cookie, but reads nothing, so it cannot know the CSRF token.
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
"""A token that was rotated out twice or revoked, and its sessions, are refused everywhere after this time."""
REREAD_SECONDS = 10
"""After a mismatch all tokens are read again, as they may have changed. A flood costs one read in this time."""
SESSION_SECONDS: Mapping[Right, int] = {"read": 8 * 3600, "act": 3600}
"""A working day for reading; an hour for acting."""
_RIGHTS: tuple[Right, ...] = ("read", "act")
_KEY_DIGITS = 16
"""Digits of a named token's digest in its sessions, which tell it from another token of the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of a site: the valid secrets of each right, the current one first, and the named tokens."""

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
        """The caller with this token; None: it is none of the site's. Raises what `read` raises while none is known."""
        if not token.isascii():
            return None
        return self._kept.judge(lambda tokens: _by_token(tokens, token.encode(), self._clock.now_ms()))

    def by_session(self, text: str) -> Caller | None:
        """The caller whose cookie this is; None: not signed here, signed before a rotation, ended, or expired.

        Raises what `read` raises while no tokens are known, and botocore's errors.
        """
        holder, _, rest = text.partition(".")
        identifier, _, rest = rest.partition(".")
        expires, _, signature = rest.partition(".")
        if not expires.isdecimal() or len(expires) > 12 or not signature.isascii():
            return None

        def verified(tokens: Tokens) -> Caller | None:
            caller = _by_holder(tokens, holder, self._clock.now_ms())
            if caller is None:
                return None
            session = self._session(tokens, caller, identifier, int(expires))
            genuine = hmac.compare_digest(session.text.encode(), text.encode("ascii", "replace"))
            return replace(caller, session=session) if genuine else None

        caller = self._kept.judge(verified)
        if caller is None or int(expires) * 1000 <= self._clock.now_ms() or self._access.was_ended(identifier):
            return None
        return caller

    def open(self, caller: Caller) -> Caller:
        """Open a session for the caller of a token. It expires when the token ends, at the latest."""
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
    """Compare with every token, always, so that the time taken tells neither which one matches nor how far."""
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
    """The first part of this caller's sessions."""
    token = caller.token
    return caller.right if token is None else f"{caller.right}:{token.name}:{token.key[:_KEY_DIGITS]}"


def _by_holder(tokens: Tokens, holder: str, now_ms: int) -> Caller | None:
    """The caller that a session names as its holder, not yet proved; None: there is no such caller, or no more."""
    callers = [
        *(Caller(right=right) for right in _RIGHTS),
        *(Caller(right=one.right, token=one) for one in tokens.named if not one.has_ended(now_ms)),
    ]
    return next((one for one in callers if _holder(one) == holder), None)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
