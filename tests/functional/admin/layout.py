"""The layout of a page: where its landmarks are, compared with a kept one, and rules that every page keeps.

They are looked at with the machine's own fonts. Of the landmarks that take their width from the page and not from
their text, the left and the right edge are kept, in percent of the page's width, in the order of the page. The rules:
nothing is wider than the screen, no table but that of a chart's numbers has to be moved to be read, no two neighbours
overlap, no name is broken within a word, what can be pressed is 24 px high and not cut off. Everything else, heights
and colours too, is seen in the screenshot (screens.py), which is compared with fonts that are no machine's.

`GEOSYNC_KEEP_LAYOUTS=1` keeps the layouts, and the screenshots, as they are now.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.e2e.browser import Dashboard
from tests.functional.admin import screens
from tests.functional.admin.pictured import SETTLED

KEPT = Path(__file__).with_name("layouts.json")
SIZES = ((1440, 900), (1024, 768), (390, 844))
TOLERANCE = 1.0
"""Percent of the page's width that an edge may be away from where it was."""

_MEASURE = r"""
const named = arguments[0], page = document.documentElement, wide = page.clientWidth, wrong = [];
const isShown = (one) => one.checkVisibility() && one.getClientRects().length > 0 && !one.closest(".hidden");
const isAfloat = (one) => ["absolute", "fixed", "sticky"].includes(getComputedStyle(one).position);
const isInside = ({ left, right }) => left >= -0.5 && right <= wide + 0.5;
const box = (one) => one.getBoundingClientRect();
const call = (one) => `${one.tagName.toLowerCase()}.${one.className || ""} ${(one.innerText || "").slice(0, 40)}`;
const all = (selector) => [...document.querySelectorAll(selector)].filter(isShown);

if (page.scrollWidth > wide) wrong.push(`the page is ${page.scrollWidth} px wide`);
const SCROLL = ".table, .plot, pre, header ul";
for (const one of all("header *, main *, dialog[open] *"))
  if (!one.closest(SCROLL) && !isInside(box(one))) wrong.push(`${call(one)} is cut off`);
for (const one of all(".table:not(.numbers)"))
  if (one.scrollWidth > one.clientWidth + 1) wrong.push(`${call(one)} has to be moved to be read`);
const WORD = 24;  // characters: a longer one, such as a digest, may have to be broken
const texts = all(".path").flatMap((one) => [...one.childNodes]).filter((one) => one.nodeType === Node.TEXT_NODE);
for (const text of texts)
  for (const { 0: word, index } of text.data.matchAll(/\w+/g)) {
    const range = document.createRange();
    range.setStart(text, index);
    range.setEnd(text, index + word.length);
    const lines = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
    if (word.length <= WORD && lines.size > 1) wrong.push(`${word} is broken within a word`);
  }
for (const one of all("button, select, input")) {
  const { height } = box(one.closest("label.choice") ?? one);
  if (height < 23.5) wrong.push(`${call(one)} is ${height} px high`);
  if (one.tagName === "BUTTON" && one.scrollWidth > one.clientWidth + 1) wrong.push(`${call(one)} lacks room`);
}
const ROWS = "main, .flow, .card, .tools, .view, .chips, .buttons, .bar, header ul, .title, form";
for (const parent of all(ROWS)) {
  const parts = [...parent.children].filter((one) => isShown(one) && !isAfloat(one));
  parts.forEach((one, at) => parts.slice(at + 1).forEach((other) => {
    const a = box(one), b = box(other);
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (across > 1 && down > 1) wrong.push(`${call(one)} lies over ${call(other)}`);
  }));
}
const tops = new Set(all("header li").map((one) => Math.round(box(one).top)));
if (wide < 500 && tops.size > 1) wrong.push("the tabs are in more than one row");
for (const one of all("header a[aria-current]")) if (!isInside(box(one))) wrong.push("the current tab is out of sight");

const percent = (edge) => Math.round((1000 * edge) / wide) / 10;
const places = all(named.join(", ")).map((one) => {
  const { left, right } = box(one);
  return [named.find((selector) => one.matches(selector)), percent(left), percent(right)];
});
return { wrong, places };
"""
_DRAWN = """
const [wide, done] = arguments;
const look = () => requestAnimationFrame(innerWidth === wide ? () => requestAnimationFrame(done) : look);
look();
"""
"""Waits until the page has this width and has been told of it."""
LANDMARKS = (
    "header",
    "header ul",
    "main",
    ".said:not(.none)",
    ".title",
    ".notice",
    ".empty",
    "form.filters",
    ".tools",
    ".skeleton",
    ".card",
    ".charts",
    ".table",
    ".pager",
    "dialog[open]",
    ".sign-in form",
)
"""What takes its width from the page."""


