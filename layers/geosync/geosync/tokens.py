"""A site's own tokens, as Secrets Manager has them: read, and kept for a while.

Of each the current and the previous version are valid, so that a token is rotated without a moment in which requests
are refused: rotate the secret, then change what sends it at leisure.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Tokens = TypeVar("Tokens")
Verdict = TypeVar("Verdict")


class KeptTokens(Generic[Tokens]):
    """What `read` returns, kept, and read again `max_age` seconds later, or `reread` after a mismatch.

    So a token that was rotated out twice is refused everywhere after `max_age`, also by an environment that stays warm,
    a new one is soon known, and a flood of wrong ones costs one read in `reread` seconds. `on_failure` is told of a
    read that failed while there were tokens to go on with. `clock` is in seconds.
    """

    def __init__(
        self,
        read: Callable[[], Tokens],
        *,
        max_age: float,
        reread: float,
        on_failure: Callable[[Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._max_age = max_age
        self._reread = reread
        self._on_failure = on_failure
        self._clock = clock
        self._tokens: Tokens | None = None
        self._read_at: float | None = None

    def current(self) -> Tokens:
        """The tokens, at most `max_age` old. Raises what `read` raises, as long as there are none to go on with."""
        return self._fresh(self._max_age)

    def judge(self, judge: Callable[[Tokens], Verdict | None]) -> Verdict | None:
        """What `judge` makes of the tokens; where that is None once more, of what they are now. Raises as `current`."""
        found = judge(self._fresh(self._max_age))
        if found is None and self._is_older_than(self._reread):
            found = judge(self._fresh(self._reread))
        return found

    def _fresh(self, seconds: float) -> Tokens:
        if self._tokens is None or self._is_older_than(seconds):
            try:
                self._tokens = self._read()
            except (BotoCoreError, ClientError, ConfigurationError) as error:
                if self._tokens is None:
                    raise
                self._on_failure(error)
            self._read_at = self._clock()
        return self._tokens

    def _is_older_than(self, seconds: float) -> bool:
        return self._read_at is None or self._clock() - self._read_at >= seconds


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
