"""The service level that a site reports is that of the simulated world."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.simulation.level import OVERTAKEN, PAUSED, QUICK
from tests.simulation.processes import run_module


def told(seed: int) -> dict[str, list[dict[str, Any]]]:
    done = run_module("tests.simulation.level", str(seed))
    assert done.returncode == 0, done.stderr
    story: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return story


@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_site_says_of_its_service_level_is_so(seed: int) -> None:
    story = told(seed)
    for said, so in zip(story["said"], story["so"], strict=True):
        assert abs(said.pop("minutes") - so.pop("minutes")) <= 1
        assert said == so
    before, quick, paused, still, resumed, overtaken = story["said"]
    assert before["share_percent"] is None
    assert (quick["measured"], quick["share_percent"]) == (QUICK, 100)
    assert paused["overdue"] == still["overdue"] == PAUSED
    assert (resumed["measured"], resumed["late"], resumed["overdue"]) == (QUICK + PAUSED, PAUSED, 0)
    assert resumed["share_percent"] == paused["share_percent"], "what was overdue is late now, and counts once"
    assert (overtaken["measured"], overtaken["late"]) == (QUICK + PAUSED + OVERTAKEN, PAUSED), "seen before they came"
