"""functions/notifications as Lambda loads it, on moto or on the stub of AWS, and a client that posts to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from functions.notifications import app
from moto import mock_aws
from tests.functional.notifications.parts import ENVIRONMENT, Post, Site, StubAws
from tests.support.logs import log_of

log = log_of(app.logger)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    app.endpoint.cache_clear()
    yield monkeypatch
    app.endpoint.cache_clear()


@pytest.fixture
def aws(environment: pytest.MonkeyPatch) -> Iterator[Site]:
    with mock_aws():
        site = Site()
        environment.setenv("NOTIFICATION_SECRET_ARN", site.secret_arn)
        environment.setenv("TOPIC_ARN", site.topic_arn)
        yield site


@pytest.fixture(scope="session")
def stub_process() -> Iterator[StubAws]:
    command = [sys.executable, str(Path(__file__).with_name("stub_aws.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield StubAws(int(process.stdout.readline()))
        process.terminate()


@pytest.fixture
def stub(environment: pytest.MonkeyPatch, stub_process: StubAws) -> StubAws:
    environment.setenv("AWS_ENDPOINT_URL", stub_process.url)
    stub_process.behave()
    return stub_process
