"""Every fault that `geosync check` claims to find is made in a test, and found, by name."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest
from tests.support.findings import problem

from geosync.cli.checks.findings import CheckFinding, Name, ok
from geosync.cli.checks.findings import problem as found_problem

TESTS = Path(__file__).resolve().parents[2]
NAMES = get_args(Name)


def found_in_tests() -> set[str]:
    """The names that some test asks `problem(…, name)` for: it fails unless the fault was found."""
    calls = (
        node
        for file in TESTS.rglob("test_*.py")
        if file != Path(__file__)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == problem.__name__
    )
    asked = (call.args[1] for call in calls if len(call.args) == 2)
    return {name.value for name in asked if isinstance(name, ast.Constant) and isinstance(name.value, str)}


def test_every_fault_is_made_in_a_test_and_found_by_name() -> None:
    assert set(NAMES) - found_in_tests() == set()


def test_only_a_problem_of_that_name_counts_as_found() -> None:
    fault = found_problem("arrives_at", "it is not there", "look", site="oregon")
    assert problem([ok("clock", "right"), fault], "arrives_at", site="oregon") is fault
    for found in (
        [],
        [ok("clock", "right")],
        [CheckFinding(name="clock", result="unknown", text="?", fix="ask")],
        [fault],
    ):
        with pytest.raises(AssertionError):
            problem(found, "clock")
