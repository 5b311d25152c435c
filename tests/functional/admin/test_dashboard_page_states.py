"""Every page of the dashboard at an empty site, while it loads, in error, and not up to date.

Each state is compared with its kept layout and screenshot at three widths (layout.py, screens.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from tests.e2e.browser import Dashboard
from tests.e2e.parts import eventually
from tests.functional.admin.example import fill
from tests.functional.admin.held import ASK_NOW, PATIENT, Answers
from tests.functional.admin.layout import SIZES, Layouts, settle
from tests.functional.admin.parts import ACT, Ask, Site
from tests.functional.admin.pictured import Moment
from tests.functional.admin.served import served
from tests.functional.admin.test_primary_numbers import reported
from tests.functional.admin.test_sites import ALL as SITES
from tests.functional.admin.test_sites import OREGON, now

from geosync.operating.rows_report import next_page, page_fields
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

HOLD = """
const path = arguments[0], ask = window.fetch, gate = new Promise((open) => { window.release = open; });
const isHeld = (address) => new URL(address, location).pathname === path;
window.fetch = (address, ...rest) => (isHeld(address) ? gate.then(() => ask(address, ...rest)) : ask(address, ...rest));
"""
"""Has a page get the answer to one path last."""
REPOSITORY = "repository"
PAGES = {
    "repositories": "Replication details",
    "findings": "Missing and extra",
    "dead letters": "Dead letters",
    "events": "Geo events",
    "audit log": "Audit log",
    REPOSITORY: "group/z-broken",
}
"""What a page is called in layouts.json, and its heading. Geo sites comes first by itself."""
EMPTY = {
    "sites": "Nothing was recorded in this time",
    "repositories": "There is no container repository yet",
    "findings": "Nothing is missing at the primary",
    "dead letters": "The dead-letter queue is empty",
    "events": "",
}


@pytest.fixture
def dashboard(site: Site, driver: webdriver.Chrome, fixed: Moment) -> Iterator[Dashboard]:
    """A secondary's, signed in by nobody, that waits for answers as long as it takes."""
    with served(driver) as one:
        one.open(size=SIZES[0])
        one.driver.execute_script(PATIENT)
        yield one


def follow(dashboard: Dashboard, site: Site, page: str) -> None:
    """Go to one of PAGES without waiting for what it shows."""
    if page == REPOSITORY:
        address = f"#/repositories/{site.id_of(PAGES[page])}"
        dashboard.driver.execute_script("location.hash = arguments[0]", address)
    else:
        dashboard.press(PAGES[page], "header nav a")


def type_token(dashboard: Dashboard) -> None:
    """Sign in without waiting for what the first page shows."""
    dashboard.find("#token").send_keys(ACT + Keys.ENTER)
    dashboard.find("header nav")


def only_failures(dashboard: Dashboard) -> bool:
    """Tell whether the browser complained only about the failures that the test made."""
    return all("503" in one for one in dashboard.complaints())


def test_a_wrong_token(dashboard: Dashboard, layouts: Layouts) -> None:
    layouts.compare(dashboard, "sign-in")
    dashboard.find("#token").send_keys("nobody's" + Keys.ENTER)
    dashboard.shows("this is no token of this site")
    layouts.compare(dashboard, "sign-in refused")


def test_pages_with_nothing_in_them(dashboard: Dashboard, layouts: Layouts) -> None:
    dashboard.sign_in()
    for page, text in EMPTY.items():
        if page in PAGES:
            dashboard.go(PAGES[page])
        dashboard.shows(text)
        dashboard.find(".empty")
        layouts.compare(dashboard, f"{page} empty")
    assert dashboard.complaints() == []


def test_the_first_page_while_it_loads_in_error_and_not_up_to_date(
    dashboard: Dashboard, answers: Answers, layouts: Layouts
) -> None:
    answers.of_sites = True
    answers.hang()
    try:
        type_token(dashboard)
        dashboard.find(".skeleton")
        layouts.compare(dashboard, "sites loading", waits=True)
    finally:
        answers.come(fail=True)
    dashboard.shows("Cannot be shown yet: AWS did not answer", "Nothing can be shown before the site answers")
    layouts.compare(dashboard, "sites in error")
    answers.come()
    dashboard.driver.execute_script(ASK_NOW)
    dashboard.shows("Recovery point", "Nothing was recorded in this time")
    settle(dashboard)
    answers.come(fail=True)
    dashboard.driver.execute_script(ASK_NOW)
    # The numbers, and the history below them, each say it.
    eventually(lambda: dashboard.text(".fresh").count("Not up to date") == 2, what="both to be not up to date")
    layouts.compare(dashboard, "sites not up to date")
    assert only_failures(dashboard)


