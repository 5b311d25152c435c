"""Imports go one way: handlers and commands import the layers below them, and no layer imports one above."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "layers" / "geosync" / "geosync"
LAYERS = (
    {"aws", "clock", "errors", "threads"},
    {"observability", "oci", "settings", "tokens"},
    {"registries", "sync_registry"},
    {"messages"},
    {"announcing", "notifications", "pair", "recovery"},
    {"copying", "intake"},
    {"comparing"},
    {"syncing"},
    {"verifying"},
    {"operating"},
    {"drilling", "minute", "reading", "working"},
    {"admin", "cli"},
)
"""The library's packages and modules, the lowest first: each imports only what is in a layer below its own."""
FILES = {
    ".".join(("geosync", *path.relative_to(LIBRARY).with_suffix("").parts)): path for path in LIBRARY.rglob("*.py")
}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items()}


def imports(path: Path) -> Iterator[str]:
    """The library's modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "geosync":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


def part(module: str) -> str:
    """The package or module of the library that a module belongs to; `""` is the library itself."""
    return [*module.split("."), ""][1]


def test_every_package_has_its_layer() -> None:
    named = [name for layer in LAYERS for name in layer]
    assert sorted(named) == sorted({part(module) for module in MODULES} - {""})


def test_no_module_imports_from_a_higher_layer() -> None:
    rank = {name: number for number, layer in enumerate(LAYERS) for name in layer} | {"": -1}
    assert [
        f"{module} imports {imported}"
        for module, path in MODULES.items()
        for imported in imports(path)
        if part(module) not in {"", part(imported)} and rank[part(imported)] >= rank[part(module)]
    ] == []


def test_no_modules_import_each_other() -> None:
    assert list(TopologicalSorter({name: set(imports(path)) - {name} for name, path in MODULES.items()}).static_order())


def test_the_documents_name_files_that_are_there() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {
        (name, document.name)
        for document in documents
        for name in re.findall(r"`([a-z0-9_]+(?:/[a-z0-9_]+)+\.py)`", document.read_text())
    }
    assert named
    assert [pair for pair in named if not any((folder / pair[0]).exists() for folder in (ROOT, LIBRARY))] == []
