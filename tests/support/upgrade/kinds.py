"""The kinds of items in a site's table, found in the code that writes them: each `Key(partition, item)` in a library.

A kind is written `#site/token#`: what every key of it begins with, on both sides of the slash. A partition that a
repository's name begins is `…`. A key that is taken from an item that was read is no kind of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

REPOSITORY = "…"
_OF_A_REFERENCE = {
    "owed_key": ("owed#tag#", "owed#digest#", "owed#*"),
    "seen_key": ("tag#", "digest#"),
}
"""What the two properties of a `Reference` begin with, by its kind."""


@cache
def kinds(library: Path) -> frozenset[str]:
    """The kinds of items that the modules below `library` (the folder `geosync`) name the keys of."""
    modules = {f"geosync.{_dotted(path, library)}": ast.parse(path.read_text()) for path in library.rglob("*.py")}
    return frozenset(kind for name in modules for kind in _kinds_of(_Module(name, modules)))


def kind_of(key: tuple[str, str], known: Set[str]) -> str | None:
    """The kind of a key among those that are known: that of which it has most; None: it is of none."""
    partition, item = key

    def fits(kind: str) -> bool:
        before, _, begin = kind.partition("/")
        if before == REPOSITORY:
            return not partition.startswith(("#", "blob#")) and item.startswith(begin)
        return partition.startswith(before) and item.startswith(begin)

    return max(filter(fits, known), key=len, default=None)


def _dotted(path: Path, library: Path) -> str:
    return ".".join(path.relative_to(library).with_suffix("").parts)


@dataclass(frozen=True)
class _Begins:
    """The begin of a text; `whole`: it is all of it."""

    text: str
    whole: bool = False


_DYNAMIC = _Begins("")


@dataclass(frozen=True)
class _Module:
    """A module, and what its names stand for."""

    name: str
    all: Mapping[str, ast.Module]
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    values: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.all[self.name].body:
            if isinstance(node, ast.FunctionDef):
                self.functions[node.name] = node
            elif isinstance(node, ast.Assign):
                self._assign(node)
            elif isinstance(node, ast.ImportFrom) and node.module:
                self.imported.update({one.asname or one.name: (str(node.module), one.name) for one in node.names})

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.values[target.id] = node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                named = zip(target.elts, node.value.elts, strict=True)
                self.values.update({name.id: value for name, value in named if isinstance(name, ast.Name)})

    def begins(self, node: ast.expr, given: Mapping[str, _Begins]) -> _Begins:
        """What the value of an expression begins with; `given` are the values of names in a function."""
        found = _DYNAMIC
        match node:
            case ast.Constant():
                found = _Begins(str(node.value), whole=True)
            case ast.Name():
                found = given.get(node.id) or self._named(node.id)
            case ast.JoinedStr():
                found = self._joined(node.values, given)
            case ast.FormattedValue():
                found = self.begins(node.value, given)
            case ast.BinOp():
                found = self._joined([node.left, node.right], given)
            case ast.Subscript():
                found = _Begins(self.begins(node.value, given).text)
            case ast.Call():
                found = self._called(node, given)
        return found

    def _joined(self, parts: list[ast.expr], given: Mapping[str, _Begins]) -> _Begins:
        text = ""
        for part in parts:
            one = self.begins(part, given)
            text += one.text
            if not one.whole:
                return _Begins(text)
        return _Begins(text, whole=True)

    def _named(self, name: str) -> _Begins:
        if name in self.values:
            return self.begins(self.values[name], {})
        module, original = self.imported.get(name, ("", ""))
        return _Module(module, self.all)._named(original) if module in self.all else _DYNAMIC

    def _called(self, node: ast.Call, given: Mapping[str, _Begins]) -> _Begins:
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called == "tuple" and isinstance(node.args[0], ast.GeneratorExp):
            return _Begins(self.begins(node.args[0].elt, given).text)
        function = self.functions.get(called)
        returned = function.body[-1] if function is not None else None
        if function is None or not isinstance(returned, ast.Return) or returned.value is None:
            return _DYNAMIC
        names = [one.arg for one in function.args.args]
        values = [self.begins(one, given) for one in node.args]
        return self.begins(returned.value, dict(zip(names, values, strict=False)))


def _kinds_of(module: _Module) -> Iterator[str]:
    for node in ast.walk(module.all[module.name]):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Key"):
            continue
        if len(node.args) != 2:
            continue
        partition, item = node.args
        before = module.begins(partition, {}).text or REPOSITORY
        if isinstance(item, ast.Attribute) and item.attr in _OF_A_REFERENCE:
            yield from (f"{before}/{begin}" for begin in _OF_A_REFERENCE[item.attr])
        elif begin := module.begins(item, {}).text:
            yield f"{before}/{begin}"
