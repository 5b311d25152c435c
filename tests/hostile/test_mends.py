"""The table of mends names what is there: each text once in its file, and each test. `make mends` runs them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.hostile.mends import MENDS, Mend

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mend", MENDS, ids=[f"{one.item}-{one.attack}" for one in MENDS])
def test_a_mend_can_be_undone_and_its_test_is_there(mend: Mend) -> None:
    assert (ROOT / mend.file).read_text().count(mend.is_now) == 1
    file, _, name = mend.test.partition("::")
    functions = [one.name for one in ast.parse((ROOT / file).read_text()).body if isinstance(one, ast.FunctionDef)]
    assert name in functions


def test_every_item_of_the_issue_has_a_mend() -> None:
    assert {one.item for one in MENDS} == set(range(1, 15))
