"""The dashboard's first content and its weight, in headless Chromium on the local stack.

    python -m bench.dashboard [--state .local] [--runs 15] [--write bench/README.md]

The stack has to be up (`make up`), and chromium with its driver installed. Each run opens the dashboard of a secondary
with an empty cache: first the page that asks for a token, then, signed in, the table of sites, which needs answers of
the admin API. First content is the first paint of anything, and the first row of that table. The status is 1 when the
least is over its bound, because other work on the machine only adds, or when what came weighs too much.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.stack import STATE, running
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from tests.e2e.browser import chromium

from bench import readme

AT_MOST_S = 1.0
MOST_KB = 250.0
PATIENCE_S = 120
HEADINGS = ("what", "least", "median", "max", "at most", "runs", "over the wire")
_WATCH = """
new MutationObserver((_, watch) => {
  if (!document.querySelector("main tbody tr")) return;
  window.firstRow = performance.now();
  watch.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
_WIRE = """
const came = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
return came.filter((one) => !one.name.includes("/api/")).reduce((sum, one) => sum + one.transferSize, 0);
"""
_PAINTED = """
const [first] = performance.getEntriesByName("first-contentful-paint");
return first ? first.startTime : null;
"""


def opened(driver: Chrome, url: str, script: str) -> tuple[float, float]:
    """Open the dashboard with an empty cache; the seconds until `script` answers, and the kilobytes that came."""
    driver.get("about:blank")
    driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    driver.get(url)
    took_ms: Any = WebDriverWait(driver, PATIENCE_S, 0.05).until(lambda one: one.execute_script(script))
    return took_ms / 1000, driver.execute_script(_WIRE) / 1000


def measure(url: str, token: str, runs: int) -> list[tuple[str, list[float], list[float]]]:
    """What was looked at, the seconds of each run, and the kilobytes."""
    found = []
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})
        opened(driver, url, _PAINTED)  # the function starts
        for what, script in (
            ("the page that asks for a token", _PAINTED),
            ("signed in: anything", _PAINTED),
            ("signed in: the table of sites", "return window.firstRow"),
        ):
            if what == "signed in: anything":
                driver.find_element(By.ID, "token").send_keys(token + Keys.ENTER)
                WebDriverWait(driver, PATIENCE_S).until(lambda one: one.execute_script("return window.firstRow"))
            taken = [opened(driver, url, script) for _ in range(runs)]
            found.append((what, [seconds for seconds, _ in taken], [weight for _, weight in taken]))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a bound is missed or the stack is not up."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of the stack's files (default: .local)")
    parser.add_argument("--runs", type=int, default=15, help="of each page (default: 15)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    options = parser.parse_args(arguments)
    stack = running(options.state.resolve())
    if stack is None:
        print("The stack is not up: make up", file=sys.stderr)
        return 1
    site: Any = next(site for site in stack.description["sites"] if site["role"] == "secondary")
    measured = measure(f"{site['admin_url']}/", site["admin_read_token"], options.runs)
    rows, missed = [], False
    for what, took, weights in measured:
        missed = missed or min(took) > AT_MOST_S or max(weights) > MOST_KB
        seconds = (f"{value:.2f} s" for value in (min(took), statistics.median(took), max(took)))
        rows.append((what, *seconds, f"{AT_MOST_S:g} s", str(len(took)), f"{max(weights):.0f} KB"))
    lines = [f"{readme.machine()}:", "", *readme.table(HEADINGS, rows)]
    print("\n".join(lines))
    if options.write is not None:
        readme.replace(options.write, "dashboard", lines)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
