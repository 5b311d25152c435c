"""The dashboard in a browser, on moto: what each page shows of what a site holds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from tests.e2e.browser import PHONE, WIDE, Dashboard
from tests.e2e.parts import eventually
from tests.functional.admin.held import ASK_NOW
from tests.functional.admin.parts import SYNC_TABLE, A, Answer, Ask, Site
from tests.functional.admin.served import TURN, served
from tests.support.filled import fill

from geosync.clock import SYSTEM_CLOCK
from geosync.errors import (
    Archived,
    BlobsUnknown,
    BrokenAtDestination,
    Denied,
    DigestMismatch,
    HolderVanished,
    NotFound,
    ReadOnly,
    Refused,
    RegistryUnavailable,
    Unauthorized,
)
from geosync.sync_registry.site.drills import LastDrill
from geosync.sync_registry.site.history import HistoryItems, Observed, bin_name
from geosync.sync_registry.site.reported_rows import END, ReportedPage, ReportedRow
from geosync.sync_registry.site.sites import site_id
from geosync.sync_registry.site.told import Told, ToldSite
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.verification import MISMATCH
from geosync.syncing.settle import VANISHED


@pytest.fixture
def dashboard(site: Site, driver: webdriver.Chrome) -> Iterator[Dashboard]:
    """A secondary's, which the test opens; a problem that the browser reports fails the test."""
    with served(driver) as one:
        yield one
        assert one.complaints() == []


HELD = """
const ask = window.fetch, gate = new Promise((open) => { window.release = open; });
window.asked = [];
window.fetch = (address, ...rest) => {
  window.asked.push(address);
  return gate.then(() => ask(address, ...rest));
};
"""
"""Notes what a page asks the API for, and lets nothing come before the test says so."""


@pytest.fixture
def held_pages(driver: webdriver.Chrome) -> Iterator[None]:
    """Each page that is loaded from now on gets its answers when the test says so."""
    added: Any = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": HELD})
    yield
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_the_table_of_sites_takes_one_round_of_answers(
    site: Site, dashboard: Dashboard, request: pytest.FixtureRequest
) -> None:
    _fleet(site)
    dashboard.open()
    dashboard.sign_in("read")
    request.getfixturevalue("held_pages")
    dashboard.driver.refresh()
    first = {"api/v4/session", "api/v4/geo_sites", "api/v4/geo_sites/status"}
    eventually(lambda: set(dashboard.driver.execute_script("return window.asked ?? []")) == first, what="what is asked")
    dashboard.driver.execute_script("window.release()")
    dashboard.shows("berlin", "dublin", "oregon")


