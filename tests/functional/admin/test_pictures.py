"""The pictures of the documentation: taken of a fixed site, kept where `make pictures` asks for it.

Whether those that are kept are as new as the pages is looked at without a browser (tests/unit/test_pictures.py).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

from selenium import webdriver
from selenium.webdriver.support.select import Select
from tests.e2e.browser import SCREENSHOTS, Dashboard
from tests.functional.admin.layout import Layouts, resize
from tests.functional.admin.parts import Site
from tests.functional.admin.pictured import Moment, fill_site
from tests.functional.admin.served import served
from tests.support.pictures import KEPT, MOST_BYTES, NAMES, keep_digest

SIZE = (1280, 900)
MARGIN = 16
"""CSS pixels above and below an element."""
QUALITY = 70
"""Of WebP, in percent: text stays sharp."""
ANEW = bool(os.environ.get("GEOSYNC_KEEP_PICTURES"))


def test_the_pictures_of_the_documentation_can_be_taken(
    site: Site, driver: webdriver.Chrome, fixed: Moment, layouts: Layouts
) -> None:
    fill_site(site, fixed)
    taken = dict(_taken(driver, layouts))
    assert tuple(taken) == NAMES
    assert {name: len(content) for name, content in taken.items() if len(content) > MOST_BYTES} == {}
    folder = KEPT if ANEW else SCREENSHOTS
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in taken.items():
        (folder / name).write_bytes(content)
    if ANEW:
        keep_digest()


def _taken(driver: webdriver.Chrome, layouts: Layouts) -> Iterator[tuple[str, bytes]]:
    """Each picture with its name; the fullest pages are compared with their kept layouts, too."""
    with served(driver) as dashboard:
        dashboard.open(size=SIZE)
        dashboard.sign_in()
        dashboard.find(".plot canvas")
        layouts.compare(dashboard, "sites")
        for scheme in ("light", "dark"):
            resize(dashboard, SIZE, scheme)
            yield f"dashboard-{scheme}.webp", _picture(dashboard, height=815)
        resize(dashboard, SIZE, "light")
        yield "history.webp", _picture(dashboard, of="section[aria-labelledby=history]")
        dashboard.go("Replication details")
        dashboard.shows("Failed 2")
        Select(dashboard.find("select[name=order]")).select_by_visible_text("State, failed first")
        dashboard.shows("by state, failed first")
        dashboard.find("tbody details.cause summary").click()
        yield "failures.webp", _picture(dashboard)
        dashboard.press("shop/search", "tbody th a")
        dashboard.heading("shop/search")
        dashboard.shows("Tags on both sides", "64 MB")
        yield "repository.webp", _picture(dashboard)
        layouts.compare(dashboard, "repository failed")
        assert dashboard.complaints() == []


def _picture(dashboard: Dashboard, *, of: str = "body", height: int = 4000) -> bytes:
    """An element with all of the page's width, at most `height` (CSS pixels) of it."""
    script = (
        "const { top, height } = document.querySelector(arguments[0]).getBoundingClientRect(); return [top, height]"
    )
    top, whole = dashboard.driver.execute_script(f"scrollTo(0, 0); {script}", of)
    above = MARGIN if of != "body" else 0
    clip = {"x": 0, "y": top - above, "width": SIZE[0], "height": min(whole + 2 * above, height), "scale": 1}
    how = {"format": "webp", "quality": QUALITY, "captureBeyondViewport": True, "clip": clip}
    return base64.b64decode(dashboard.driver.execute_cdp_cmd("Page.captureScreenshot", how)["data"])
