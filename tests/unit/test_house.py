"""The rules of the house that are plain from the source: one door to the table, one clock, one meaning for a name."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from radon.complexity import cc_visit  # type: ignore[import-untyped]
from radon.visitors import Class  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "layers" / "geosync" / "geosync"
MODULES = {str(path.relative_to(LIBRARY)): ast.parse(path.read_text()) for path in LIBRARY.rglob("*.py")}
HANDLERS = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in ROOT.glob("functions/*/app.py")}
SOURCES = {**MODULES, **HANDLERS}

TABLE = "geosync.sync_registry.table"
WORLD = {
    "clock.py": {"time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep"},
    "threads.py": {
        "threading.Thread",
        "threading.Timer",
        "threading.Event",
        "threading.Condition",
        "threading.Semaphore",
        "concurrent.futures.ThreadPoolExecutor",
        "multiprocessing.Process",
    },
    "": {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"},
}
"""What reads the time, waits or starts a thread, under the one module that may."""
UNDER_A_LEASE = {
    *("renew", "suspect", "may_write_tag", "discharge", "record", "record_finding", "note_missing_on_primary"),
    *("count_deaths", "drop", "forget", "finish", "release", "uploads.take", "uploads.kept"),
}
"""Methods of SyncRegistry that only HeldLease calls."""
TIMES = {
    *("after", "age", "ahead", "begun", "delay", "ends", "given", "interval", "left", "lifetime", "margin", "now"),
    *("patience", "pause", "reserve", "until", "wait", "within"),
}
"""Last words of a name that say a time and not its unit."""
NAMED_ELSEWHERE = {"retry_after", "deletion_delay"}
"""HTTP's header, and a key of the environment: seconds."""
MOST_PARTS = 6
MOST_LINES = 400
MOST_DECISIONS = 10
"""Radon's complexity: beside branches it counts `and`, `or`, conditional expressions and comprehensions."""
MOST_WITH_MORE = 10
"""Functions that may have more."""


def used(tree: ast.Module) -> Iterator[str]:
    """The names that a module calls or hands to a call, each with the module that it was imported from."""
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origins |= {alias.asname or alias.name: alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            origins |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for one in (node.func, *node.args, *(keyword.value for keyword in node.keywords)):
                first, dot, rest = ast.unparse(one).partition(".")
                yield origins.get(first, first) + dot + rest


def test_nobody_outside_of_the_sync_registry_reaches_its_table() -> None:
    assert [
        f"{name} imports {node.module}"
        for name, tree in SOURCES.items()
        if not name.startswith("sync_registry/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{TABLE}.")
    ] == []


def test_every_write_under_a_lease_goes_through_the_held_lease() -> None:
    assert [
        f"{name}:{node.lineno} calls {called}"
        for name, tree in SOURCES.items()
        if not name.startswith("sync_registry/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for called in [ast.unparse(node.func)]
        if called.rpartition("sync_registry.")[2] in UNDER_A_LEASE and "sync_registry" in called
    ] == []


def test_only_the_clock_reads_the_time_and_only_threads_starts_one() -> None:
    assert [
        f"{name} calls {called}"
        for name, tree in SOURCES.items()
        for called in used(tree)
        for home, calls in WORLD.items()
        if called in calls and name != home
    ] == []


def test_a_class_name_has_one_meaning() -> None:
    places = defaultdict(list)
    for name, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_few_modules_lie_loose_at_the_top() -> None:
    loose = sorted(path.name for path in LIBRARY.glob("*.py") if path.name != "__init__.py")
    assert len(loose) <= MOST_PARTS, loose


def test_a_file_has_one_reason_to_be_opened() -> None:
    long = {str(path.relative_to(LIBRARY)): len(path.read_text().splitlines()) for path in LIBRARY.rglob("*.py")}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_registry_alone_is_an_oci_registry() -> None:
    """A sync registry is never called "registry"."""
    assert [
        f"{name}:{node.lineno}"
        for name, tree in SOURCES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.arg) and node.arg in {"registry", "_registry"} and _is_sync_registry(node.annotation))
        or (
            isinstance(node, ast.Assign)
            and _is_sync_registry(node.value)
            and any(ast.unparse(target).rpartition(".")[2].lstrip("_") == "registry" for target in node.targets)
        )
    ] == []


def _is_sync_registry(node: ast.expr | None) -> bool:
    return node is not None and "SyncRegistry" in ast.unparse(node)


def test_a_time_carries_its_unit() -> None:
    assert [
        f"{module}: {name}"
        for module, tree in SOURCES.items()
        for name in floats(tree)
        if name.rpartition("_")[2].lower() in TIMES and "seconds" not in name and name not in NAMED_ELSEWHERE
    ] == []


def floats(tree: ast.Module) -> Iterator[str]:
    """The names of a module's arguments, fields, constants and functions that are a float, or none."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as kind):
                named = (name, kind)
            case ast.FunctionDef(name=name, returns=ast.expr() as kind):
                named = (name, kind)
            case ast.AnnAssign(target=target, annotation=kind):
                named = (ast.unparse(target), kind)
            case ast.Assign(targets=[target], value=ast.Constant(value=float())):
                named = (ast.unparse(target), ast.Name("float"))
            case _:
                continue
        if ast.unparse(named[1]) in {"float", "float | None"}:
            yield named[0].rpartition(".")[2]


def test_a_docstring_begins_with_a_verb_or_a_noun() -> None:
    assert [
        f"{name}: {text.partition(chr(10))[0]}"
        for name, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        for text in [ast.get_docstring(node) or ""]
        if text.startswith(("What ", "Whether ", "How ", "Why ", "Say that "))
    ] == []


def test_hardly_a_function_has_more_than_ten_decisions() -> None:
    sources = [*LIBRARY.rglob("*.py"), *ROOT.glob("functions/*/app.py")]
    found = [
        f"{path.relative_to(ROOT)}: {block.fullname}"
        for path in sources
        for block in cc_visit(path.read_text())
        if not isinstance(block, Class) and block.complexity > MOST_DECISIONS
    ]
    assert len(found) <= MOST_WITH_MORE, found