def test_a_page_loads_itself_again_after_one_of_its_files_was_refused(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, refused = Ask.__call__, list[str]()

    def answer(self: Ask, method: str, path: str, *rest: Any, **more: Any) -> Answer:
        if path == "/parts.js" and not refused:
            refused.append(path)
            return Answer(429, {}, "")
        return ask(self, method, path, *rest, **more)

    monkeypatch.setattr(Ask, "__call__", answer)
    dashboard.open()
    assert refused
    assert dashboard.driver.execute_script("return sessionStorage.length") == 0, "the next time it waits as short"
    assert all("429" in one for one in dashboard.complaints())


def test_a_page_that_is_opened_in_the_background_is_there_when_somebody_looks(dashboard: Dashboard) -> None:
    hidden = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"
    added: Any = dashboard.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": hidden})
    try:
        dashboard.open()
    finally:
        dashboard.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_the_page_reports_an_ended_session_and_not_an_absent_one(site: Site, dashboard: Dashboard) -> None:
    dashboard.open()
    assert dashboard.text("#problem") == ""
    dashboard.sign_in("read")
    dashboard.driver.delete_all_cookies()
    dashboard.driver.execute_script(ASK_NOW)
    eventually(lambda: "sign in" in dashboard.text("#problem"), what="that the session is over")


LAYER = NotFound("registry:5000", f"GET /v2/group/broken/blobs/{A}", status=404, codes=["BLOB_UNKNOWN"])
SCREENS = [(WIDE, "light"), (PHONE, "dark")]
OREGON = {
    "health": "Late",
    "healthy": False,
    "health_status": "Degraded",
    "health_reasons": ["the oldest push is owed for 40 min", "a registry is on hold"],
    "container_repositories_synced_count": 270,
    "container_repositories_failed_count": 3,
    "owed_references_count": 12,
    "dead_letters_count": 2,
    "lag_measured_count": 9,
    "lag_median_seconds": 0.42,
    "lag_p99_seconds": 90,
    "version": "0.9",
    "container_repositories_replication_enabled": True,
}


def _fleet(site: Site) -> None:
    """A primary that answers, a site that reported what is wrong with it, and one that never reported."""
    now_ms = SYSTEM_CLOCK.now_ms()
    site.sync_registry.heartbeat.record(site="dublin", sent_at=now_ms, arrived_at=now_ms)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_ms / 1000 - 100))
    status = OREGON | {"updated_at": at, "reported_at": at, "recovery_point_at": at, "primary": False, "name": "oregon"}
    others = (
        ToldSite(name="oregon", url="https://oregon.example.com/geo", primary=False, status=status),
        ToldSite(name="tokyo", url=None, primary=False),
    )
    site.sync_registry.told.record(Told(at=now_ms, sites=others))


