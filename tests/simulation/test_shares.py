"""Many slow images delay only their own namespace: a whole site with its real functions in simulated time."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.simulation.processes import run_module

FACTOR = 2
"""The lag of another namespace's pushes is at most so many times what it is without the slow images."""


@dataclass(frozen=True, slots=True)
class Lags:
    """The longest lags of pushes in the quiet namespace (simulated seconds), before the slow images and beside them."""

    before: float
    beside: float
    slow_left: int


def lags(percent: int) -> Lags:
    done = run_module("tests.simulation.shares", str(percent))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return Lags(before=max(told["before"]), beside=max(told["beside"]), slow_left=told["slow_left"])


def test_a_namespace_with_many_slow_images_leaves_the_others_their_lag() -> None:
    found = lags(75)
    assert found.slow_left > 0, "the slow images went on all the while"
    assert found.beside <= FACTOR * found.before


def test_without_a_bound_the_others_wait_for_the_slow_images() -> None:
    found = lags(100)
    assert found.beside > 50 * found.before
