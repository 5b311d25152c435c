"""The screenshot of a state of the dashboard, compared with the kept one: small, and with boxes for characters.

Before it is taken, each character becomes the same box (tests/support/boxes.py), also on charts. So it is the same with
any machine's fonts, and a text that is a little longer moves a little. What is left to chance is left out: the caret,
what is under the mouse, the seconds until the next try. The tests that compare live at a fixed moment (pictured.py).

An eighth of the size is enough to see what is where and in which colour: a point of the small picture is as good as
the kept one where no channel differs by more than LEVELS. MOST_POINTS may differ; a word that moves has more of them.

Another version of Chromium may draw a line, a rounded corner or a shadow another way. So screenshots are compared only
by the version that the kept ones are of (screens/chromium); the layout is by each (layout.py).

`GEOSYNC_KEEP_LAYOUTS=1` keeps the screenshots as they are now.
"""

from __future__ import annotations

import base64
from pathlib import Path

from tests.e2e.browser import SCREENSHOTS, Dashboard
from tests.support.boxes import font

KEPT = Path(__file__).with_name("screens")
CHROMIUM = KEPT / "chromium"
"""Names the version of Chromium, as far as its first dot, that took the kept ones."""
SCALE = 1 / 8
TALLEST = 2400
"""CSS pixels of a page that are compared: a list of twenty cards on a phone is longer, and more of the same."""
LEVELS, MOST_POINTS = 48, 40
"""Of 255; and points of 8 by 8 CSS pixels. An edge that another browser has one pixel further changes a point by an
eighth of 255, 32, which is no difference. The smallest fault of the tests has 62 points."""

_BOXES = """
const [data, done] = arguments;
const frame = () => new Promise(requestAnimationFrame);
const make = async () => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  document.fonts.add(await new FontFace("Boxes", bytes.buffer, { weight: "1 1000" }).load());
  const sheet = new CSSStyleSheet();
  // A machine that hints its fonts would round each character's width.
  // A chart that is a little narrower is drawn anew.
  sheet.replaceSync(`
    *, ::before, ::after { font-family: Boxes !important; caret-color: transparent !important; }
    * { text-rendering: geometricPrecision !important; }
    .fresh.stale [aria-hidden] { display: none; }
    .plot { width: calc(100% - 1px); }`);
  const { prototype } = CanvasRenderingContext2D, write = prototype.fillText;
  prototype.fillText = function (text, x, y, ...rest) {
    if (document.adoptedStyleSheets.length === 0) return write.call(this, text, x, y, ...rest);
    const wide = 6 * text.length, before = { center: wide / 2, right: wide, end: wide };
    this.fillRect(x - (before[this.textAlign] ?? 0), y - 3, wide, 6);
  };
  window.boxes = sheet;
};
(async () => {
  if (!window.boxes) await make();
  document.adoptedStyleSheets = [window.boxes];
  window.dispatchEvent(new Event("resize")); // the current tab is brought into sight
  scrollTo(0, 0);
  for (let count = 0; count < 3; count += 1) await frame();
  const { scrollWidth, scrollHeight } = document.documentElement;
  return [scrollWidth, scrollHeight];
})().then(done);
"""
_PLAIN = "document.adoptedStyleSheets = []; window.dispatchEvent(new Event('resize'))"
_DIFFERENCE = """
const [now, kept, levels, done] = arguments;
const read = async (data) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const place = new OffscreenCanvas(image.width, image.height).getContext("2d");
  place.drawImage(image, 0, 0);
  return place.getImageData(0, 0, image.width, image.height);
};
(async () => {
  const a = await read(now), b = await read(kept), rows = new Set();
  if (a.width !== b.width || Math.abs(a.height - b.height) > 1)
    return { points: -1, why: `it has ${a.width} by ${a.height} points, not ${b.width} by ${b.height}` };
  let points = 0;
  for (let at = 0; at < Math.min(a.data.length, b.data.length); at += 4) {
    if (![0, 1, 2].some((one) => Math.abs(a.data[at + one] - b.data[at + one]) > levels)) continue;
    points += 1;
    rows.add(Math.floor(at / 4 / a.width));
  }
  return { points, why: `${points} points differ, between the rows ${Math.min(...rows)} and ${Math.max(...rows)}` };
})().then(done);
"""
_FONT = base64.b64encode(font()).decode()


def is_comparable(dashboard: Dashboard) -> bool:
    """Tell whether the browser is of the version that took the kept screenshots."""
    return _version(dashboard) == CHROMIUM.read_text().strip()


def compare(dashboard: Dashboard, name: str, *, anew: bool) -> None:
    """Compare the page as it is now with the kept screenshot of this name; `anew`: keep this one."""
    if not anew and not is_comparable(dashboard):
        return
    taken, kept = _taken(dashboard), KEPT / f"{name}.png"
    if anew:
        KEPT.mkdir(exist_ok=True)
        kept.write_bytes(base64.b64decode(taken))
        CHROMIUM.write_text(f"{_version(dashboard)}\n")
        return
    before = base64.b64encode(kept.read_bytes()).decode()
    if taken == before:
        return
    found = dashboard.driver.execute_async_script(_DIFFERENCE, taken, before, LEVELS)
    if 0 <= found["points"] <= MOST_POINTS:
        return
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    now = SCREENSHOTS / f"{name}-now.png"
    now.write_bytes(base64.b64decode(taken))
    raise AssertionError(f"{name} looks different: {found['why']} ({now} is not {kept})")


def _version(dashboard: Dashboard) -> str:
    return str(dashboard.driver.capabilities["browserVersion"]).partition(".")[0]


def _taken(dashboard: Dashboard) -> str:
    """Take a PNG in base64 with boxes for characters, and restore the characters."""
    away = {"type": "mouseMoved", "x": 0, "y": 0}
    dashboard.driver.execute_cdp_cmd("Input.dispatchMouseEvent", away)
    width, height = dashboard.driver.execute_async_script(_BOXES, _FONT)
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST), "scale": SCALE}
    how = {"captureBeyondViewport": True, "clip": clip, "optimizeForSpeed": False}
    taken = dashboard.driver.execute_cdp_cmd("Page.captureScreenshot", how)
    dashboard.driver.execute_script(_PLAIN)
    return str(taken["data"])
