"""The dashboard's first content and its weight, in headless Chromium on the local stack.

    python -m bench.dashboard [--state .local] [--runs 10] [--write bench/README.md]

The stack has to be up (`make up`), and chromium with its driver installed. Each run opens the dashboard of a secondary
with an empty cache: the page that asks for a token, then, signed in, the table of sites with their numbers, which takes
answers of the admin API. The time is taken in the page, from the beginning of its navigation until the frame that shows
it. The status is 1 when the least is over its bound, because other work on the machine only adds, or when what came
weighs too much. A page that shows nothing within a bounded time ends the measurement with that status, too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.stack import running_or_say
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from tests.e2e.browser import chromium

from bench import on_stack, readme

AT_MOST_S = 1.0
MOST_KB = 250.0
PATIENCE_S = 30
"""For one page: longer than any that could still be called slow."""
PAUSE_S = 1.0
"""Before each page. The site's API takes 50 requests a second, and a page with an empty cache asks for some 28."""
HEADINGS = ("what", "least", "median", "max", "at most", "weight", "at most", "runs")
SIGN_IN, SITES = "#token", ".fleet tbody td.number"
PAGES = {SIGN_IN: "the page that asks for a token", SITES: "signed in: the table of sites"}
# The moment of the frame that paints the element. Each page is watched from its beginning.
_WATCH = """
window.shown = {};
const look = () => {
  for (const what of %s)
    if (!(what in window.shown) && document.querySelector(what)) {
      window.shown[what] = null;
      requestAnimationFrame((now) => { window.shown[what] = now; });
    }
};
new MutationObserver(look).observe(document, { childList: true, subtree: true });
"""
_SEEN = """
const asked = performance.getEntriesByType("resource").filter(({ responseStatus }) => responseStatus !== 200);
const refused = asked.map(({ name, responseStatus }) => `${responseStatus} ${new URL(name).pathname}`);
return [document.visibilityState, document.readyState, document.body.innerText.slice(0, 200), ...refused].join("; ");
"""
_SHOWN = "return window.shown?.[arguments[0]] ?? null"
_WEIGHT = """
const came = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
return came.filter(({ name }) => !name.includes("/api/")).reduce((sum, { transferSize }) => sum + transferSize, 0);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the runs of one page took."""

    what: str
    took_s: list[float]
    weights_kb: list[float]

    @property
    def is_missed(self) -> bool:
        """Whether one of the bounds was."""
        return min(self.took_s) > AT_MOST_S or max(self.weights_kb) > MOST_KB

    def row(self) -> list[str]:
        """The line of the table."""
        times = (min(self.took_s), statistics.median(self.took_s), max(self.took_s))
        weight = f"{max(self.weights_kb):.0f} KB"
        bounds = f"{AT_MOST_S:g} s", weight, f"{MOST_KB:g} KB"
        return [self.what, *(f"{one:.2f} s" for one in times), *bounds, str(len(self.took_s))]


def shown(driver: Chrome, what: str) -> float:
    """Wait until the page shows it; seconds since the navigation began.

    Raises TimeoutException after PATIENCE_S, with what the page shows instead and which answers it did not get.
    """
    waiting = WebDriverWait(driver, PATIENCE_S, 0.05)
    try:
        at_ms: Any = waiting.until(lambda one: one.execute_script(_SHOWN, what))
    except TimeoutException:
        raise TimeoutException(f"no {what} in {PATIENCE_S} s: {driver.execute_script(_SEEN)}") from None
    return float(at_ms) / 1000


def look(driver: Chrome, url: str, what: str, runs: int) -> Looked:
    """Open the page again and again, each time with an empty cache."""
    took_s, weights_kb = [], []
    for _ in range(runs):
        driver.get("about:blank")
        driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        time.sleep(PAUSE_S)
        driver.get(url)
        took_s.append(shown(driver, what))
        weights_kb.append(driver.execute_script(_WEIGHT) / 1000)
    return Looked(what=PAGES[what], took_s=took_s, weights_kb=weights_kb)


def measure(url: str, token: str, runs: int) -> list[Looked]:
    """Look at both pages. Raises WebDriverException when one is not shown in time."""
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as driver:
        driver.set_page_load_timeout(PATIENCE_S)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH % list(PAGES)})
        driver.get(url)
        shown(driver, SIGN_IN)  # the function is warm
        before = look(driver, url, SIGN_IN, runs)
        driver.find_element(By.CSS_SELECTOR, SIGN_IN).send_keys(token + Keys.ENTER)
        shown(driver, SITES)
        return [before, look(driver, url, SITES, runs)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a bound is missed or the stack is not up."""
    parser = on_stack.options("dashboard", __doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each page (default: 10)")
    options = parser.parse_args(arguments)
    stack = running_or_say(options.state.resolve())
    if stack is None:
        return 1
    site: Any = next(site for site in stack.description["sites"] if site["role"] == "secondary")
    try:
        looked = measure(f"{site['admin_url']}/", site["admin_read_token"], options.runs)
    except WebDriverException as error:
        print(f"The dashboard of {site['name']} cannot be measured: {error.msg}", file=sys.stderr)
        return 1
    lines = [f"{readme.machine()}:", "", *readme.table(HEADINGS, [one.row() for one in looked])]
    print("\n".join(lines))
    if options.write is not None:
        readme.replace(options.write, "dashboard", lines)
    return int(any(one.is_missed for one in looked))


if __name__ == "__main__":
    sys.exit(main())
