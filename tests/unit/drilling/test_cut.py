"""Lists in a report: lines that are not named are counted."""

from __future__ import annotations

import pytest

from geosync.drilling.cut import cut


@pytest.mark.parametrize(
    ("lines", "of", "shown"),
    [
        ([], None, []),
        (["a", "b"], None, ["a", "b"]),
        (["a", "b", "c"], None, ["a", "b", "and 1 more"]),
        (["a", "b"], 100, ["a", "b", "and 98 more"]),
        (["a"], 100, ["a", "and 99 more"]),
    ],
)
def test_unnamed_lines_are_counted(lines: list[str], of: int | None, shown: list[str]) -> None:
    assert list(cut(lines, 2, of=of)) == shown
