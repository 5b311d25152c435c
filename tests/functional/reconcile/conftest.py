"""functions/reconcile as Lambda loads it, on moto."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from functions.reconcile import app
from moto import mock_aws
from tests.functional.reconcile.parts import ENVIRONMENT, Endpoint, Site
from tests.support.logs import log_of

from geosync.minute import recovery
from geosync.operating import dead_letters

log = log_of(app.logger)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """AWS, as the secondary of the sample settings; the function is loaded anew."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(recovery, "BETWEEN_LOOKS_S", 0.0)
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)  # there is one server here
    app.site.cache_clear()
    with mock_aws():
        yield monkeypatch
    if app.site.cache_info().currsize:
        app.site().session.close()
    app.site.cache_clear()


@pytest.fixture
def site(aws: pytest.MonkeyPatch) -> Site:
    """A secondary."""
    one = Site()
    for name, value in one.environment().items():
        aws.setenv(name, value)
    return one


@pytest.fixture
def endpoint(site: Site, aws: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """The notification endpoint of `site`, which is a primary now."""
    with Endpoint() as one:
        aws.setenv("SITE_ROLE", "primary")
        aws.setenv("HEARTBEAT_URL", one.url)
        yield one