class Layouts:
    """The kept layouts of some states, and what is measured of them now; `anew`: which is kept in their place."""

    def __init__(self, *, anew: bool = bool(os.environ.get("GEOSYNC_KEEP_LAYOUTS"))) -> None:
        self._kept: dict[str, dict[str, Any]] = json.loads(KEPT.read_text())
        self._anew = anew

    def compare(self, dashboard: Dashboard, state: str, *, waits: bool = False) -> None:
        """Judge the page as it is now at each of SIZES, and compare its screenshot in each with the kept one.

        The accessibility checker looks at each; at the contrast of colours in the widest, which has the light ones, and
        in the narrowest, which has the dark ones. A page that `waits` is judged while an answer is still to come, any
        other when it has all of them.
        """
        if not waits:
            settle(dashboard)
        for size in SIZES:
            scheme = "dark" if size == SIZES[-1] else "light"
            resize(dashboard, size, scheme)
            name = f"{state.replace(' ', '-')}-{size[0]}"
            found = dashboard.driver.execute_script(_MEASURE, LANDMARKS)
            assert not found["wrong"], f"{name}: {found['wrong']}"
            self._compare(state, str(size[0]), found["places"])
            # The colours of the second are those of the first, and to judge them is most of the checker's work.
            dashboard.is_readable(name, colours=size != SIZES[1])
            screens.compare(dashboard, name, anew=self._anew)
        resize(dashboard, SIZES[0], "light")

    def _compare(self, state: str, width: str, places: list[tuple[str, float, float]]) -> None:
        if self._anew:
            self._kept.setdefault(state, {})[width] = places
            KEPT.write_text(_text(self._kept))
            return
        kept = self._kept[state][width]
        assert [one[0] for one in places] == [one[0] for one in kept], f"{state} at {width} px has other parts"
        for now, before in zip(places, kept, strict=True):
            moved = max(abs(now[1] - before[1]), abs(now[2] - before[2]))
            assert moved <= TOLERANCE, f"{state} at {width} px: {now} was {before}"


def settle(dashboard: Dashboard) -> None:
    """Wait until the page has all the answers that it asked for, and has drawn them."""
    dashboard.driver.execute_async_script(SETTLED)


def resize(dashboard: Dashboard, size: tuple[int, int], scheme: str) -> None:
    """Set the screen's size and colours, without room for scroll bars and without animations."""
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    dashboard.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    dashboard.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    still = {"name": "prefers-reduced-motion", "value": "reduce"}  # no colour is judged half way to another one
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}, still]}
    dashboard.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    dashboard.driver.execute_async_script(_DRAWN, width)


def _text(kept: dict[str, dict[str, Any]]) -> str:
    """One line for each landmark, by state and width."""
    states = []
    for state, widths in kept.items():
        lines = [
            f'    "{width}": [\n' + ",\n".join(f"      {json.dumps(place)}" for place in places) + "\n    ]"
            for width, places in widths.items()
        ]
        states.append(f'  "{state}": {{\n' + ",\n".join(lines) + "\n  }")
    return "{\n" + ",\n".join(states) + "\n}\n"
