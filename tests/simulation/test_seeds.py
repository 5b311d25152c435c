"""Seeds in which nothing may be false: the same ones each time, and some fresh ones."""

from __future__ import annotations

import re
import secrets

import pytest
from tests.simulation.processes import simulate

CHUNKS = 4
SEEDS = 15
"""In each chunk; a chunk is a test, so that several workers share them. A seed here is one minute before its rest."""
FRESH = 15
OPEN = (r"sync@\S+ moved \S+ of the primary", r"numbers: synced: \d+ are said, \d+ are there")
"""Faults that are known and not mended (decision 30): few seeds in a thousand show one. Nothing else may be false."""


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_is_false_in_the_fixed_seeds(chunk: int) -> None:
    ended = simulate("--minutes", "1", "--from", str(chunk * SEEDS), "--seeds", str(SEEDS))
    assert ended.is_clean, ended.output


def test_nothing_is_false_in_fresh_seeds() -> None:
    first = 10_000_000 + secrets.randbelow(10**9)
    ended = simulate("--minutes", "1", "--from", str(first), "--seeds", str(FRESH))
    print(f"seeds {first} to {first + FRESH - 1}: {ended.output}")
    violations = re.findall(r"^seed \d+: .*$", ended.output, re.MULTILINE)
    assert ended.is_clean or violations, ended.output
    assert [one for one in violations if not any(re.search(known, one) for known in OPEN)] == []


def test_a_seed_replays_to_the_byte() -> None:
    once, again = simulate("--minutes", "3", "--seed", "8"), simulate("--minutes", "3", "--seed", "8")
    assert once.output == again.output
    assert len(once.output.splitlines()) > 100