def test_pages_while_they_load(site: Site, dashboard: Dashboard, answers: Answers, layouts: Layouts) -> None:
    fill(site)
    dashboard.sign_in()
    for page, heading in PAGES.items():
        answers.hang()
        try:
            follow(dashboard, site, page)
            dashboard.find(".skeleton")
            layouts.compare(dashboard, f"{page} loading", waits=True)
        finally:
            answers.come()
        dashboard.heading(heading)
    assert dashboard.complaints() == []


def test_pages_in_error(site: Site, dashboard: Dashboard, answers: Answers, layouts: Layouts) -> None:
    fill(site)
    dashboard.sign_in()
    answers.come(fail=True)
    for page in PAGES:
        follow(dashboard, site, page)
        dashboard.shows("Cannot be shown yet: AWS did not answer", "Nothing can be shown before the site answers")
        layouts.compare(dashboard, f"{page} in error")
    assert only_failures(dashboard)


def test_pages_that_are_not_up_to_date(site: Site, dashboard: Dashboard, answers: Answers, layouts: Layouts) -> None:
    fill(site)
    dashboard.sign_in()
    for page, heading in PAGES.items():
        follow(dashboard, site, page)
        dashboard.heading(heading)
        dashboard.find("tbody th")
        settle(dashboard)
        answers.come(fail=True)
        dashboard.driver.execute_script(ASK_NOW)
        dashboard.shows("Not up to date: AWS did not answer", within=".fresh")
        layouts.compare(dashboard, f"{page} not up to date")
        answers.come()
    assert only_failures(dashboard)


@pytest.mark.parametrize("late", ["", "/findings", "/tags"])
def test_the_parts_of_a_page_have_their_places_whichever_answer_comes_last(
    site: Site, dashboard: Dashboard, late: str
) -> None:
    fill(site)
    number = site.id_of("group/app-00")
    dashboard.sign_in()
    dashboard.driver.execute_script(HOLD, f"/api/v4/geo/container_repositories/{number}{late}")
    dashboard.driver.execute_script("location.hash = arguments[0]", f"#/repositories/{number}")
    others = {"": ("Extra here", "Tags, by name"), "/findings": ("Tags, by name",), "/tags": ("Extra here",)}
    dashboard.shows("Tags on both sides", *others[late])
    dashboard.driver.execute_script("window.release()")
    dashboard.heading("group/app-00")
    dashboard.shows("Extra here", "Tags, by name")
    parts = "return [...document.querySelectorAll('main .card, main h2, main .table')].map((one) => one.className)"
    assert dashboard.driver.execute_script(parts) == ["card", "", "table cards", "", "table cards"]
    assert dashboard.complaints() == []


def test_the_pages_of_a_primary(primary: Site, driver: webdriver.Chrome, ask: Ask, layouts: Layouts) -> None:
    ask.act(SITES, OREGON)
    oregon = SyncRegistry(MemoryStore())
    for number in range(3):
        oregon.knock(f"group/app-{number}", take=number == 2)
    reported(ask, {"rows_page": page_fields(next_page(oregon, now_ms=now()))})
    with served(driver) as dashboard:
        dashboard.open(size=SIZES[0])
        dashboard.sign_in()
        dashboard.shows("Last geo event", "oregon")
        layouts.compare(dashboard, "sites of a primary")
        dashboard.go("Replication details")
        dashboard.shows("What each site has", "group/app-0")
        layouts.compare(dashboard, "repositories of a primary")
        dashboard.press("Missing and extra", "header nav a")
        dashboard.shows("is the primary. Each secondary's own dashboard")
        layouts.compare(dashboard, "findings of a primary")
        assert dashboard.complaints() == []
