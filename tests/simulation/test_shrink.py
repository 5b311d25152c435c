"""A failing seed is made smaller and still fails."""

from __future__ import annotations

import pytest
from tests.simulation.deeds import DEEDS
from tests.simulation.run import Focus
from tests.simulation.shrink import kind_of, shrink

NAMES = {deed.__name__ for _, deed in DEEDS}


@pytest.mark.parametrize("needed", [{"push"}, {"push", "skew"}, {"kills", "restore", "fail_over"}])
def test_a_shrunk_story_has_only_what_the_failure_takes(needed: set[str]) -> None:
    tried: list[Focus] = []

    def fails(focus: Focus) -> bool:
        tried.append(focus)
        return (focus.minutes or 0) >= 2 and needed.isdisjoint(focus.without)

    smallest = shrink(4711, Focus(minutes=8), fails)
    assert smallest.minutes == 2
    assert NAMES - set(smallest.without) == needed
    assert len(tried) < 100


def test_a_story_that_fails_only_as_a_whole_is_not_shrunk() -> None:
    smallest = shrink(4711, Focus(minutes=5), lambda _: False)
    assert (smallest.minutes, smallest.without) == (5, ())


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Violation: beta: numbers: synced: 0 are said", "Violation: gamma: numbers: rows: 4 are said", True),
        ("Violation: no rest: ['beta: owed a']", "Violation: no rest: ['gamma: a is not here']", True),
        ("Violation: beta: numbers: synced: 0 are said", "Violation: beta: synced: a:v1 is synced", False),
        ("Violation: beta: metric Lag: -1", "Violation: beta: metric HealthLevel: healthy", False),
    ],
)
def test_a_smaller_story_breaks_the_same_sentence(one: str, other: str, is_same: bool) -> None:
    assert (kind_of(one) == kind_of(other)) == is_same
