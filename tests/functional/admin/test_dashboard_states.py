"""The states of the dashboard's pages: empty, loading, in error, not up to date, read only, filled.

Each is compared with its kept layout at three widths (layout.py), and its screenshots are kept in `.local/screenshots`.
A page is loaded once and goes from state to state, because a browser is slow.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from tests.e2e.browser import Dashboard
from tests.e2e.parts import PATIENCE_S, eventually
from tests.functional.admin.layout import SIZES, Layouts
from tests.functional.admin.parts import A, Answer, Ask, Site
from tests.functional.admin.served import served
from tests.support.noted import note_finding

from geosync.operating import sorted_repositories
from geosync.sync_registry.site.findings import Finding

HOSTILE = "<img src=x onerror=alert(1)>"
PATIENT = """
const soon = window.setTimeout;
window.setTimeout = (what, wait, ...more) => soon(what, wait === 15000 ? 1000 * wait : wait, ...more);
"""
"""Has a page wait for an answer (api.js: LOOK_SECONDS) for longer than any test takes to look at it meanwhile."""


class Answers:
    """The answers about what is in the site, as they come: at once, not yet, or as a failure."""

    def __init__(self) -> None:
        self._come = threading.Event()
        self._come.set()
        self._fail = False

    def hang(self) -> None:
        """Answer nothing until `come`."""
        self._come.clear()

    def come(self, *, fail: bool = False) -> None:
        """Answer from now on, with a failure or as it is."""
        self._fail = fail
        self._come.set()

    def of(self, answer: Answer) -> Answer:
        """The answer in place of this one, once it may come."""
        self._come.wait(PATIENCE_S)
        failure = json.dumps({"message": "AWS did not answer, or refused"})
        return Answer(503, answer.headers, failure) if self._fail else answer


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    held, ask = Answers(), Ask.__call__

    def answer(self: Ask, method: str, path: str, *rest: Any, **more: Any) -> Answer:
        found = ask(self, method, path, *rest, **more)
        return held.of(found) if path.startswith("/api/v4/geo/") else found

    monkeypatch.setattr(Ask, "__call__", answer)
    return held


@pytest.fixture
def layouts() -> Layouts:
    return Layouts()


def test_an_operator_s_pages_from_empty_to_filled(
    site: Site, driver: webdriver.Chrome, answers: Answers, layouts: Layouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(driver) as dashboard:
        dashboard.open(size=SIZES[0])
        layouts.compare(dashboard, "sign-in")
        dashboard.sign_in()
        dashboard.shows("Nothing was recorded in this time")
        layouts.compare(dashboard, "sites empty")
        dashboard.go("Missing and extra")
        dashboard.shows("Nothing is missing at the primary")
        layouts.compare(dashboard, "findings empty")

        dashboard.driver.execute_script(PATIENT)
        answers.hang()
        try:
            dashboard.press("Replication details", "header nav a")
            dashboard.find(".skeleton")
            layouts.compare(dashboard, "repositories loading")
        finally:
            answers.come(fail=True)
        dashboard.press("Dead letters", "header nav a")
        dashboard.shows("Cannot be shown yet: AWS did not answer", "Nothing can be shown before the site answers")
        layouts.compare(dashboard, "dead letters in error")
        answers.come()
        assert all("503" in one for one in dashboard.complaints())

        _fill(site)
        _sorts_and_sizes(dashboard, monkeypatch, layouts)
        _has_one_menu(site, dashboard, layouts)
        _dismisses(site, dashboard, layouts)
        dashboard.go("Replication details")
        dashboard.shows("1-20 of ")
        answers.come(fail=True)
        dashboard.shows("Not up to date: AWS did not answer", within=".fresh")
        layouts.compare(dashboard, "repositories not up to date")
        answers.come()
        assert all("503" in one for one in dashboard.complaints())


def test_who_may_only_look_is_shown_nothing_as_if_they_could(
    site: Site, driver: webdriver.Chrome, layouts: Layouts
) -> None:
    _fill(site)
    site.send_dead_letter("poison")
    with served(driver) as dashboard:
        dashboard.open(size=SIZES[0])
        dashboard.sign_in("read")
        for page, name in (("Missing and extra", "findings"), ("Replication details", "repositories")):
            dashboard.go(page)
            dashboard.find("tbody th")
            assert _that_act(dashboard) == []
            layouts.compare(dashboard, f"{name} read only")
        _sees_what_is_wrong(dashboard)
        dashboard.go("Dead letters")
        dashboard.shows("poison")
        assert _that_act(dashboard) == []
        assert dashboard.all("input[type=checkbox]") == [], "nothing is selected for what may not be done"
        layouts.compare(dashboard, "dead letters read only")
        dashboard.press("Bulk actions")
        dashboard.shows("which may only look", within="[role=status]")
        assert dashboard.all(".menu .items") == []
        assert dashboard.complaints() == []


def _fill(site: Site) -> None:
    """More than a page of rows, of which one has failed, and what a comparison found in another one."""
    for number in range(21):
        site.synced(f"group/app-{number:02}", v1=A)
    site.measured("group/app-01", tags=12, size_bytes=1_234_567)
    site.measured("group/app-02", tags=1_200, size_bytes=None)
    site.failed("group/z-broken", "v1")
    finding = Finding(repository="group/app-00", found_at=1_700_000_000_000, of=3, extra=2, extra_names=("mine", "old"))
    note_finding(site.store, finding, None)


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
    """By keyboard alone: what is large stands apart, Escape closes it, and a question gives the focus back."""
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


def _dismisses(site: Site, dashboard: Dashboard, layouts: Layouts) -> None:
    """A finding goes with a reason, is found among the dismissed, and comes back."""
    dashboard.go("Missing and extra")
    dashboard.find("tbody th")
    layouts.compare(dashboard, "findings")
    dashboard.press("Dismiss what was found in group/app-00")
    dashboard.find("dialog input").send_keys(HOSTILE + Keys.ENTER)
    dashboard.shows("is listed no more", "but for what was dismissed")
    _select(dashboard, "dismissed", "Dismissed")
    dashboard.shows("Dismissed by act session", HOSTILE)
    assert dashboard.all("main img") == []
    dashboard.press("group/app-00", "tbody th a")
    dashboard.heading("group/app-00")
    dashboard.shows("Dismissed by act session", HOSTILE, "Tags on both sides", "1-1 of 1")
    dashboard.find(".card")  # each part of the page has an answer of its own
    layouts.compare(dashboard, "repository")
    dashboard.press("Show again what was found in group/app-00")
    dashboard.shows("is listed again")
    finding = site.sync_registry.findings.get("group/app-00")
    assert finding is not None
    assert finding.dismissed is None
    dashboard.go("Audit log")
    dashboard.find("tbody th")
    layouts.compare(dashboard, "audit log")
    dashboard.go("Geo events")
    layouts.compare(dashboard, "events empty")


def _sees_what_is_wrong(dashboard: Dashboard) -> None:
    """A layout that is another one, and one that breaks a rule, do not pass."""
    for style, selector, complaint in (
        ("padding-left: 20%", "main", "px: .* was "),
        ("margin-top: -9rem", ".tools", "lies over"),
        ("display: none", ".tools", "has other parts"),
        ("min-width: 2000px", ".chips", "is cut off|px wide"),
    ):
        script = "document.querySelector(arguments[0]).style.cssText = arguments[1]"
        dashboard.driver.execute_script(script, selector, style)
        with pytest.raises(AssertionError, match=complaint):
            Layouts(anew=False).compare(dashboard, "repositories read only")
        dashboard.driver.execute_script(script, selector, "")


def _that_act(dashboard: Dashboard) -> list[str]:
    """The buttons of a page that look as if they did something here."""
    looks = {"Filter", "Look again", "Next ›", "‹ Previous"}  # noqa: RUF001 - as the page writes them
    chips = set(_texts(dashboard, ".chips button"))
    enabled = "main button:not(:disabled, [aria-disabled=true])"
    return [text for text in _texts(dashboard, enabled) if text not in looks | chips]


def _texts(dashboard: Dashboard, selector: str) -> list[str]:
    return [one.text for one in dashboard.all(selector)]


def _select(dashboard: Dashboard, name: str, text: str) -> None:
    Select(dashboard.find(f"select[name={name}]")).select_by_visible_text(text)
