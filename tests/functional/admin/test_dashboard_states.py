"""The dashboard's pages in the hands of an operator, and with a read token.

Each state is compared with its kept layout and screenshot at three widths (layout.py, screens.py). A page is loaded
once and goes from state to state, because a browser is slow. The states in which there is nothing to see yet, or any
more, are in test_dashboard_page_states.py.
"""

from __future__ import annotations

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from tests.e2e.browser import Dashboard
from tests.e2e.parts import eventually
from tests.functional.admin import screens
from tests.functional.admin.example import fill
from tests.functional.admin.layout import SIZES, Layouts, resize
from tests.functional.admin.parts import Site
from tests.functional.admin.pictured import Moment
from tests.functional.admin.served import served

from geosync.operating import sorted_repositories

BROKEN = (
    ":root { --good: #a61b1b; --good-back: #fde8e6 }",
    ":root { --small: 0.95rem }",
    ".dense .buttons { gap: 1rem }",
    ".dense :is(th, td) { padding-block: 0.2rem }",
    ".chips { display: grid }",
    ".count { display: none }",
    "header li { border-bottom-width: 0 !important }",
)
"""Rules of a stylesheet, each of which has a page look wrong somewhere."""
HOSTILE = "<img src=x onerror=alert(1)>"
READ_ONLY = {
    "Geo sites": "sites",
    "Missing and extra": "findings",
    "Replication details": "repositories",
    "Geo events": "events",
    "Audit log": "audit log",
}


