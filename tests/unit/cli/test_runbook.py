"""The failover's steps are such that the end-to-end test runs each, but for those that say that they are by hand."""

from __future__ import annotations

import pytest
from tests.support.runbook import PAGE, PROCEDURES, Step, command_lines, steps

BY_HAND = 4
"""Of all steps: what needs a registry's configuration, users, or DNS."""


def all_steps() -> list[Step]:
    return [step for title in PROCEDURES for step in steps(title)]


@pytest.mark.parametrize("title", PROCEDURES)
def test_a_step_has_commands_or_is_by_hand(title: str) -> None:
    assert steps(title)
    for step in steps(title):
        assert step.is_by_hand != bool(step.commands), step
        assert step.is_by_hand == ("by hand" in step.text.lower()), step


def test_the_number_of_steps_by_hand_is_the_known_one() -> None:
    assert sum(step.is_by_hand for step in all_steps()) == BY_HAND


def test_no_command_of_the_page_is_outside_of_its_steps() -> None:
    assert command_lines(PAGE.read_text()) == tuple(line for step in all_steps() for line in step.commands)


def test_one_step_is_marked_as_repeated_until_it_ends_with_0() -> None:
    (repeated,) = [step for step in all_steps() if step.is_repeated]
    assert [line.split()[-1] for line in repeated.commands] == ["status"]