def _history(site: Site, *, gap: bool = True) -> None:
    """Every fifth minute of a day; with a gap of some hours, and minutes in which little was known."""
    store = MemoryStore()
    history, now_ms = HistoryItems(store), SYSTEM_CLOCK.now_ms()
    for minute in range(24 * 60 - 5, 0, -5):
        if gap and 600 < minute < 780:
            continue
        pushes = Counter({bin_name(13): 60, "bytes": 10**6 * (minute % 90), "requests": 50, "synced": minute % 60})
        gauges = {"owed": minute % 40, "failed": minute % 3, "recovery_point_age_s": 20 + minute % 70}
        seen = Observed(counts=pushes, gauges=gauges) if minute % 200 else Observed()
        history.record(seen, now_ms=now_ms - minute * 60_000)
    fill(site.dynamodb, SYNC_TABLE, store)


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_a_site_that_has_done_nothing_yet_is_readable(dashboard: Dashboard, size: tuple[int, int], scheme: str) -> None:
    dashboard.open(size=size, scheme=scheme)
    dashboard.sign_in()
    dashboard.shows("berlin", "Recovery point", "Nothing was recorded in this time: nothing is known of it")
    dashboard.is_readable(f"sites-empty-{scheme}")


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_the_fleet_comes_first_then_the_chosen_site(
    site: Site, dashboard: Dashboard, size: tuple[int, int], scheme: str
) -> None:
    _fleet(site)
    dashboard.open(size=size, scheme=scheme)
    dashboard.sign_in("read")
    dashboard.shows("berlin", "dublin", "oregon", "tokyo", "never reported")
    assert dashboard.rows() == ["berlin", "dublin", "oregon", "tokyo"]
    cells = [one.text for one in dashboard.all("tbody tr:nth-child(3) td")]
    assert cells[0] == "Secondary"
    health = cells[1]
    assert health.startswith("! Degraded")
    assert " ago" in health, "when it reported that"
    assert health.endswith("the oldest push is owed for 40 min (and 1 more)")
    assert cells[3:9] == ["270", "3", "12", "2", "0.4 s / 1 min 30 s", "0.9"]
    unknown = [one.text for one in dashboard.all("tbody tr:nth-child(4) td")]
    assert unknown[2:9] == ["not known"] * 7, "never 0"
    assert dashboard.text(".card h2") == "berlin"
    dashboard.is_readable(f"fleet-{scheme}")

    dashboard.press("oregon", "tbody th a")
    dashboard.find(".card h2", "oregon")
    assert dashboard.driver.current_url.endswith(f"#/sites?site={site_id('oregon')}")
    assert dashboard.find("tbody th a[aria-current=true]").text == "oregon"
    assert dashboard.driver.switch_to.active_element.text == "oregon", "the focus stays where it is"
    dashboard.shows("Each site keeps its own history")
    dashboard.is_readable(f"fleet-oregon-{scheme}")


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_the_card_of_a_site_shows_its_last_drill(
    site: Site, dashboard: Dashboard, size: tuple[int, int], scheme: str
) -> None:
    dashboard.open(size=size, scheme=scheme)
    dashboard.sign_in()
    dashboard.shows("Last drill", "No drill is known of")
    at = SYSTEM_CLOCK.now_ms()
    why = "promote would not have named group/app:v1"
    drill = LastDrill(id="d1", at=at, verdict="failed", why=why, recovery_point_age_ms=75_000, recovery_time_ms=None)
    with TURN:
        site.sync_registry.drills.record(drill)
    dashboard.driver.execute_script(ASK_NOW)
    card = dashboard.shows(why, "age of the recovery point 1 min 15 s, recovery time not known")
    assert "No drill is known of" not in card
    dashboard.is_readable(f"sites-drill-{scheme}")


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_charts_show_the_day_and_a_table_has_the_same_numbers(
    site: Site, dashboard: Dashboard, size: tuple[int, int], scheme: str
) -> None:
    _history(site)
    dashboard.open(size=size, scheme=scheme)
    dashboard.sign_in()
    dashboard.find(".plot canvas")
    charts = [one.get_attribute("aria-label") or "" for one in dashboard.all("[role=img]")]
    assert len(charts) == 5
    assert charts[0].startswith("Recovery point age, the last 24 h: Age: at last")
    assert dashboard.driver.execute_script(_GAPS) == {"gap": 0, "line": True}
    dashboard.find("details summary", "The same numbers as a table").click()
    numbers = dashboard.find(".numbers table").text
    assert "not known" in numbers
    dashboard.is_readable(f"charts-{scheme}")

    dashboard.press("30 d")
    label = "Recovery point age, the last 30 d"
    dashboard.find(f"[role=img][aria-label^='{label}']")
    assert dashboard.find("button", "30 d").get_attribute("aria-pressed") == "true"
    dashboard.is_readable(f"charts-30d-{scheme}")


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_twenty_rows_of_replication_details_are_on_one_screen_and_counted(
    site: Site, dashboard: Dashboard, size: tuple[int, int], scheme: str
) -> None:
    for number in range(24):
        site.synced(f"group/some-application-{number:02}", v1=A)
    dashboard.open(size=size, scheme=scheme)
    dashboard.sign_in()
    dashboard.go("Replication details")
    dashboard.shows("1-20 of 24", "All 24", "Failed 0", "Parked 0 references")
    if size == WIDE:
        ends = dashboard.driver.execute_script(
            "return [...document.querySelectorAll('tbody tr')].map((row) => row.getBoundingClientRect().bottom)"
        )
        assert sum(end <= size[1] for end in ends) == 20, ends
    dashboard.is_readable(f"repositories-{scheme}")
    dashboard.press("Next \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}")
    dashboard.shows("21-24 of 24")
    dashboard.press("\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK} Previous")
    dashboard.shows("1-20 of 24")
    dashboard.find("input[name=search]").send_keys("TION-1" + Keys.ENTER)
    dashboard.shows("1-10 of 10")
    assert dashboard.rows() == [f"group/some-application-1{number}" for number in range(10)]


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_a_failure_is_a_short_cause_with_what_to_do_and_its_text_folded(
    site: Site, dashboard: Dashboard, size: tuple[int, int], scheme: str
) -> None:
    site.synced("group/app", v1=A)
    site.failed("group/broken", "v1", text=str(LAYER))
    site.failed("group/parked", "v1", text="what nobody has seen before", parked=True)
    dashboard.open(size=size, scheme=scheme)
    dashboard.sign_in()
    dashboard.shows("Layer missing at registry:5000", "what nobody has seen before")
    dashboard.press("Replication details", "header nav a")
    dashboard.shows("Failed 2", "Parked 1 reference")
    described = dashboard.find("nav a", "Replication details").get_attribute("aria-describedby")
    assert dashboard.driver.execute_script("return document.getElementById(arguments[0]).title", described) == (
        "2 container repositories have failed"
    )
    dashboard.press("Failed 2")
    dashboard.shows("1-2 of 2")
    assert A not in dashboard.text()
    dashboard.find("tbody details.cause summary").click()
    dashboard.shows("Push the image there again, then resync.", str(LAYER))
    dashboard.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    dashboard.find("tbody details.cause .copy button").click()
    dashboard.shows("Copied", within=".copy")
    script = "navigator.clipboard.readText().then(arguments[0])"
    assert dashboard.driver.execute_async_script(script) == f"Container repository sync failed: v1: {LAYER}"
    dashboard.is_readable(f"failures-{scheme}")
    dashboard.press("Parked 1 reference")
    dashboard.shows("1-1 of 1")
    assert dashboard.rows() == ["group/parked"]
    assert "parked=true" in dashboard.driver.current_url
    dashboard.press("group/parked", "tbody th a")
    dashboard.shows("Tags on both sides", "what nobody has seen before")
    dashboard.is_readable(f"failures-repository-{scheme}")


