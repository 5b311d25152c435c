"""functions/sync as Lambda loads it, on moto, between two real registries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from functions.sync import app
from local.registries import BasicAuth, RegistrySpec, RunningRegistry, start
from moto import mock_aws
from tests.functional.sync.parts import ENVIRONMENT, PASSWORD, USERNAME, Site
from tests.support.logs import log_of

from geosync.pair import site_registries
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry

log = log_of(app.logger)


@pytest.fixture(scope="session")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningRegistry, RunningRegistry]]:
    """The primary's registry asks for a password and takes foreign layers; the secondary's does neither."""
    auth = BasicAuth(users={USERNAME: PASSWORD})
    primary = RegistrySpec(name="primary", auth=auth, foreign_urls=("^https://example\\.com/",))
    running = [start(spec, tmp_path_factory.mktemp(spec.name)) for spec in (primary, RegistrySpec(name="secondary"))]
    yield running[0], running[1]
    for one in running:
        one.stop()


@pytest.fixture
def aws(
    monkeypatch: pytest.MonkeyPatch, registries: tuple[RunningRegistry, RunningRegistry]
) -> Iterator[pytest.MonkeyPatch]:
    """AWS of one region; the function is loaded anew, and its connections to the registries end with the test."""
    clients: list[Registry] = []

    def opened(*given: Any, **more: Any) -> Registry:
        clients.append(open_registry(*given, **more))
        return clients[-1]

    monkeypatch.setattr(site_registries, "open_registry", opened)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    app.site.cache_clear()
    with mock_aws():
        yield monkeypatch
    app.site.cache_clear()
    for one in clients:
        one.close()


@pytest.fixture
def site(aws: pytest.MonkeyPatch, registries: tuple[RunningRegistry, RunningRegistry]) -> Iterator[Site]:
    one = Site(*registries)
    for name, value in one.environment().items():
        aws.setenv(name, value)
    yield one
    one.make.close()
