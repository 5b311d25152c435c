"""Finds every regular expression of the library in its source, and the ways in which each is matched."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parents[2] / "layers" / "geosync"
WAYS = {"match": "match", "fullmatch": "fullmatch", "search": "search", "finditer": "finditer"} | dict.fromkeys(
    ("findall", "sub", "subn", "split"), "finditer"
)
"""How a pattern can be matched, and which of the first four goes over the text in the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A pattern, where it is written, and the ways in which it is matched: match, fullmatch, search, finditer."""

    place: str
    pattern: re.Pattern[Any]
    ways: tuple[str, ...]


def patterns_of_the_library(made_at_run_time: Mapping[str, Sequence[str]]) -> list[Found]:
    """Return all of them.

    `made_at_run_time` has examples of those that no module holds, by their place ("module: expression"). Raises
    LookupError for one that is missing there, for one of it that is not in the source, for a pattern that nobody is
    seen to match, and for names that are taken out of `re`, as nobody would see what they match.
    """
    modules = [_Module(path) for path in sorted((LIBRARY / "geosync").rglob("*.py"))]
    found = [one for module in modules for one in _of_module(module, modules, made_at_run_time)]
    if unknown := set(made_at_run_time) - {one.place for one in found}:
        raise LookupError(f"not in the source: {sorted(unknown)}")
    return found


def _of_module(module: _Module, modules: Sequence[_Module], made: Mapping[str, Sequence[str]]) -> Iterator[Found]:
    for call in module.calls:
        place = f"{module.name}: {ast.unparse(call.pattern)}"
        try:
            patterns = [re.compile(module.value(call.pattern), module.value(call.flags) if call.flags else 0)]
        except NameError:
            if place not in made:
                raise LookupError(f"{place} is made at run time: give examples of it") from None
            patterns = [re.compile(one) for one in made[place]]
        for pattern in patterns:
            ways = _ways(pattern, module, modules) if call.name == "compile" else (WAYS[call.name],)
            yield Found(place=place, pattern=pattern, ways=ways)


def _ways(pattern: re.Pattern[Any], module: _Module, modules: Sequence[_Module]) -> tuple[str, ...]:
    """Return how a pattern is matched: by its name anywhere, or else by a variable of its own module."""
    ways = {way for one in modules for way, value in one.uses if value == pattern}
    ways = ways or {way for way, value in module.uses if value is None}
    if not ways:
        raise LookupError(f"nobody matches {pattern.pattern!r} of {module.name}")
    return tuple(sorted(ways))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """`re.<name>(pattern, …, flags)`."""

    name: str
    pattern: ast.expr
    flags: ast.expr | None

    @classmethod
    def of(cls, node: ast.AST) -> _Call | None:
        """Return the call that a node is; None where it is none that says a pattern."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not _is_re(node.func.value):
            return None
        name = node.func.attr
        named = {one.arg: one.value for one in node.keywords}
        flags = named.get("flags", node.args[1] if name == "compile" and len(node.args) > 1 else None)
        return cls(name=name, pattern=node.args[0], flags=flags) if name in ("compile", *WAYS) else None


def _is_re(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Name) and expression.id == "re"


class _Module:
    def __init__(self, path: Path) -> None:
        self.name = ".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__")
        nodes = list(ast.walk(ast.parse(path.read_text())))
        if any(isinstance(one, ast.ImportFrom) and one.module in ("re", "fnmatch") for one in nodes):
            raise LookupError(f"{self.name} takes names out of re or fnmatch")
        self.calls = [call for node in nodes if (call := _Call.of(node)) is not None]
        methods = [one for one in nodes if isinstance(one, ast.Attribute) and one.attr in WAYS]
        self._methods = [one for one in methods if not _is_re(one.value)]

    @cached_property
    def _names(self) -> dict[str, Any]:
        return vars(importlib.import_module(self.name))

    def value(self, expression: ast.expr) -> Any:
        """Return what an expression is at the module's level; raises NameError where it needs more."""
        return eval(compile(ast.Expression(expression), self.name, "eval"), self._names)  # noqa: S307  # our own text

    @cached_property
    def uses(self) -> list[tuple[str, re.Pattern[Any] | None]]:
        """The ways in which this module matches a pattern, or a variable (None) that may be one."""
        found: list[tuple[str, re.Pattern[Any] | None]] = []
        for method in self._methods:
            value = self._matched(method)
            if value is None or isinstance(value, re.Pattern):
                found.append((WAYS[method.attr], value))
        return found

    def _matched(self, method: ast.Attribute) -> Any:
        if not isinstance(method.value, ast.Name | ast.Attribute):
            return ""  # no name: a text
        try:
            return self.value(method.value)
        except NameError:
            return "" if method.attr == "split" else None  # text has that method as well
