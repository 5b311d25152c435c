"""Seeds in which nothing may be false: the same ones each time, some fresh ones, those that found something."""

from __future__ import annotations

import secrets

import pytest
from tests.simulation.processes import simulate

CHUNKS = 4
SEEDS = 25
"""In each chunk; a chunk is a test, so that several workers share them."""
FRESH = 20
KEPT = {
    27: "an index brought a manifest while it was to be copied: an AssertionError, and a failed attempt",
    33: "the same",
}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_is_false_in_the_fixed_seeds(chunk: int) -> None:
    ended = simulate("--from", str(chunk * SEEDS), "--seeds", str(SEEDS))
    assert ended.is_clean, ended.output


def test_nothing_is_false_in_fresh_seeds() -> None:
    first = 10_000_000 + secrets.randbelow(10**9)
    ended = simulate("--from", str(first), "--seeds", str(FRESH))
    print(f"seeds {first} to {first + FRESH - 1}: {ended.output}")
    assert ended.is_clean, ended.output


@pytest.mark.parametrize("seed", KEPT)
def test_what_a_seed_found_once_is_mended(seed: int) -> None:
    ended = simulate("--seed", str(seed))
    assert ended.is_clean, ended.output[-3000:]


def test_a_seed_replays_to_the_byte() -> None:
    once, again = simulate("--seed", "5"), simulate("--seed", "5")
    assert once.output == again.output
    assert len(once.output.splitlines()) > 100