def test_a_primary_finds_a_repository_of_its_sites_by_any_part_of_its_name(primary: Site, dashboard: Dashboard) -> None:
    now_ms = SYSTEM_CLOCK.now_ms()
    primary.sync_registry.sites.add(name="oregon", url="https://oregon.example.com/geo", key="k", now_ms=now_ms)
    rows = tuple(
        ReportedRow(name=f"group/app-{number:02}", state="2", verification_state="0", last_synced_at=now_ms)
        for number in range(24)
    )
    primary.sync_registry.reported_rows.put("oregon", ReportedPage(after="", until=END, at=now_ms, rows=rows))
    dashboard.open()
    dashboard.sign_in("read")
    dashboard.go("Replication details")
    dashboard.shows("What each site has", "oregon", "1-20")
    dashboard.find("input[name=search]").send_keys("PP-1" + Keys.ENTER)
    dashboard.shows("1-10 of 10")
    assert dashboard.rows() == [f"group/app-1{number}" for number in range(10)]
    dashboard.is_readable("primary-repositories")
    dashboard.find("input[name=search]").send_keys("x" + Keys.ENTER)
    dashboard.shows("No container repository that a site reported fits the filter.")


def test_the_sites_and_the_chips_go_by_keyboard(site: Site, dashboard: Dashboard) -> None:
    _fleet(site)
    _history(site)
    site.failed("group/broken", "v1", text=str(LAYER))
    dashboard.open()
    dashboard.sign_in()
    dashboard.shows("History", "Layer missing at registry:5000")
    _back_to_the_top(dashboard)
    dashboard.tab_to("oregon")
    dashboard.type(Keys.ENTER)
    dashboard.find(".card h2", "oregon")
    _back_to_the_top(dashboard)
    dashboard.tab_to("berlin")
    dashboard.type(Keys.ENTER)
    dashboard.find(".card h2", "berlin")
    dashboard.tab_to("Pause")
    dashboard.tab_to("30 d")
    dashboard.type(Keys.ENTER)
    dashboard.find("[role=img][aria-label*='the last 30 d']")
    dashboard.tab_to("The same numbers as a table")
    dashboard.type(Keys.ENTER)
    dashboard.find(".numbers table")

    dashboard.go("Replication details")
    dashboard.tab_to("Failed 1")
    dashboard.type(Keys.ENTER)
    dashboard.shows("1-1 of 1")
    dashboard.tab_to("Layer missing at registry:5000 (v1)")
    dashboard.type(Keys.ENTER)
    dashboard.shows(str(LAYER))
    dashboard.tab_to("Copy what was answered of group/broken")


