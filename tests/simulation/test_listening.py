"""No arrival is lost in worlds where the announcing invocations are killed; without one of the rules one is."""

from __future__ import annotations

import re

import pytest
from tests.simulation.processes import run_module

CRASHES = 30
"""In some eight seeds, with 40 arrivals. `make simulate-arrivals` has 10,000 of them."""
BROKEN = 30
"""Seeds in which one is lost at the latest; the first ends the run."""


KEPT = (7061,)
"""Each found a fault once: a letter that SQS got twice, as its answer was lost, was to be counted as two refusals."""


def listen(*arguments: str) -> tuple[int, str]:
    """Run seeds in a process of their own; return the exit code and the output."""
    done = run_module("tests.simulation.listening", *arguments)
    return done.returncode, done.stdout + done.stderr


def test_each_arrival_is_told_whoever_is_killed() -> None:
    code, said = listen("--crashes", str(CRASHES))
    assert code == 0, said
    (crashes,) = re.findall(r"(\d+) crashes, 0 false$", said.strip())
    assert int(crashes) >= CRASHES


@pytest.mark.parametrize("seed", KEPT)
def test_what_a_seed_once_found_stays_mended(seed: int) -> None:
    code, said = listen("--seeds", "1", "--from", str(seed))
    assert code == 0, said


@pytest.mark.parametrize(
    ("rule", "first", "finds"),  # each begins near a seed that finds it
    [
        ("apart", 0, "nobody"),
        ("forget first", 0, "nobody"),
        ("no minute", 0, "nobody"),
        ("count twice", 0, "counted ReplicationEventsTold"),
        ("hush", 100, "counted ArrivalsFailed 0, and it was 1 to 1"),
    ],
)
def test_without_a_rule_an_arrival_is_lost_or_a_count_is_false(rule: str, first: int, finds: str) -> None:
    code, said = listen("--seeds", str(BROKEN), "--break", rule, "--from", str(first))
    assert code == 1
    assert finds in said, said
