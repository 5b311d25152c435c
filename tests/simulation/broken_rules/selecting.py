"""Rules of the selection: what is outside of it, and stays or goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.simulation.broken_rules.rule import Rule, answer, instead

from geosync.pair.selection import Selection
from geosync.sync_registry import decisions
from geosync.sync_registry.items import OUTSIDE, Owed
from geosync.sync_registry.site.breaker import Breaker

_step_outside = decisions.step_outside


def _step_and_remove(owed: Owed, *arguments: Any, **more: Any) -> decisions.Step:
    marked = replace(owed, if_absent=owed.if_absent | {OUTSIDE})
    return _step_outside(marked, *arguments, **{**more, "removes": True, "suspended": False})


RULES: dict[str, Rule] = {
    "kept outside": Rule(
        says="what leaves the selection stays under OutsideSelection=keep",
        without=(instead(decisions, "step_outside", _step_and_remove),),
        finds="was removed, and what leaves the selection stays",
        minutes=6,
        first=12,
        seeds=60,
        often=("select",),
    ),
    "a whole repository": Rule(
        says="a repository that leaves the selection as a whole waits for an operator",
        without=(answer(Breaker, "count_outside", None),),
        finds="nobody accepted that all of the repository goes",
        first=2,
        seeds=50,
        minutes=4,
        often=("select",),
    ),
    "taken names": Rule(
        says="a tag outside the selection that somebody took for an image of their own stays",
        without=(answer(decisions, "_shows_ours", True),),
        finds="was removed, and it is not Geosync's",
        seeds=100,
        first=62,
        minutes=4,
        often=("select", "take_name"),
    ),
    "outside": Rule(
        says="what is outside the selection is not copied",
        without=(answer(Selection, "has_tag", True),),
        finds="was copied, and is not selected|is outside the selection",
        first=3,
        seeds=20,
        often=("select",),
    ),
}
