"""The site's notification token, the current and the previous one, against what a request shows.

GitLab's registry sends the token as it is in Authorization, without a scheme; some registries can only send it as Basic
or Bearer, and GitHub signs the body with it. Both versions are valid, so that a token is rotated without a moment in
which notifications are refused: rotate the secret, then change the registry's configuration at leisure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# After a wrong token the secret is read again, as it may have been rotated: a flood of them costs one read a minute.
REREAD_SECONDS = 60
# A token that was rotated out twice is refused everywhere after this long, also by an environment that stays warm.
MAX_AGE_SECONDS = 900

Verdict = Literal["allowed", "missing", "blank", "not_ascii", "wrong"]
Scheme = Literal["basic", "bearer"]

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)


class Authorization:
    """Says whether an Authorization header is one of the tokens that `read_tokens` returns; keeps them, and shows none.

    `on_failure` is told of a read that failed while there were tokens to go on with. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        read_tokens: Callable[[], tuple[bytes, ...]],
        *,
        on_failure: Callable[[Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_tokens = read_tokens
        self._on_failure = on_failure
        self._clock = clock
        self._tokens: tuple[bytes, ...] = ()
        self._read_at: float | None = None

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
        """Compare with what is expected of each token; after a mismatch once more, with what the secret is now."""
        if self._is_older_than(MAX_AGE_SECONDS):
            self._read()
        if self._matches(given, expected):
            return "allowed"
        if self._is_older_than(REREAD_SECONDS):
            self._read()
            if self._matches(given, expected):
                return "allowed"
        return "wrong"

    def _matches(self, given: bytes, expected: Callable[[bytes], bytes]) -> bool:
        """Compare with every token, always: the time taken tells neither which one matches nor how far."""
        matches = False
        for token in self._tokens:
            matches |= hmac.compare_digest(expected(token), given)
        return matches

    def _is_older_than(self, seconds: float) -> bool:
        return self._read_at is None or self._clock() - self._read_at >= seconds

    def _read(self) -> None:
        try:
            self._tokens = self._read_tokens()
        except (BotoCoreError, ClientError, ConfigurationError) as error:
            if not self._tokens:
                raise
            self._on_failure(error)
        self._read_at = self._clock()


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


def read_tokens(secrets: SecretsManagerClient, secret_arn: str) -> tuple[bytes, ...]:
    """Return the current token and, if there is one, the previous.

    The secret is the token itself (as GenerateSecretString makes it) or a JSON object with the key `token`. Raises
    ConfigurationError when it is something else, and botocore's errors when it cannot be read.
    """
    current = secrets.get_secret_value(SecretId=secret_arn, VersionStage="AWSCURRENT")
    tokens = [_token(current.get("SecretString"), secret_arn)]
    try:
        previous = secrets.get_secret_value(SecretId=secret_arn, VersionStage="AWSPREVIOUS")
    except secrets.exceptions.ResourceNotFoundException:  # never rotated
        return tuple(tokens)
    tokens.append(_token(previous.get("SecretString"), secret_arn))
    return tuple(tokens)


def _token(secret: str | None, secret_arn: str) -> bytes:
    """Return the token in a secret's text, without the line break that a file brings along."""
    token: object = secret
    try:
        document = json.loads(secret or "")
    except ValueError:
        pass
    else:
        if isinstance(document, dict):
            token = document.get("token")
    if not isinstance(token, str) or not token.strip() or not token.isascii():
        raise ConfigurationError(f"the secret {secret_arn} holds no token: neither ASCII text nor {{'token': '…'}}")
    return token.strip().encode("ascii")
