"""An answer of a command in every output: for people at 80 and 200 columns and in a pipe, and for programs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest
from rich.cells import cell_len
from rich.progress_bar import ProgressBar
from tests.support.terminal import stdout_on_a_terminal, without_escapes

from geosync.cli import output
from geosync.cli.output import Answer, Format, plain


def rendered(answer: Answer, wanted: Format) -> str:
    """An answer in a pipe."""
    with redirect_stdout(io.StringIO()) as shown:
        output.put(answer, wanted)
    return shown.getvalue()


def on_a_terminal(answer: Answer, wanted: Format, columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    with stdout_on_a_terminal() as said:
        monkeypatch.setenv("COLUMNS", str(columns))
        output.put(answer, wanted)
    return said[0]


def texts(grid: output.Grid) -> Iterator[object]:
    """The cells of a table that are text."""
    _, rows = grid.parts(wide=False)
    yield from (cell for row in rows for cell in row if not isinstance(cell, ProgressBar))


def shows_everything(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at an answer in each output."""
    for wanted in ("table", "wide"):
        for columns in (80, 200):
            shown = without_escapes(on_a_terminal(answer, wanted, columns, monkeypatch))
            assert max(map(cell_len, shown.splitlines()), default=0) <= columns, shown
        piped = rendered(answer, wanted)
        assert "\x1b" not in piped
        assert not re.search(r"\S {2,}\S| +$", piped, re.MULTILINE), piped  # no padding
        for part in answer.shown:
            if isinstance(part, output.Grid):  # no folding
                assert all(str(plain(cell)).rstrip() in piped for cell in texts(part))
    document = json.loads(rendered(answer, "json"))
    assert document == json.loads(json.dumps(answer.document))
    lines = rendered(answer, "tsv").splitlines()
    assert len(lines) == (len(answer.rows) + 1 if answer.rows else 0)
    assert {line.count("\t") for line in lines} <= {len({name for row in answer.rows for name in row}) - 1}
    for row, line in zip(answer.rows, lines[1:], strict=True):
        cells = dict(zip(lines[0].split("\t"), line.split("\t"), strict=True))
        for name, value in row.items():
            if isinstance(value, list | dict | tuple):
                assert json.loads(cells[name]) == json.loads(json.dumps(value)), name
    names = rendered(answer, "name").splitlines()
    assert names == [str(row[answer.key]) for row in answer.rows]
    assert all(names)
