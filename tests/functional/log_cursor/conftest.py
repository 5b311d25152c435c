"""functions/log_cursor as Lambda loads it, on moto."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from functions.log_cursor import app
from moto import mock_aws
from tests.functional.log_cursor.parts import ENVIRONMENT, Site
from tests.support.logs import log_of

log = log_of(app.logger)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """AWS of one region; the function is loaded anew."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    app.site.cache_clear()
    with mock_aws():
        yield monkeypatch
    app.site.cache_clear()


@pytest.fixture
def site(aws: pytest.MonkeyPatch) -> Site:
    """A secondary."""
    one = Site()
    for name, value in one.environment().items():
        aws.setenv(name, value)
    return one
