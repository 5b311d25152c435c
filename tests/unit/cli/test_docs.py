"""The documents say what is there: log messages, findings, parameters, make targets."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from click import Command, Context, Group
from tests.unit.template.parts import TEMPLATE

from geosync.cli.checks.findings import Name
from geosync.cli.init.samconfig import of_its_role
from geosync.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "layers" / "geosync" / "geosync"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
OTHERS = ("failover.md", "getting-started.md")
MANUAL = [*sorted((ROOT / "docs" / "operations").glob("*.md")), *(ROOT / "docs" / name for name in OTHERS)]
WITHOUT_A_SITE = ("init", "completion", "context", "smoke")
"""Commands that no site is chosen for."""
NEEDS = {
    **{"aws": "aws", "sam": "aws", "az": "azure", "gcloud": "google", "docker": "docker", "kubectl": "kubernetes"},
}
"""Programs that no test runs as the pages have them, and what they need."""
RUN = {"geosync", "make", "skopeo", "pipx", "cd", "source", "jq", "python"}
"""Programs that are at hand. Each command of geosync is run in tests/e2e, and its lines are read by itself below."""
OPERATIONS = "\n".join(page.read_text() for page in MANUAL)
CHECK = (ROOT / "docs" / "operations" / "check.md").read_text()
SIGNALS = (ROOT / "docs" / "signals.md").read_text()
PARAMETERS = TEMPLATE["Parameters"]
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
    tasks = (
        "subscription",
        "heartbeat",
        "sweep",
        "comparison",
        "verification",
        "recovery",
        "clock",
        "counts",
        "arrivals",
        "history",
        "drills",
        "minute",
        "health",
        "report",
    )
    return found | {f"{task}_failed" for task in tasks}


def test_every_log_message_is_explained_and_none_that_is_not_there() -> None:
    rows = [line for line in section(SIGNALS, "Logs").splitlines() if line.startswith("|")]
    explained = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[2])}
    assert explained == logged() | {"reference_marked_again", "reference_not_proved_yet"}


def test_every_finding_is_explained() -> None:
    assert {name for name in get_args(Name) if f"`{name}" not in CHECK} == set()


def named(command: Command, name: str = "") -> Iterator[str]:
    """Every command by its whole name."""
    if isinstance(command, Group):
        for child in command.commands.values():
            yield from named(child, f"{name} {child.name}".strip())
    else:
        yield name


def test_every_command_is_in_the_manual() -> None:
    for name in named(main):
        site = "" if name.startswith(WITHOUT_A_SITE) else r"(?: --\S+ \S+)+"
        assert re.search(rf"geosync{site} {name}\b", OPERATIONS), name


def test_the_table_of_commands_has_each_of_them() -> None:
    page = (ROOT / "docs" / "operations" / "command.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", section(page, "Commands"), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([a-z ]+)`", row)}
    assert listed == {*named(main), "backfill"}


def blocks(page: Path) -> Iterator[str]:
    """The lines of a page's blocks of code, those that a backslash continues joined, without comments."""
    for _, block in fenced(page):
        yield from command_lines(block)


