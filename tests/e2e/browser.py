"""A dashboard in headless Chromium, as an operator has it before them: what they read, press and type."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from tests.e2e.parts import PATIENCE_S, Site, eventually

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".local" / "screenshots"
KEEPS_SCREENSHOTS = bool(os.environ.get("GEOSYNC_KEEP_SCREENSHOTS"))
"""To take a picture of a whole page costs as much as all else that is done with it; nobody judges it."""
AXE = ROOT / "tests" / "support" / "axe" / "axe.min.js"
WIDE, PHONE = (1280, 900), (320, 700)
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-proxy-server",
    # One process shows all pages, one after another. To start one for each page, and one ahead, took half of the
    # processor time of opening a page.
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
    "--disable-features=SpareRendererForSitePerProcess,IsolateOrigins,site-per-process,BackForwardCache",
)


_MAY_BE = """
const [selector, text] = arguments;
const mayBe = (one) => one.innerText?.trim() === text || one.ariaLabel === text || one.title === text
  || one.labels?.length || one.matches("input, [aria-labelledby]")
  || one.querySelector("[aria-hidden], [aria-label], [alt], svg");
const all = [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
return text ? all.filter(mayBe) : all;
"""
"""Those that may be what is looked for. Each that the driver is asked about costs as much as all of them here."""
_FOCUSED = """
const one = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(one);
return [one, (one.innerText ?? "").trim(), outlineStyle, outlineWidth];
"""


BROWSERS = ("chromium", "google-chrome", "google-chrome-stable", "chrome", "chromium-browser")
"""As local/bootstrap.sh has them. The last may be Ubuntu's empty package, which starts a snap."""
NEEDED = (
    f"the dashboard's tests need a browser ({', '.join(BROWSERS)}) and the chromedriver of its version on PATH: "
    "`make setup`, or as README.md says of a browser"
)


def browser_and_driver(path: str | None = None) -> tuple[str, str]:
    """Return the first browser and the driver on the path, the environment's by default."""
    binary = next(filter(None, (shutil.which(name, path=path) for name in BROWSERS)), None)
    driver = shutil.which("chromedriver", path=path)
    assert binary, f"no browser: {NEEDED}"
    assert driver, f"no chromedriver: {NEEDED}"
    return binary, driver


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile; it reaches only the addresses that it is sent to."""
    binary, driver = browser_and_driver()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in (*_SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        running = webdriver.Chrome(options=options, service=Service(driver))
    except WebDriverException as error:  # of two versions, or Ubuntu's empty package
        raise RuntimeError(f"{binary} did not start with {driver}; {NEEDED}") from error
    try:
        running.set_script_timeout(PATIENCE_S)  # axe judges every element of a page
        yield running
    finally:
        running.quit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """The dashboard of a site, in a browser of which it may use everything."""

    driver: webdriver.Chrome
    site: Site

    @property
    def url(self) -> str:
        return f"{self.site.about['admin_url']}/"

    # ------------------------------------------------------------------------------------------------- where it is

    def open(self, *, size: tuple[int, int] = WIDE, scheme: str = "light") -> None:
        """Open the dashboard, signed in by nobody, on a screen of this size (CSS pixels)."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        # Nothing moves while a test waits: each picture of it would be drawn.
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}, still]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": False})
        self.complaints()
        self.driver.get(self.url)
        self.find("#token")

    def close(self) -> None:
        """Leave the dashboard: it would go on asking the site while other tests run."""
        self.driver.get("about:blank")

    def sign_in(self, right: str = "act") -> None:
        """Sign in with the site's token of this right."""
        self.find("#token").send_keys(self.site.about[f"admin_{right}_token"] + Keys.ENTER)
        self.heading("Geo sites")

    def go(self, page: str) -> None:
        """Follow the link to one of the pages."""
        self.press(page, "header nav a")
        self.heading(page)

    def heading(self, text: str) -> None:
        """Wait until the page with this heading is shown, with its first answers."""
        eventually(lambda: self.text("h1") == text, what=f"the heading {text!r}")
        eventually(lambda: self.text(".fresh").startswith("As of"), what=f"what {text!r} shows")

    # --------------------------------------------------------------------------------------------- what is on it

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector: str, text: str = "") -> WebElement:
        """Wait for an element that is shown, and whose text or label is `text` when that is given."""

        def look() -> WebElement | None:
            try:
                found = self.driver.execute_script(_MAY_BE, selector, text)
                return next((one for one in found if one.is_displayed() and _is_called(one, text)), None)
            except StaleElementReferenceException:
                return None

        found = eventually(look, what=f"{selector} {text!r}")
        assert found is not None
        return found

    def text(self, selector: str = "main") -> str:
        """The text of an element, "" where there is none."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText).join('\\n')"
        return str(self.driver.execute_script(script, selector)).strip()

    def shows(
        self, *texts: str, within: str = "main", seconds: float = PATIENCE_S, meanwhile: Callable[[], Any] = int
    ) -> str:
        """Wait until all `texts` are read there, doing `meanwhile` again and again; all that is read there then."""

        def look() -> str:
            read = self.text(within)
            return read if all(text in read for text in texts) else str(meanwhile() or "")[:0]

        return eventually(look, seconds=seconds, what=f"{texts} in {within}: {self.text(within)[:2000]}")

    def press(self, text: str, selector: str = "button") -> None:
        """Click the element with this label; click again if the page redraws it at that moment."""

        def click() -> bool:
            try:
                self.find(selector, text).click()
            except StaleElementReferenceException:
                return False
            return True

        eventually(click, what=f"a click on {text!r}")

    def rows(self) -> list[str]:
        """The first column of the table."""
        return [one.text for one in self.all("tbody th")]

    # ------------------------------------------------------------------------------------------------- judged

    def complaints(self) -> list[str]:
        """The browser's complaints since the last call, without those about the missing session."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [
            one["message"] for one in entries if one["level"] == "SEVERE" and "401 (Unauthorized)" not in one["message"]
        ]

    def violations(self, *, colours: bool = True) -> list[str]:
        """What the accessibility checker finds, each rule with the elements that break it; also of contrast or not."""
        if not self.driver.execute_script("return Boolean(window.axe)"):
            self.driver.execute_script(AXE.read_text())
        script = """
            const violations = (found) => arguments[arguments.length - 1](JSON.stringify(found.violations));
            const rules = { "color-contrast": { enabled: arguments[0] } };
            axe.run(document, { resultTypes: ["violations"], rules }).then(violations);
        """
        found = json.loads(self.driver.execute_async_script(script, colours))
        return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]

    def keep_screenshot(self, name: str) -> None:
        """Fail where something is wider than the screen. The page is kept as SCREENSHOTS/name.png then, or if asked."""
        script = "const page = document.documentElement; return [page.scrollWidth, page.scrollHeight, innerWidth]"
        width, height, screen = self.driver.execute_script(script)
        if width > screen or KEEPS_SCREENSHOTS:
            self._take(name, width, height)
        assert width <= screen, f"{name}: {width} px are shown on {screen} px"

    def _take(self, name: str, width: int, height: int) -> None:
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 4000), "scale": 1}
        taken = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip, "optimizeForSpeed": True}
        )
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def is_readable(self, name: str, *, colours: bool = True) -> None:
        """Fail where something is too wide or the accessibility checker finds anything; `keep_screenshot` as well."""
        self.keep_screenshot(name)
        found = self.violations(colours=colours)
        assert not found, f"{name}: {found}"

    # ------------------------------------------------------------------------------------------------- keyboard

    def type(self, keys: Sequence[str] | str) -> None:
        """Type into the element that has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(self, text: str, *, most: int = 40) -> None:
        """Press Tab until what is called `text` has the focus; every stop must be seen to have it."""
        for _ in range(most):
            self.type(Keys.TAB)
            focused, said, *outline = self.driver.execute_script(_FOCUSED)
            assert outline == ["solid", "3px"], f"{said!r} has the focus, and nobody sees it: {outline}"
            if text == said or focused.accessible_name == text:  # noqa: PLR1714 - the name is asked for only if needed
                return
        raise AssertionError(f"{text!r} was not reached with {most} times Tab")


@contextmanager
def opened(driver: webdriver.Chrome, site: Site) -> Iterator[Dashboard]:
    """A site's dashboard, signed in by nobody; fails if the browser complained of anything by the end."""
    one = Dashboard(driver=driver, site=site)
    one.open()
    try:
        yield one
        assert one.complaints() == []
    finally:
        one.close()


def _is_called(element: WebElement, text: str) -> bool:
    return not text or text in (element.text.strip(), element.accessible_name)
