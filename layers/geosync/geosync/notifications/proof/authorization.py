"""The check of a request against the site's notification token, the current and the previous one.

GitLab's registry sends the token as it is in Authorization, without a scheme; some registries can only send it as Basic
or Bearer, and GitHub signs the body with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Literal

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.tokens import KeptTokens

# After a wrong token the secret is read again, as it may have been rotated. A flood of them costs one read a minute.
REREAD_SECONDS = 60
# A token that was rotated out twice is refused everywhere after this long, also by an environment that stays warm.
MAX_AGE_SECONDS = 900

Verdict = Literal["allowed", "missing", "blank", "not_ascii", "wrong"]
Scheme = Literal["basic", "bearer"]

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)


class Authorization:
    """Judges whether an Authorization header is one of the tokens that `read_tokens` returns; keeps them, shows none.

    `on_failure` is called with the error of a read that failed while older tokens were at hand.
    """

    def __init__(
        self,
        read_tokens: Callable[[], tuple[bytes, ...]],
        *,
        on_failure: Callable[[Exception], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._kept = KeptTokens(
            read_tokens, max_age_s=MAX_AGE_SECONDS, reread_s=REREAD_SECONDS, on_failure=on_failure, clock=clock
        )

    def check(self, header: str | None) -> Verdict:
        """Judge the raw header; everything but `allowed` is to be refused.

        A header that can be no token is refused without reading the secret. Raises what `read_tokens` raises, as long
        as there is no token to compare with.
        """
        if header is None:
            return "missing"
        if not header.strip():
            return "blank"
        if not header.isascii():
            return "not_ascii"
        return self._verdict(header.encode("ascii"), lambda token: token)

    def check_signature(self, header: str | None, body: bytes) -> Verdict:
        """Judge `sha256=<hex>`, the HMAC of the raw body with the token as its key (GitHub's X-Hub-Signature-256)."""
        if header is None:
            return "missing"
        signature = _SIGNATURE.fullmatch(header)
        if signature is None:
            return "wrong"
        return self._verdict(bytes.fromhex(signature[1]), lambda token: hmac.new(token, body, hashlib.sha256).digest())

    def _verdict(self, given: bytes, expected: Callable[[bytes], bytes]) -> Verdict:
        """Compare `given` with what each token makes expected."""

        def judged(tokens: tuple[bytes, ...]) -> Verdict | None:
            # With every token, always: the time taken tells neither which one matches nor how far.
            matches = False
            for token in tokens:
                matches |= hmac.compare_digest(expected(token), given)
            return "allowed" if matches else None

        return self._kept.judge(judged) or "wrong"


def without_scheme(header: str | None, schemes: frozenset[Scheme]) -> str | None:
    """Return the token that a header of one of these schemes carries: what follows Bearer, or Basic's password.

    Any other header is returned as it is; it may be the token itself. A Basic that cannot be decoded is no token.
    """
    scheme, _, rest = (header or "").partition(" ")
    if scheme.lower() == "bearer" and "bearer" in schemes:
        return rest.strip()
    if scheme.lower() != "basic" or "basic" not in schemes:
        return header
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(":")[2]
