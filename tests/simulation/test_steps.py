"""A site is judged between any two steps, not only after deeds and minutes."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from tests.simulation.calls import Caller
from tests.simulation.scheduler import Scheduler
from tests.simulation.site import Site
from tests.simulation.story import Story
from tests.simulation.world import Violation

STEPS = 1000


def run(judged_steps: int, *, true: int) -> int:
    """Let so many steps pass; return how often the site was judged. Raises Violation after so many true judgments."""
    judged: list[Site] = []

    class Judged(Story):
        def judge_site(self, site: Site) -> None:
            judged.append(site)
            if len(judged) > true:
                raise Violation("false meanwhile")

    scheduler = Scheduler(Random(1))
    world: Any = SimpleNamespace(seed=1, scheduler=scheduler, sites={"beta": None})
    scheduler.on_step = Judged(world, [], judged_steps=judged_steps).judge_step

    def main() -> None:
        for _ in range(STEPS):
            scheduler.sleep(1.0)

    scheduler.run(main, Caller("world"))
    return len(judged)


def test_each_step_is_judged_where_each_is_asked_for() -> None:
    assert run(1, true=STEPS) == STEPS


def test_otherwise_one_step_in_so_many_is_judged_by_lot() -> None:
    assert STEPS / 40 < run(20, true=STEPS) < STEPS / 10


def test_a_violation_in_the_middle_ends_the_world() -> None:
    with pytest.raises(Violation, match="false meanwhile"):
        run(20, true=3)
