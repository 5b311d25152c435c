"""local/README.md lists where the local stack is not AWS: complete, and each with what covers AWS's side."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from local import emulator_process, wiring
from local.emulator import ROOT

PAGE = ROOT / "local" / "README.md"
SOURCES = (*sorted((ROOT / "local").glob("*.py")), ROOT / "tests" / "support" / "s3_double.py")
TABLE = PAGE.read_text().split("| difference | here | bridged in | AWS's side |\n", 1)[1].split("\n\n", 1)[0]
ROWS = {
    cells[0].strip("`"): cells[1:]
    for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines()[1:])
}
_MARK = re.compile(r"Differs:\s+(?:# )?([a-z0-9-]+)")
_SAYS_HOW_AWS_IS = re.compile(r"\b[Oo]n AWS\b|\bAWS (has|converts|deploys|lets|keeps)\b|\bemulator leaves\b")


def remarks(path: Path) -> Iterator[str]:
    """The docstrings of a file, and its comments, those on following lines as one."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            yield ast.get_docstring(node) or ""
    lines: dict[int, str] = {}
    run: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0]] = token.string
    for number in sorted(lines):
        if number - 1 not in lines:
            yield "\n".join(run)
            run = []
        run.append(lines[number])
    yield "\n".join(run)


def marked() -> dict[str, set[str]]:
    """The differences that code bridges, with its files."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in SOURCES:
        for remark in remarks(path):
            for name in _MARK.findall(remark):
                found[name].add(str(path.relative_to(ROOT)))
    return found


def test_each_difference_that_code_bridges_is_on_the_page_with_its_file() -> None:
    on_the_page = {name: set(re.findall(r"`([^`]+)`", files)) for name, (_, files, _) in ROWS.items() if files}
    assert on_the_page == dict(marked())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_comment_on_how_aws_differs_names_the_difference(path: Path) -> None:
    assert [one for one in remarks(path) if _SAYS_HOW_AWS_IS.search(one) and not _MARK.search(one)] == []


@pytest.mark.parametrize("name", ROWS)
def test_each_difference_names_what_covers_the_side_of_aws(name: str) -> None:
    covered = ROWS[name][2]
    files = [ROOT / path for path in re.findall(r"`(tests/[^`]+)`", covered)]
    files += [PAGE.parent / path for path in re.findall(r"\]\(([^)#]+)", covered)]
    assert files
    assert [str(path) for path in files if not path.exists()] == []


def test_every_action_that_roles_get_here_alone_is_named() -> None:
    here = ROWS["batch-permissions"][0]
    assert [action for action in emulator_process.BATCHES if f"`{action}`" not in here] == []


def test_every_parameter_that_differs_here_is_named() -> None:
    here = ROWS["pace"][0] + ROWS["no-tls"][0]
    assert [name for name in wiring.PACE if not re.search(rf"`{name}\b", here)] == []
