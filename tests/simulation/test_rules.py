"""The simulation finds a violation when a rule of Geosync's is taken out: otherwise its seeds would prove nothing."""

from __future__ import annotations

import re

import pytest
from tests.simulation.breaking import RULES
from tests.simulation.processes import simulate


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_is_broken_is_missed(name: str) -> None:
    rule = RULES[name]
    seeds = ("--from", str(rule.first), "--seeds", str(rule.seeds))
    ended = simulate("--minutes", str(rule.minutes), *seeds, "--stop", "--break", name)
    assert not ended.is_clean, (
        f"nothing false in {rule.seeds} seeds from {rule.first}, though it is not so that {rule.says}"
    )
    assert re.search(rule.finds, ended.output), ended.output
