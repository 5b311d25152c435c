"""The dashboard goes on by itself: what it shows while the site is slow or fails, and when it asks again."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from tests.e2e.browser import Dashboard
from tests.e2e.parts import Site, eventually
from tests.support.proxy import Call, CountingProxy, Cut, Status

SECONDS = 5  # between two looks at the container repositories
PATIENT = """
const soon = window.setTimeout;
window.setTimeout = (what, wait, ...more) => soon(what, wait < 4000 ? wait : 1000 * wait, ...more);
"""
"""Makes a page as patient as no test is: it asks again by what it does at once or soon, or never."""


COUNTED = """
const ask = window.fetch;
window.begun = window.unanswered = 0;
window.fetch = (...given) => {
  window.begun += 1;
  window.unanswered += 1;
  return ask(...given).finally(() => { window.unanswered -= 1; });
};
"""
"""Has a page count what it asks for."""


@pytest.fixture
def proxy(secondary: Site) -> Iterator[CountingProxy]:
    """In front of the site's API."""
    address = urlsplit(secondary.about["admin_url"])
    with CountingProxy(f"http://{address.netloc}") as running:
        yield running


@pytest.fixture
def through(driver: webdriver.Chrome, secondary: Site, proxy: CountingProxy) -> Iterator[Dashboard]:
    """The site's dashboard through the proxy, with a long wait. The browser may complain about broken requests."""
    eventually(lambda: any(item["item"] == "row" for item in secondary.items()), what="something to show at once")
    path = urlsplit(secondary.about["admin_url"]).path
    one = Dashboard(
        driver=driver, site=Site(stack=secondary.stack, about={**secondary.about, "admin_url": proxy.url + path})
    )
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": PATIENT})
    one.open()
    yield one
    one.close()
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def _of(path: str) -> re.Pattern[str]:
    return re.compile(rf"/api/v4/{path}$")


def test_a_first_answer_that_is_slow_is_told_and_asked_for_again(proxy: CountingProxy, through: Dashboard) -> None:
    over = threading.Event()

    def hang() -> None:
        over.wait(60)

    for path in (r"geo/container_repositories/\d+", r"geo/audit_events\?per_page=20"):
        proxy.add(Call(target=_of(path), before=hang))
    try:
        through.sign_in("read")
        through.go("Replication details")
        through.find("tbody th a").click()
        through.shows("Loading… The site is slow to answer", "s ago", within=".fresh")
        through.is_readable("slow")
        through.press("Try now")
        through.shows("Known since", "As of")

        through.press("Audit log", "header nav a")
        eventually(lambda: through.text("h1") == "Audit log" and through.text(".fresh") == "Loading…", what="the wait")
        _run(through, "window.dispatchEvent(new Event('online'))")  # what is under way may hang on the network before
        through.shows("What operators did")
    finally:
        over.set()


def test_a_first_answer_that_fails_is_told_and_asked_for_again_soon(proxy: CountingProxy, through: Dashboard) -> None:
    through.sign_in("read")
    cut, refused = _of(r"geo/audit_events\?per_page=20"), _of("session")
    proxy.add(Cut(target=cut, response_bytes=10))
    through.press("Audit log", "header nav a")
    through.shows("Cannot be shown yet: the site does not answer", "Next try in", within=".fresh")
    through.shows("As of", within=".fresh")
    first, second = [one for one in proxy.exchanges if cut.search(one.target)][:2]
    assert second.started - (first.started + first.seconds) > 1, "soon, but not at once"

    proxy.add(Status(target=refused, status=503, body=b'{"message": "AWS did not answer, or refused"}'))
    through.driver.refresh()
    through.shows("Cannot be shown yet: AWS did not answer, or refused", within=".fresh")
    assert through.all("#token") == [], "a session outlives an answer that failed"
    through.heading("Audit log")


def test_it_says_when_the_site_does_not_answer_and_asks_nothing_while_nobody_looks(dashboard: Dashboard) -> None:
    dashboard.sign_in()
    dashboard.go("Replication details")
    _offline(dashboard, True)
    dashboard.shows("Not up to date: the site does not answer", "This is as of", "Next try in", within=".fresh")
    dashboard.is_readable("stale")
    dashboard.press("Try now")
    dashboard.shows("Not up to date: the site does not answer", within=".fresh")
    _offline(dashboard, False)
    dashboard.shows("As of", within=".fresh")  # by itself, as soon as there is a network again
    dashboard.complaints()  # it complained of being offline
    _run(dashboard, COUNTED)
    eventually(lambda: _asked(dashboard)[0], what="the page to ask by itself")

    _look(dashboard, away=True)

    def is_quiet() -> bool:
        before = _asked(dashboard)
        time.sleep(0.5)
        return before == _asked(dashboard) and before[1] == 0

    eventually(is_quiet, what="what was asked for before to be answered")
    asked, _ = _asked(dashboard)
    time.sleep(1.2 * SECONDS)
    assert _asked(dashboard)[0] == asked
    _look(dashboard, away=False)
    eventually(lambda: _asked(dashboard)[0] > asked, what="the page to ask once it is seen again")


def _asked(dashboard: Dashboard) -> tuple[int, int]:
    """The number of requests that the page has begun since it counts them, and of those without an answer."""
    begun, unanswered = _run(dashboard, "return [window.begun, window.unanswered]")
    return begun, unanswered


def _run(dashboard: Dashboard, script: str) -> Any:
    return dashboard.driver.execute_script(script)


def _look(dashboard: Dashboard, *, away: bool) -> None:
    """Tell the page what a browser does when its tab is left or seen again: a driven one always has the focus."""
    hidden = str(away).lower()
    _run(dashboard, f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }})")
    _run(dashboard, "document.dispatchEvent(new Event('visibilitychange'))")


def _offline(dashboard: Dashboard, offline: bool) -> None:
    conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    dashboard.driver.execute_cdp_cmd("Network.enable", {})
    dashboard.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)
