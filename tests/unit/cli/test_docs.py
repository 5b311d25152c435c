"""The documents say what is there: log messages, findings, parameters, make targets, links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Command, Group

from geosync.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "layers" / "geosync" / "geosync"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SIGNALS = (ROOT / "docs" / "signals.md").read_text()
LEVELS = {"info", "warning", "error", "exception"}


def section(page: str, title: str) -> str:
    """The text below a heading."""
    return page.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]


def calls(*folders: Path) -> Iterator[ast.Call]:
    for folder in folders:
        for file in folder.rglob("*.py"):
            yield from (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))


def texts(node: ast.expr) -> set[str]:
    """The texts that an expression can be, as far as they stand in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    return texts(node.body) | texts(node.orelse) if isinstance(node, ast.IfExp) else set()


def logged() -> set[str]:
    """Every message that a function logs under a name of its own."""
    found: set[str] = set()
    for call in calls(LIBRARY, ROOT / "functions"):
        if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS and call.args:
            name = texts(call.args[0])
            found |= {one for one in name if re.fullmatch(r"[a-z_]+", one)}
    tasks = ("subscription", "heartbeat", "sweep", "comparison", "verification", "recovery", "minute", "report")
    return found | {f"{task}_failed" for task in tasks}


def test_every_log_message_is_explained_and_none_that_is_not_there() -> None:
    rows = [line for line in section(SIGNALS, "Logs").splitlines() if line.startswith("|")]
    explained = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[2])}
    assert explained == logged() | {"reference_marked_again", "reference_not_proved_yet"}


def test_every_finding_is_explained() -> None:
    """A name that is made up as it goes (`arrives_at_<site>`) is not a constant; those of `test_cli.py` cover it."""
    made = {"ok", "problem", "unknown", "skipped"}
    names = {
        text
        for call in calls(LIBRARY / "cli" / "checks", LIBRARY / "cli")
        if isinstance(call.func, ast.Name) and call.func.id in made and call.args
        for text in texts(call.args[0])
    }
    assert len(names) > 12
    table = section(OPERATIONS, "check")
    assert {name for name in names if f"`{name}`" not in table} == set()


def test_every_command_is_in_the_manual() -> None:
    def named(command: Command, name: str) -> Iterator[str]:
        if isinstance(command, Group):
            for child in command.commands.values():
                yield from named(child, f"{name} {child.name}".strip())
        else:
            yield name

    for name in named(main, ""):
        assert re.search(rf"geosync --\S+ \S+ {name}\b", OPERATIONS), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_parameters_and_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"`make ([a-z][a-z0-9-]+)|^make ([a-z][a-z0-9-]+)(?= *(?:#|$))", text, re.MULTILINE)
    assert {quoted or alone for quoted, alone in commands} <= targets
    parameters = set(re.findall(r"^  ([A-Z]\w+):$", (ROOT / "template.yaml").read_text(), re.MULTILINE))
    assert set(re.findall(r"\b([A-Z][a-z]\w+)=[^\s=]", text)) - parameters == set()
    for name in re.findall(r"`([\w/]+/[\w/]+\.py)`", text):
        assert any((folder / name).exists() for folder in (ROOT, LIBRARY)), name
