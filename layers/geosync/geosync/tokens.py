"""A site's own tokens: read from Secrets Manager, kept for a while, then read again.

The current and the previous version of each token are valid. So a rotation refuses nobody: rotate the secret first,
then change whatever sends the token.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Tokens = TypeVar("Tokens")
Verdict = TypeVar("Verdict")


class KeptTokens(Generic[Tokens]):
    """Tokens that `read` returned, read again when they are `max_age_s` old, or `reread_s` after a mismatch.

    A token that was rotated out twice is refused everywhere after `max_age_s`, also by an environment that stays warm.
    A new token is known after `reread_s`. A flood of wrong tokens costs one read in `reread_s`. `on_failure` is called
    with the error of a read that failed while older tokens were at hand.
    """

    def __init__(
        self,
        read: Callable[[], Tokens],
        *,
        max_age_s: float,
        reread_s: float,
        on_failure: Callable[[Exception], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._read = read
        self._max_age_s = max_age_s
        self._reread_s = reread_s
        self._on_failure = on_failure
        self._clock = clock
        self._tokens: Tokens | None = None
        self._read_at_s: float | None = None

    def current(self) -> Tokens:
        """Return the tokens, at most `max_age_s` old. Raises what `read` raises while no older tokens are at hand."""
        return self._fresh(self._max_age_s)

    def judge(self, judge: Callable[[Tokens], Verdict | None]) -> Verdict | None:
        """Return the verdict of `judge` on the tokens; where it is None, the verdict on the tokens read again.

        Raises what `current` raises.
        """
        found = judge(self._fresh(self._max_age_s))
        if found is None and self._is_older_than(self._reread_s):
            found = judge(self._fresh(self._reread_s))
        return found

    def _fresh(self, age_s: float) -> Tokens:
        if self._tokens is None or self._is_older_than(age_s):
            try:
                self._tokens = self._read()
            except (BotoCoreError, ClientError, ConfigurationError) as error:
                if self._tokens is None:
                    raise
                self._on_failure(error)
            self._read_at_s = self._clock.monotonic_s()
        return self._tokens

    def _is_older_than(self, age_s: float) -> bool:
        return self._read_at_s is None or self._clock.monotonic_s() - self._read_at_s >= age_s


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
