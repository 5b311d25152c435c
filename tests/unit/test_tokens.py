"""The tokens of a site as Secrets Manager has them (how they are kept: notifications/test_authorization.py)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from geosync.errors import ConfigurationError
from geosync.tokens import read_tokens


class SecretsManager:
    """Answers GetSecretValue from a dict of stages, and refuses a stage that is not there as the service does."""

    class NotThere(Exception): ...

    exceptions = SimpleNamespace(ResourceNotFoundException=NotThere)

    def __init__(self, **stages: dict[str, Any]) -> None:
        self.stages = stages

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if VersionStage not in self.stages:
            raise self.NotThere(SecretId)
        return self.stages[VersionStage]


def text(secret: str) -> dict[str, Any]:
    return {"SecretString": secret}


@pytest.mark.parametrize(
    ("secret", "token"),
    [
        ("plain-token", b"plain-token"),
        ("plain-token\n", b"plain-token"),
        ('{"token": "in-json"}', b"in-json"),
        ("1234567890", b"1234567890"),
        ('"quoted"', b'"quoted"'),
    ],
)
def test_a_secret_is_the_token_or_a_json_object_with_it(secret: str, token: bytes) -> None:
    client: Any = SecretsManager(AWSCURRENT=text(secret))
    assert read_tokens(client, "arn") == (token,)


def test_the_previous_version_is_valid_too() -> None:
    client: Any = SecretsManager(AWSCURRENT=text("new"), AWSPREVIOUS=text('{"token": "old"}'))
    assert read_tokens(client, "arn") == (b"new", b"old")


@pytest.mark.parametrize("secret", ["", "  ", "{}", '{"token": 5}', '{"token": ""}', "tokén-that-is-secret"])
def test_a_secret_without_a_token_is_named_and_not_shown(secret: str) -> None:
    client: Any = SecretsManager(AWSCURRENT=text(secret))
    with pytest.raises(ConfigurationError, match="arn:one") as error:
        read_tokens(client, "arn:one")
    assert "that-is-secret" not in str(error.value)


def test_a_binary_secret_is_named() -> None:
    client: Any = SecretsManager(AWSCURRENT={"SecretBinary": b"x"})
    with pytest.raises(ConfigurationError, match="arn:one"):
        read_tokens(client, "arn:one")


def test_a_secret_that_does_not_exist_is_an_error() -> None:
    client: Any = SecretsManager()
    with pytest.raises(SecretsManager.NotThere):
        read_tokens(client, "arn")