def fenced(page: Path) -> list[tuple[str, str]]:
    """The blocks of code of a page: what stands behind the fence, and the lines."""
    return re.findall(r"^ *```([^`\n]*)\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)


def test_each_configuration_in_toml_is_read() -> None:
    """A client that is configured by one reads nothing of it where one line is wrong."""
    found = [tomllib.loads(block) for page in PAGES for fence, block in fenced(page) if fence.startswith("toml")]
    assert {name for one in found for name in one} >= {"host", "registry"}


def command_lines(block: str) -> Iterator[str]:
    """The lines of a block, those that a backslash continues joined, without comments."""
    for line in block.replace("\\\n", " ").splitlines():
        yield re.sub(r"\s+#.*", "", line).strip()


def parse(command: Command, name: str, arguments: list[str], parent: Context | None = None) -> None:
    """Have click read a command line as far as it can without running it; it raises UsageError."""
    context = command.make_context(name, list(arguments), parent=parent)
    left = [*context._protected_args, *context.args]
    if isinstance(command, Group) and (left or not command.invoke_without_command):
        child_name, child, rest = command.resolve_command(context, left)
        assert child is not None
        parse(child, str(child_name), rest, context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_of_a_page_is_understood(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answers.json").touch()  # of geosync init
    monkeypatch.chdir(tmp_path)
    for line in blocks(page):
        start = re.match(r"(?:\.venv/bin/)?geosync (?=[a-z-])", line)
        if start and "COMMAND" not in line:
            words, _, _ = re.sub(r"\[(.*?)\]", r"\1", line[start.end() :]).partition(" | ")  # what is optional, too
            parse(main, "geosync", shlex.split(words.replace("…", "x")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_is_run_by_a_test_or_its_block_says_what_it_needs(page: Path) -> None:
    """What nothing here runs stands in a block that begins with "sh needs-aws" or the like, and nothing else does."""
    for mark, block in fenced(page):
        words = mark.split()
        if words and words[0] != "sh":
            continue
        programs = {line.split()[0] for line in command_lines(block) if re.match(r"[a-z]+ ", line)}
        needed = {f"needs-{NEEDS[one]}" for one in programs if one in NEEDS}
        assert needed == set(words[1:]), f"the block of {sorted(programs)} begins with {mark!r}"
        assert not words or programs <= {*RUN, *NEEDS}, programs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_values_of_parameters_are_such_as_the_template_takes(page: Path) -> None:
    for line in blocks(page):
        for name, value in re.findall(r"\b([A-Z][A-Za-z]+)=(\S+)", line):
            if name not in PARAMETERS or "<" in value or "…" in value:
                continue
            parameter = PARAMETERS[name]
            if "AllowedValues" in parameter:
                assert value in map(str, parameter["AllowedValues"]), f"{name}={value}"
            several = value.split(",") if parameter["Type"] == "CommaDelimitedList" else [value]
            for one in several:
                assert re.search(parameter.get("AllowedPattern", ""), one), f"{name}={one}"


def test_the_example_for_terraform_leaves_alone_what_a_failover_changes() -> None:
    """It names all of them: Terraform gives an update what the example has, and every other parameter its default."""
    (example,) = (block for fence, block in fenced(ROOT / "docs" / "getting-started.md") if fence == "hcl")
    given = dict(re.findall(r'^    (\w+) += "(.*)"$', example, re.MULTILINE))
    left = set(re.findall(r'^      parameters\["(\w+)"\],$', example, re.MULTILINE))
    # tests/functional/cli/failover/test_follow.py compares the list with what follow changes.
    emptied = {"LocalRegistryBucket", "LocalBucketKmsKeyArn"}  # where the new primary names no bucket
    assert left == {name for name in PARAMETERS if of_its_role(name)} | {"OptInRegions"} | emptied
    defaults = {name: PARAMETERS[name].get("Default") for name in left}
    assert {name: given.get(name) for name in left} == {**defaults, "SiteRole": "primary"}


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[a-z-]+\.md)", (ROOT / "README.md").read_text()))
    assert linked == {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")}


def test_troubleshooting_has_the_sections_of_gitlab_s_page_each_with_a_command() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    for title in (
        "Confirm that replication is enabled",
        "Missing container registry notification event",
        "Registry events logs response status 401 Unauthorized unaccepted",
        "Registry error: token from untrusted issuer",
        "Manually trigger a sync",
    ):
        assert "geosync --local" in section(page, title) or "`check`" in section(page, title), title


def test_findings_and_log_messages_that_troubleshooting_names_are_explained() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    known = OPERATIONS + SIGNALS + "arrives_at_oregon"
    errors_and_fields = {"realm_hosts", "last_sync_failure", "retry_at", "insufficient_scope", "registry_key"}
    for name in set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", page)) - errors_and_fields:
        assert f"`{name}`" in known or name in known.split(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_parameters_and_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"`make ([a-z][a-z0-9-]+)|^make ([a-z][a-z0-9-]+)(?= *(?:#|$))", text, re.MULTILINE)
    assert {quoted or alone for quoted, alone in commands} <= targets
    templates = "".join((ROOT / name).read_text() for name in ("template.yaml", "docs/operations/drills.yaml"))
    parameters = set(re.findall(r"^  ([A-Z]\w+):$", templates, re.MULTILINE))
    assert set(re.findall(r"\b([A-Z][a-z]\w+)=[^\s=]", text)) - parameters == set()
    for name in re.findall(r"`([\w/]+/[\w/]+\.py)`", text):
        assert any((folder / name).exists() for folder in (ROOT, LIBRARY)), name
