"""functions/pull as Lambda loads it, on moto, before a real registry that asks for a password."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from functions.pull import app
from local.registries import BasicAuth, RegistrySpec, RunningRegistry, start
from moto import mock_aws
from tests.functional.pull.parts import ENVIRONMENT, PASSWORD, USERNAME, Site, WaitedClock
from tests.support.logs import log_of

from geosync.oci.deadline import Deadline

log = log_of(app.logger)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    spec = RegistrySpec(name="secondary", auth=BasicAuth(users={USERNAME: PASSWORD}))
    running = start(spec, tmp_path_factory.mktemp(spec.name))
    yield running
    running.stop()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, registry: RunningRegistry) -> Iterator[Site]:
    """A secondary; the function is loaded anew."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(app, "Deadline", lambda: Deadline(WaitedClock()))
    app.site.cache_clear()
    with mock_aws():
        one = Site(registry)
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        yield one
        app.site().registry.close()
        one.make.close()
    app.site.cache_clear()
