"""Seeds in which nothing may be false: the same ones each time, and some fresh ones."""

from __future__ import annotations

import secrets

import pytest
from tests.simulation.processes import simulate, simulate_apart

CHUNKS = 2
SEEDS = 50
"""In each chunk; a chunk is a test, so that several workers share them. A seed here is one minute before its rest."""
FRESH = 20
KEPT = (116001763, 800193, 801337)
"""Each found a fault once: a holder let go before the table took its suspicion of a tag write; a promotion waited for
leases, and not for a tag write that nobody waited for any more; a row that got its id while somebody held it was not
counted as synced."""
LONG = (900040, 8000018)
"""The same, of seeds that are as long as they say: what left the selection made a minute dismiss a doubt that each
comparison had anew; a registry stopped to check manifests, and half an image took the place of a whole one."""


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_is_false_in_the_fixed_seeds(chunk: int) -> None:
    ended = simulate("--minutes", "1", "--from", str(chunk * SEEDS), "--seeds", str(SEEDS))
    assert ended.is_clean, ended.output


@pytest.mark.parametrize("seed", KEPT)
def test_what_a_seed_once_found_stays_mended(seed: int) -> None:
    ended = simulate("--minutes", "1", "--seed", str(seed))
    assert ended.is_clean, ended.output


@pytest.mark.parametrize("seed", LONG)
def test_what_a_longer_seed_once_found_stays_mended(seed: int) -> None:
    ended = simulate("--seed", str(seed))
    assert ended.is_clean, ended.output


def test_nothing_is_false_in_fresh_seeds() -> None:
    first = 10_000_000 + secrets.randbelow(10**9)
    ended = simulate("--minutes", "1", "--from", str(first), "--seeds", str(FRESH))
    print(f"seeds {first} to {first + FRESH - 1}: {ended.output}")
    assert ended.is_clean, ended.output


def test_a_seed_replays_to_the_byte() -> None:
    once, again = (simulate_apart("--minutes", "1", "--seed", "8") for _ in range(2))
    assert once.output == again.output
    assert len(once.output.splitlines()) > 50