def test_an_operators_pages_look_as_kept_while_worked_with(
    site: Site, driver: webdriver.Chrome, fixed: Moment, layouts: Layouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(site)
    with served(driver) as dashboard:
        dashboard.open(size=SIZES[0])
        dashboard.sign_in()
        _sorts_and_sizes(dashboard, monkeypatch, layouts)
        _has_one_menu(site, dashboard, layouts)
        _dismisses(site, dashboard, layouts, fixed)
        assert dashboard.complaints() == []


def test_a_read_only_session_is_shown_no_control_that_acts(
    site: Site, driver: webdriver.Chrome, layouts: Layouts
) -> None:
    fill(site)
    with served(driver) as dashboard:
        dashboard.open(size=SIZES[0])
        dashboard.sign_in("read")
        for page, name in READ_ONLY.items():
            dashboard.go(page)
            dashboard.find("tbody th")
            assert _that_act(dashboard) == []
            layouts.compare(dashboard, f"{name} read only")
        dashboard.go("Replication details")
        _sees_what_is_wrong(dashboard)
        if screens.is_comparable(dashboard):
            _sees_a_broken_stylesheet(dashboard)
        dashboard.go("Dead letters")
        dashboard.shows("poison")
        assert _that_act(dashboard) == []
        assert dashboard.all("input[type=checkbox]") == [], "nothing is selected for what may not be done"
        layouts.compare(dashboard, "dead letters read only")
        dashboard.press("Bulk actions")
        dashboard.shows("which may only look", within="[role=status]")
        assert dashboard.all(".menu .items") == []
        assert dashboard.complaints() == []


def _sorts_and_sizes(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch, layouts: Layouts) -> None:
    """The order and the number of rows are in the address; an order that is refused leads back."""
    dashboard.go("Replication details")
    dashboard.shows("1-20 of 22")
    layouts.compare(dashboard, "repositories")
    dashboard.shows("12 / 1.2 MB", "1,200 / not known")
    _select(dashboard, "order", "Size, largest first")
    dashboard.shows("by size, largest first", "1-20 of 22")
    assert dashboard.rows()[0] == "group/app-01"
    _select(dashboard, "order", "State, failed first")
    dashboard.shows("by state, failed first", "1-20 of 22")
    assert dashboard.rows()[:2] == ["group/z-broken", "group/app-00"]
    _select(dashboard, "per_page", "50")
    dashboard.shows("1-22 of 22")
    assert "order=state+asc&per_page=50" in dashboard.driver.current_url
    _select(dashboard, "order", "Name, from the end")
    dashboard.shows("by name, from the end")
    eventually(lambda: dashboard.rows()[:2] == ["group/z-broken", "group/app-20"], what="the other order")
    monkeypatch.setattr(sorted_repositories, "SORTED", 10)
    _select(dashboard, "order", "Last tried, newest first")
    dashboard.shows("narrow the list")
    layouts.compare(dashboard, "repositories order refused")
    assert all("400" in one for one in dashboard.complaints())
    dashboard.press("Show it by name")
    dashboard.shows("by name", "1-20 of 22")
    assert dashboard.driver.current_url.endswith("#/repositories")


def _has_one_menu(site: Site, dashboard: Dashboard, layouts: Layouts) -> None:
    """Use the menu by keyboard: bulk actions stand apart, Escape closes it, and a question returns the focus."""
    assert _texts(dashboard, "main .tools button.danger, main > .buttons") == []
    dashboard.find("select[name=per_page]").send_keys(Keys.TAB)
    dashboard.type(Keys.ENTER)
    dashboard.find(".menu .items")
    assert _texts(dashboard, ".menu .items button") == [
        "Resync all failed", "Reverify all failed", "Resync all", "Reverify all"
    ]  # fmt: skip
    assert _texts(dashboard, ".menu .items > div:last-child button.danger") == ["Resync all", "Reverify all"]
    assert dashboard.driver.switch_to.active_element.get_attribute("aria-expanded") == "true"
    layouts.compare(dashboard, "repositories menu")
    dashboard.type(Keys.ESCAPE)
    eventually(lambda: not dashboard.all(".menu .items"), what="the menu to close")
    dashboard.type(Keys.ENTER)
    dashboard.find(".menu .items")
    dashboard.tab_to("Resync all", most=3)
    dashboard.type(Keys.ENTER)
    dashboard.find("dialog[open]")
    layouts.compare(dashboard, "repositories question")
    dashboard.type(Keys.ESCAPE)
    eventually(lambda: not dashboard.all("dialog[open]"), what="the question to be gone")
    assert dashboard.driver.switch_to.active_element.accessible_name == "Bulk actions"
    for elsewhere in ("Shift+Tab", "h1"):
        dashboard.press("Bulk actions")
        dashboard.find(".menu .items")
        if elsewhere == "h1":
            dashboard.find(elsewhere).click()
        else:
            dashboard.type([Keys.SHIFT + Keys.TAB])
        eventually(lambda: not dashboard.all(".menu .items"), what="the menu to close when somebody goes elsewhere")
    assert site.messages("work") == []


def _dismisses(site: Site, dashboard: Dashboard, layouts: Layouts, fixed: Moment) -> None:
    """A finding goes with a reason, is found among the dismissed, and comes back."""
    dashboard.go("Missing and extra")
    dashboard.find("tbody th")
    layouts.compare(dashboard, "findings")
    dashboard.press("Dismiss what was found in group/app-00")
    fixed.now_ms += 1  # the audit log has one action after the other
    dashboard.find("dialog input").send_keys(HOSTILE + Keys.ENTER)
    dashboard.shows("is hidden until", "but for what was dismissed")
    _select(dashboard, "dismissed", "Dismissed")
    dashboard.shows("Dismissed by act session", HOSTILE)
    assert dashboard.all("main img") == []
    dashboard.press("group/app-00", "tbody th a")
    dashboard.heading("group/app-00")
    dashboard.shows("Dismissed by act session", HOSTILE, "Tags on both sides", "1-1 of 1")
    dashboard.find(".card")  # each part of the page has an answer of its own
    layouts.compare(dashboard, "repository")
    fixed.now_ms += 1
    dashboard.press("Show again what was found in group/app-00")
    dashboard.shows("is listed again")
    finding = site.sync_registry.findings.get("group/app-00")
    assert finding is not None
    assert finding.dismissed is None
    dashboard.go("Audit log")
    dashboard.find("tbody th")
    layouts.compare(dashboard, "audit log")
    dashboard.go("Geo events")
    dashboard.find("tbody th")
    layouts.compare(dashboard, "events")


def _sees_what_is_wrong(dashboard: Dashboard) -> None:
    """Check that a changed layout and one that breaks a rule fail."""
    for style, selector, complaint in (
        ("padding-left: 20%", "main", "px: .* was "),
        ("margin-top: -9rem", ".tools", "lies over"),
        ("display: none", ".tools", "has other parts"),
        ("min-width: 2000px", ".chips", "is cut off|px wide"),
        ("min-width: 2000px", "table", "has to be moved to be read"),
        ("display: block; width: 2ch", ".path", "is broken within a word"),
    ):
        script = "document.querySelector(arguments[0]).style.cssText = arguments[1]"
        dashboard.driver.execute_script(script, selector, style)
        with pytest.raises(AssertionError, match=complaint):
            Layouts(anew=False).compare(dashboard, "repositories read only")
        dashboard.driver.execute_script(script, selector, "")


def _sees_a_broken_stylesheet(dashboard: Dashboard) -> None:
    """Check that a screenshot fails with one wrong style rule, and passes without it."""
    resize(dashboard, SIZES[0], "light")
    for rule in BROKEN:
        dashboard.driver.execute_script(f"{_SHEET}; sheet.insertRule(arguments[0], sheet.cssRules.length)", rule)
        with pytest.raises(AssertionError, match="looks different"):
            screens.compare(dashboard, "repositories-read-only-1440", anew=False)
        dashboard.driver.execute_script(f"{_SHEET}; sheet.deleteRule(sheet.cssRules.length - 1)")
    screens.compare(dashboard, "repositories-read-only-1440", anew=False)


_SHEET = "const sheet = [...document.styleSheets].find((one) => one.href.endsWith('style.css'))"


def _that_act(dashboard: Dashboard) -> list[str]:
    """The visible buttons of a page that look as if they acted here."""
    looks = {"Filter", "Look again", "Next ›", "‹ Previous"}  # noqa: RUF001 - as the page writes them
    chips = set(_texts(dashboard, ".chips button"))
    enabled = "main button:not(:disabled, [aria-disabled=true])"
    return [text for text in _texts(dashboard, enabled) if text and text not in looks | chips]


def _texts(dashboard: Dashboard, selector: str) -> list[str]:
    return [one.text for one in dashboard.all(selector)]


def _select(dashboard: Dashboard, name: str, text: str) -> None:
    Select(dashboard.find(f"select[name={name}]")).select_by_visible_text(text)
