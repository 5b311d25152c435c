"""Vendors' doubles in front of real registries, and AWS's own clients pointed at them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.conftest import Place
from tests.support.vendors.ecr import EcrDouble


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Keys of nobody, and no profile of this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def ecr(second_registry: Place, aws: pytest.MonkeyPatch) -> Iterator[EcrDouble]:
    """ECR in front of `second_registry`."""
    with EcrDouble(second_registry.url) as double:
        aws.setenv("AWS_ENDPOINT_URL_ECR", double.url)
        yield double
