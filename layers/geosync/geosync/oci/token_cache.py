"""Bearer tokens that are kept: one for each access, renewed in time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from geosync.oci.deadline import Deadline
from geosync.oci.scopes import Scopes
from geosync.threads import Threads

#: A token is renewed this long before it expires.
RENEWAL_S = 5.0

# Once there are so many, each new token drops the expired ones: a site may have ten thousand repositories.
_MAX_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and how long it is used: until `renew_at_s` (seconds since the epoch), for `life_s` in all."""

    text: str = field(repr=False)
    renew_at_s: float
    life_s: float

    @classmethod
    def issued(cls, text: str, at_s: float, lifetime_s: float) -> Token:
        """Return a token to renew 5 s before its end, or after half of its life where that is very short."""
        life_s = max(lifetime_s - RENEWAL_S, lifetime_s / 2)
        return cls(text, at_s + life_s, life_s)

    def lasts(self, lasting_s: float, now_s: float) -> bool:
        """Tell whether it is valid for `lasting_s` more seconds, or for half of its life where that is less."""
        return now_s + min(lasting_s, self.life_s / 2) < self.renew_at_s


class TokenCache:
    """Keeps tokens. Thread-safe: one thread at a time makes the token for an access, and the others wait for it.

    Tokens expire by the wall clock, because an execution environment may be frozen.
    """

    def __init__(self, deadline: Deadline, threads: Threads) -> None:
        self._deadline = deadline
        self._threads = threads
        self._tokens: dict[Scopes, Token] = {}
        self._making: dict[Scopes, threading.Condition] = {}
        self._lock = threading.Lock()

    def text(self, access: Scopes, make: Callable[[Scopes], Token], lasting_s: float) -> str:
        """Return a token that is valid for `lasting_s` more seconds; `make` makes it where none is kept.

        Raises the errors of `make`, and OutOfTime.
        """
        token = self._kept(access, lasting_s)
        if token is None:
            with self._lock:
                # A condition, not a bare lock: it is held while the token service is asked.
                making = self._making.setdefault(access, self._threads.condition())
            with making:
                token = self._kept(access, lasting_s)
                if token is None:
                    self._deadline.check()
                    token = make(access)
                    self._keep(access, token)
        return token.text

    def forget(self, access: Scopes, used: str | None) -> None:
        """Drop the token whose header `used` was refused, unless another thread has replaced it already."""
        with self._lock:
            token = self._tokens.get(access)
            if token is not None and used == f"Bearer {token.text}":
                del self._tokens[access]

    def _kept(self, access: Scopes, lasting_s: float) -> Token | None:
        token = self._tokens.get(access)
        return token if token is not None and token.lasts(lasting_s, self._now_s()) else None

    def _keep(self, access: Scopes, token: Token) -> None:
        with self._lock:
            if len(self._tokens) >= _MAX_TOKENS:
                now = self._now_s()
                self._tokens = {key: one for key, one in self._tokens.items() if one.renew_at_s > now}
            self._tokens[access] = token

    def _now_s(self) -> float:
        return self._deadline.clock.now_ms() / 1000
