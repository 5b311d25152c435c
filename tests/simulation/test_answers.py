"""The judge of the numbers in one answer finds those that contradict each other."""

from __future__ import annotations

from typing import Any

import pytest
from tests.simulation.answers import OF_REPOSITORIES, false_numbers

RIGHT: dict[str, Any] = {
    "registry_count": 3,
    "synced_count": 2,
    "failed_count": 0,
    "synced_in_percentage": "66.67%",
    "verification_total_count": 0,
    "verified_count": 0,
    "verified_in_percentage": "0.00%",
}


def false(**other: Any) -> list[str]:
    """The false sentences about a status in which something is otherwise."""
    return [*false_numbers({f"{OF_REPOSITORIES}{name}": value for name, value in {**RIGHT, **other}.items()})]


def test_numbers_that_agree_are_not_false() -> None:
    assert false() == []
    assert false(registry_count=None, synced_count=None, failed_count=None, synced_in_percentage=None) == []


@pytest.mark.parametrize(
    ("other", "begins"),
    [
        ({"failed_count": -1}, "container_repositories_failed_count is -1"),
        ({"failed_count": 4}, "failed_count is 4, of 3"),
        ({"checksummed_count": 1, "checksum_total_count": 0}, "checksummed_count is 1, of 0"),
        ({"synced_in_percentage": "66.66%"}, "synced_in_percentage is 66.66%, and 2 of 3 are 66.67%"),
        ({"synced_in_percentage": None}, "synced_in_percentage is None"),
        ({"registry_count": None}, "synced_in_percentage is 66.67%, and 2 of None are None"),
    ],
)
def test_numbers_that_contradict_each_other_are_false(other: dict[str, Any], begins: str) -> None:
    (text,) = false(**other)
    assert text.startswith(begins)
