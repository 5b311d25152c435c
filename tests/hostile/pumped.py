"""Texts on which a regular expression goes back and forth, made of the expression's own parts.

Whoever wants a pattern to cost more than its text leads it to a repeat, feeds that repeat, and has it fail at the end.
So a text has a head that the pattern takes, a pump that is repeated, and a tail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from re import _constants
from typing import Any, TypeAlias

from tests.support.backtracking.characters import UNITS, CharacterSet, parse
from tests.support.backtracking.program import REPEATS, UNBOUNDED

Tree: TypeAlias = Sequence[tuple[Any, Any]]
_ALPHABET = [*range(0x20, 0x7F), *map(ord, "\t\n\r"), 0x00, 0xE9]
_VARIANTS = 2
"""So many examples are made of a part: each takes other characters and other branches."""


@dataclass(frozen=True, slots=True)
class Pumped:
    """A hostile text that can be made of any length."""

    head: str
    pump: str
    tail: str

    def text(self, times: int) -> str:
        """Return the text with the pump repeated `times` times."""
        return self.head + self.pump * times + self.tail


def pumped(pattern: re.Pattern[Any]) -> set[Pumped]:
    """Return hostile texts for a pattern."""
    return _Maker(pattern).texts()


def longest_bound(pattern: re.Pattern[Any]) -> int:
    """Return the largest number of times that a repeat with an end takes: only longer texts tell how a cost grows."""
    return max((one.most for one in _Maker(pattern).repeats() if one.most < UNBOUNDED), default=1)


@dataclass(frozen=True, slots=True)
class _Repeat:
    """A repeat: an example of what is before it, what it repeats, how often at most, and an example of what follows."""

    before: str
    body: Tree
    most: int
    after: str


class _Maker:
    def __init__(self, pattern: re.Pattern[Any]) -> None:
        self._flags = pattern.flags
        self._tree = parse(pattern)
        self._sets = list(self._units(self._tree))
        kinds: dict[tuple[bool, ...], int] = {}
        for character in _ALPHABET:
            kinds.setdefault(tuple(character in one for one in self._sets), character)
        self._kinds = kinds
        """One character of each kind: of a kind are those that no part of the pattern tells apart."""

    def texts(self) -> set[Pumped]:
        stranger = chr(self._kinds[min(self._kinds, key=sum)])
        kinds = [chr(one) for one in self._kinds.values()]
        wholes = {self._example(self._tree, variant) for variant in range(_VARIANTS)}
        made = {Pumped("", pump, tail) for pump in {*kinds, *wholes} - {""} for tail in ("", stranger)}
        for one in self.repeats():
            bodies = {self._example(one.body, variant) for variant in range(_VARIANTS)} | self._takes(one.body)
            for pump in bodies - {""}:
                made |= {Pumped(one.before, pump, tail) for tail in ("", stranger, one.after + stranger)}
                made.add(Pumped("", one.before + pump, stranger))
            if one.before:
                made.add(Pumped("", one.before, stranger))
        return made

    def repeats(self) -> Iterator[_Repeat]:
        """The repeats, also those within others."""
        return self._repeats(self._tree, "", "")

    def _repeats(self, tree: Tree, before: str, after: str) -> Iterator[_Repeat]:
        for number, (code, value) in enumerate(tree):
            ahead, behind = before + self._example(tree[:number]), self._example(tree[number + 1 :]) + after
            if code in REPEATS and value[1] > 1:
                yield _Repeat(ahead, value[2], int(value[1]), behind)
            for part in _parts(code, value):
                yield from self._repeats(part, ahead, behind)

    def _takes(self, body: Tree) -> set[str]:
        """One character of each kind that a repeat of single characters takes."""
        if len(body) != 1 or body[0][0] not in UNITS:
            return set()
        taken = CharacterSet(*body[0], self._flags)
        return {chr(one) for one in self._kinds.values() if one in taken}

    def _units(self, tree: Tree) -> Iterator[CharacterSet]:
        for code, value in tree:
            if code in UNITS:
                yield CharacterSet(code, value, self._flags)
            for part in _parts(code, value):
                yield from self._units(part)

    def _example(self, tree: Tree, variant: int = 0) -> str:
        """Return a short text that a part takes, apart from what it looks for ahead and behind."""
        return "".join(self._example_of(code, value, variant) for code, value in tree)

    def _example_of(self, code: Any, value: Any, variant: int) -> str:
        if code in UNITS:
            taken = CharacterSet(code, value, self._flags)
            fitting = [one for one in self._kinds.values() if one in taken]
            return chr(fitting[-variant]) if fitting else ""
        if code in (_constants.ASSERT, _constants.ASSERT_NOT):
            return ""
        if code is _constants.BRANCH:
            return self._example(value[1][-variant], variant)
        times = max(1, value[0]) if code in REPEATS else 1
        return "".join(self._example(part, variant) for part in _parts(code, value)) * min(
            times, int(_most(code, value))
        )


def _most(code: Any, value: Any) -> int:
    return int(value[1]) if code in REPEATS else 1


def _parts(code: Any, value: Any) -> Sequence[Tree]:
    """Return the parts that an element of a tree is made of."""
    if code is _constants.BRANCH:
        return list(value[1])
    if code in REPEATS:
        return [value[2]]
    if code is _constants.SUBPATTERN:
        return [value[3]]
    if code is _constants.ATOMIC_GROUP:
        return [value]
    if code in (_constants.ASSERT, _constants.ASSERT_NOT):
        return [value[1]]
    return []