def _back_to_the_top(dashboard: Dashboard) -> None:
    dashboard.driver.execute_script("document.querySelector('.skip').focus()")


CAUSES: list[tuple[Exception | str, str | None]] = [
    (LAYER, "Layer missing at registry:5000"),
    (f"Container repository sync failed: v1: {LAYER}", "Layer missing at registry:5000 (v1)"),
    (f"Container repository sync failed: {A}: {LAYER}", f"Layer missing at registry:5000 ({A})"),
    (NotFound("r", "GET /v2/a/manifests/v1", status=404), "Manifest missing at r"),
    (Unauthorized("r", "GET /v2/", status=401, codes=["UNAUTHORIZED"]), "r does not accept the credentials"),
    (Denied("r", "POST /v2/a/blobs/uploads/", status=403), "The credentials lack a permission at r"),
    (ReadOnly("r", "POST /v2/a/blobs/uploads/", everywhere=True), "r takes no writes"),
    (RegistryUnavailable("r", "GET /v2/", status=429), "r asks for patience"),
    (RegistryUnavailable("r", "GET /v2/", status=503), "r answers with an error"),
    (RegistryUnavailable("r", "GET /v2/", detail="timed out"), "r gave no answer that can be used"),
    (RegistryUnavailable("r", "GET /v2/"), "r gave no answer that can be used"),
    (BlobsUnknown("r", "PUT /v2/a/manifests/v1", [A]), "r does not find parts of the image"),
    (Refused("r", "PUT /v2/a/manifests/v1", status=400, codes=["TAG_INVALID"]), "r refuses it"),
    (Archived("r", "a:v1"), "Archived at r"),
    (BrokenAtDestination("r", A), "r keeps wrong bytes"),
    (DigestMismatch(f"the bytes served as {A} hash to another digest"), "The bytes are not those of their digest"),
    (HolderVanished(VANISHED), "The function stopped without an error message"),
    (MISMATCH, "Tags differ from the primary's"),
    ("internal error: KeyError", "A fault of Geosync's"),
    ("registry: strange", None),
]


def test_a_cause_is_known_by_the_text_of_the_error(dashboard: Dashboard) -> None:
    dashboard.open()
    script = "import('./failures.js').then((it) => arguments[1](arguments[0].map(it.explain)))"
    explained = dashboard.driver.execute_async_script(script, [str(error) for error, _ in CAUSES])
    assert [one[0] if one else None for one in explained] == [cause for _, cause in CAUSES]
    assert all(one is None or one[1].endswith(".") for one in explained)


# Whether the first chart has drawn anything of its line in the time of which nothing was recorded, and elsewhere.
_GAPS = """
const canvas = document.querySelector(".plot canvas"), plot = canvas.getContext("2d");
const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
const probe = document.createElement("canvas").getContext("2d");
probe.fillStyle = accent; probe.fillRect(0, 0, 1, 1);
const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
const over = document.querySelector(".u-over"), ratio = canvas.width / canvas.clientWidth;
const box = over.getBoundingClientRect(), left = box.left - canvas.getBoundingClientRect().left;
const drawn = (from, to) => {
  const x = Math.round((left + box.width * from) * ratio), width = Math.round(box.width * (to - from) * ratio);
  const { data } = plot.getImageData(x, 0, width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) count += data[at] === r && data[at + 1] === g && data[at + 2] === b;
  return count;
};
return { gap: drawn(0.50, 0.54), line: drawn(0.1, 0.3) > 0 };
"""
