"""Vendors' doubles in front of real registries, and AWS's own clients pointed at them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.integration.conftest import Place
from tests.integration.vendors.ends import AllEnds
from tests.integration.vendors.world import World
from tests.support.images import ImageMaker
from tests.support.vendors.ecr import EcrDouble


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Made-up AWS keys, and no profile of this machine."""
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


@pytest.fixture
def make(plain_registry: Place) -> Iterator[ImageMaker]:
    """Push to `plain_registry`, the primary's."""
    with plain_registry.maker(seed=time.time_ns()) as maker:
        yield maker


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No keys and no profile of this machine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def world(plain_registry: Place, second_registry: Place, no_aws: pytest.MonkeyPatch) -> Iterator[World]:
    with plain_registry.maker(seed=time.time_ns()) as make, second_registry.maker(seed=time.time_ns() + 1) as beside:
        world = World(plain=plain_registry, behind=second_registry, make=make, beside=beside)
        with world.stack:
            yield world


@pytest.fixture
def below(repository: str) -> str:
    """A repository name; for Google below a repository that its double has made."""
    return f"my-project/geo/{repository.replace('/', '-')}"


@pytest.fixture(scope="module")
def all_ends(plain_registry: Place, second_registry: Place) -> Iterator[AllEnds]:
    """A way to each vendor and back."""
    made = AllEnds(plain_registry, second_registry)
    yield made
    made.close()
