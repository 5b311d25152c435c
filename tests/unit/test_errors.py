"""The tree of errors: complete in its own text, and the only place where errors of Geosync's are made."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import geosync.errors

LIBRARY = Path(geosync.errors.__file__).parent
ROOT = "GeosyncError"
_LINE = re.compile(r"^([│├└─ ]*)(\w+)")


def classes(path: Path) -> dict[str, tuple[str, str]]:
    """Of each class in a file, its first base and its docstring."""
    return {
        node.name: (ast.unparse(node.bases[0]).rpartition(".")[2] if node.bases else "", ast.get_docstring(node) or "")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = (geosync.errors.__doc__ or "").split("```")[1].strip().splitlines()
    above: list[str] = []
    tree: list[tuple[str, str]] = []
    for line in drawn:
        found = _LINE.match(line)
        assert found is not None, line
        depth = len(found.group(1)) // 4
        above = [*above[:depth], found.group(2)]
        tree.append((above[-1], above[-2] if depth else "Exception"))
    assert sorted(tree) == sorted((name, base) for name, (base, _) in classes(LIBRARY / "errors.py").items())


def test_an_error_that_is_defined_elsewhere_reaches_no_caller() -> None:
    everywhere = {path: classes(path) for path in LIBRARY.rglob("*.py")}
    bases = {name: base for found in everywhere.values() for name, (base, _) in found.items()}

    def is_ours(name: str) -> bool:
        while name in bases and name != ROOT:
            name = bases[name]
        return name == ROOT

    assert [
        f"{path.relative_to(LIBRARY)}: {name}"
        for path, found in everywhere.items()
        for name, (base, text) in found.items()
        if path.name != "errors.py" and is_ours(base) and not name.startswith("_") and "no caller" not in text
    ] == []
