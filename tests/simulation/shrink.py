"""A failing seed made smaller: fewer minutes, and without the deeds that it fails without as well."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tests.simulation.run import Focus, drawn_minutes

SHORTEST = 0.25
"""Minutes."""


def kind_of(violation: str) -> str:
    """The sentence that a violation broke, without the site, the names and the numbers in it."""
    text = re.sub(r"^Violation: (?:(?:alpha|beta|gamma): )?", "", violation)
    return re.sub(r"\d+|alpha|beta|gamma", "", re.split(r"[:\[{]", text)[0]).strip()


def shrink(seed: int, focus: Focus, fails: Callable[[Focus], bool]) -> Focus:
    """Return the smallest focus that was found with which the seed fails still; `fails` runs the seed.

    A run without a deed is another story, as chance goes another way; it is one that fails with less in it.
    """
    focus = replace(focus, minutes=focus.minutes or drawn_minutes(seed))
    while (shorter := (focus.minutes or 0) / 2) >= SHORTEST and fails(replace(focus, minutes=shorter)):
        focus = replace(focus, minutes=shorter)
    left = list(dict.fromkeys(deed.__name__ for _, deed in focus.deeds()))
    size = len(left) // 2
    while size:
        for start in range(0, len(left), size):
            smaller = replace(focus, without=(*focus.without, *left[start : start + size]))
            if smaller.deeds() and fails(smaller):
                focus = smaller
        left = [name for name in left if name not in focus.without]
        size = min(size, len(left)) // 2
    return focus
