"""functions/admin as Lambda loads it, on moto."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from functions.admin import app
from moto import mock_aws
from selenium import webdriver
from tests.e2e.browser import chromium
from tests.functional.admin.held import Answers, held
from tests.functional.admin.layout import Layouts
from tests.functional.admin.parts import ENVIRONMENT, Ask, Calls, Site
from tests.functional.admin.pictured import FIXED, Moment
from tests.support.clock import FakeClock
from tests.support.logs import log_of

from geosync.clock import SYSTEM_CLOCK
from geosync.operating import dead_letters

log = log_of(app.logger)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """The browser of all tests; what one sets there for its pages it takes back."""
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def fixed(driver: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moment]:
    """The moment at which the site, and the browser with each page that it loads from now on, live."""
    moment = Moment(monkeypatch)
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FIXED})
    yield moment
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.fixture
def layouts(fixed: Moment) -> Layouts:
    """The kept layouts and screenshots of the dashboard's pages, which are compared at a fixed moment."""
    return Layouts()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """When the function's answers come, and whether they are failures."""
    return held(monkeypatch)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A secondary; the function is loaded anew."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)  # there is one server here
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    app.api.cache_clear()
    with mock_aws():
        one = Site()
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        yield one
    app.api.cache_clear()


@pytest.fixture
def primary(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site as a primary."""
    monkeypatch.setenv("SITE_NAME", "dublin")
    monkeypatch.setenv("SITE_ROLE", "primary")
    return site


@pytest.fixture
def ask() -> Ask:
    return Ask()


@pytest.fixture
def calls(site: Site) -> Calls:
    app.api()._gate._rights._kept.current()  # the tokens, which are read once a minute
    return Calls(app.api())


@pytest.fixture
def clock(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move on the clock that tokens and sessions are judged by, by seconds."""
    rights = app.api()._gate._rights
    clock = FakeClock(SYSTEM_CLOCK.now_ms())
    for judge in (rights, rights._kept):
        monkeypatch.setattr(judge, "_clock", clock)
    return clock.pass_
