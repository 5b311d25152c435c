"""Nothing is false or lost in worlds where AWS throttles; without one of the rules something is."""

from __future__ import annotations

import re

import pytest
from tests.simulation.processes import run_module

SEEDS = 12
"""Some 300 refused secrets, three of which hold a registry, and 100 batches or transactions in part."""
BROKEN = 30
"""Seeds in which something is false at the latest; the first ends the run."""


def throttle(seeds: int, *arguments: str) -> tuple[int, str]:
    """Run seeds in a process of their own; return the exit code and the output."""
    done = run_module("tests.simulation.throttling", "--seeds", str(seeds), *arguments)
    return done.returncode, done.stdout + done.stderr


def test_nothing_is_false_while_aws_throttles_and_a_secret_that_is_not_given_is_a_hold() -> None:
    code, said = throttle(SEEDS)
    assert code == 0, said
    assert {"held for a secret", "in part", "secrets refused"} == set(re.findall(r"'([a-z ]+)': \d", said)), said


@pytest.mark.parametrize(("rule", "first"), [("topic", 380), ("again", 0)])  # each begins near a seed that finds it
def test_without_a_rule_something_is_false(rule: str, first: int) -> None:
    code, said = throttle(BROKEN, "--break", rule, "--from", str(first))
    assert code == 1, said
