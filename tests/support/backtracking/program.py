"""A parse tree as a program: instructions that try what CPython's engine tries, in its order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from re import _constants
from typing import Any

from tests.support.backtracking.characters import UNITS, CharacterSet, is_word
from tests.support.backtracking.path import FAILED, Instruction, Path, Program

UNBOUNDED = int(_constants.MAXREPEAT)
GREEDY, LAZY, POSSESSIVE = _constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT
REPEATS = (GREEDY, LAZY, POSSESSIVE)
Tree = Sequence[tuple[Any, Any]]


class Compiler:
    """Makes the instructions of a parse tree; raises NotImplementedError for what it does not know."""

    def __init__(self, flags: int) -> None:
        if flags & re.LOCALE:
            raise NotImplementedError("locales")
        self._flags = flags

    def program(self, tree: Tree) -> Program:
        """Return the instructions of a part that is matched by itself."""
        made: list[Instruction] = []
        self._append(made, tree)
        return made

    def _append(self, made: list[Instruction], tree: Tree) -> None:
        for code, value in tree:
            if code in UNITS:
                made.append(_unit(CharacterSet(code, value, self._flags), len(made) + 1))
            elif code in REPEATS:
                self._append_repeat(made, code, *value)
            elif code is _constants.BRANCH:
                self._append_branches(made, value[1])
            elif code is _constants.SUBPATTERN:
                self._inside(value)._append(made, value[3])
            elif code is _constants.ATOMIC_GROUP:
                made.append(_atomic(self.program(value), len(made) + 1))
            else:
                made.append(self._looking(code, value, len(made) + 1))

    def _inside(self, group: tuple[Any, int, int, Tree]) -> Compiler:
        _, added, removed, _ = group
        return Compiler((self._flags | added) & ~removed)

    def _looking(self, code: Any, value: Any, after: int) -> Instruction:
        """Return the instruction of a part that takes no character."""
        if code is _constants.AT:
            place = _constants.AT_MULTILINE.get(value, value) if self._flags & re.MULTILINE else value
            return _at(_PLACES[place], self._flags, after)
        if code in (_constants.ASSERT, _constants.ASSERT_NOT):
            direction, tree = value
            width = tree.getwidth()[0] if direction < 0 else 0
            return _look(self.program(tree), width, code is _constants.ASSERT, after)
        raise NotImplementedError(str(code))

    def _append_branches(self, made: list[Instruction], trees: Sequence[Tree]) -> None:
        first = len(made)
        made.append(_never)
        starts, ends = [], []
        for tree in trees:
            starts.append(len(made))
            self._append(made, tree)
            ends.append(len(made))
            made.append(_never)
        made[first] = _branches(starts)
        for end in ends:
            made[end] = _jump(len(made))

    def _append_repeat(self, made: list[Instruction], code: Any, least: int, most: int, tree: Tree) -> None:
        if (unit := self._one_unit(tree)) is not None:
            run = {GREEDY: _greedy_run, LAZY: _lazy_run, POSSESSIVE: _possessive_run}[code]
            made.extend(run(unit, least, most, len(made)))
        elif code is POSSESSIVE:
            made.append(_possessive(self.program(tree), least, most, len(made) + 1))
        else:
            first = len(made)
            made.extend([_never] * 3)
            self._append(made, tree)
            made.append(_jump(first + 1))
            made[first] = _enter(first + 1)
            made[first + 1] = _again(least, most, first + 2, len(made), is_greedy=code is not LAZY)
            made[first + 2] = _turn(first + 3)

    def _one_unit(self, tree: Tree) -> CharacterSet | None:
        """Return what is repeated where that takes one character: the engine then runs over it."""
        if len(tree) != 1:
            return None
        code, value = tree[0]
        if code is _constants.SUBPATTERN and value[0] is None:
            return self._inside(value)._one_unit(value[3])
        return CharacterSet(code, value, self._flags) if code in UNITS else None


def _never(_path: Path) -> int:
    return FAILED


def _jump(to: int) -> Instruction:
    return lambda _path: to


def _unit(characters: CharacterSet, after: int) -> Instruction:
    def step(path: Path) -> int:
        if path.pos >= path.text.end or path.text.characters[path.pos] not in characters:
            return FAILED
        path.pos += 1
        return after

    return step


def _branches(starts: Sequence[int]) -> Instruction:
    def step(path: Path) -> int:
        for start in reversed(starts[1:]):
            path.or_else(start, path.loops)
        return starts[0]

    return step


def _atomic(program: Program, after: int) -> Instruction:
    def step(path: Path) -> int:
        end = path.text.follow(program, path.pos)
        if end is None:
            return FAILED
        path.pos = end
        return after

    return step


def _look(program: Program, width: int, wanted: bool, after: int) -> Instruction:
    def step(path: Path) -> int:
        start = path.pos - width
        found = start >= 0 and path.text.follow(program, start) is not None
        return after if found == wanted else FAILED

    return step


def _at(is_there: Callable[[Path, int], bool], flags: int, after: int) -> Instruction:
    return lambda path: after if is_there(path, flags) else FAILED


def _run(path: Path, unit: CharacterSet, most: int) -> int:
    """Return how many characters from here are of the unit, at most so many."""
    end = min(path.text.end, path.pos + most)
    pos = path.pos
    while pos < end and path.text.characters[pos] in unit:
        pos += 1
    path.text.steps.take(pos - path.pos)
    return pos - path.pos


def _greedy_run(unit: CharacterSet, least: int, most: int, here: int) -> list[Instruction]:
    def step(path: Path) -> int:
        length = _run(path, unit, most)
        if length < least:
            return FAILED
        lowest = path.pos + least
        path.pos += length - 1
        if length > least:
            path.or_else(here + 1, path.loops, lowest=lowest)
        path.pos += 1
        return here + 1

    return [step]


def _possessive_run(unit: CharacterSet, least: int, most: int, here: int) -> list[Instruction]:
    def step(path: Path) -> int:
        length = _run(path, unit, most)
        path.pos += length
        return here + 1 if length >= least else FAILED

    return [step]


def _lazy_run(unit: CharacterSet, least: int, most: int, here: int) -> list[Instruction]:
    """The second instruction takes one more; how many were taken is kept where loops are."""

    def begin(path: Path) -> int:
        length = _run(path, unit, least)
        path.pos += length
        return _end(path, least) if length == least else FAILED

    def one_more(path: Path) -> int:
        assert path.loops is not None
        taken, _, path.loops = path.loops
        return _end(path, taken + 1) if _run(path, unit, 1) and _advance(path) else FAILED

    def _end(path: Path, taken: int) -> int:
        if taken < most:
            path.or_else(here + 1, (taken, path.pos, path.loops))
        return here + 2

    return [begin, one_more]


def _advance(path: Path) -> bool:
    path.pos += 1
    return True


def _possessive(program: Program, least: int, most: int, after: int) -> Instruction:
    def step(path: Path) -> int:
        turns, before = 0, FAILED
        while turns < least or (turns < most and path.pos != before):
            end = path.text.follow(program, path.pos)
            if end is None:
                break
            before, path.pos, turns = path.pos, end, turns + 1
        return after if turns >= least else FAILED

    return step


def _enter(until: int) -> Instruction:
    def step(path: Path) -> int:
        path.loops = (0, FAILED, path.loops)
        return until

    return step


def _turn(body: int) -> Instruction:
    """Begin a turn."""

    def step(path: Path) -> int:
        assert path.loops is not None
        turns, _, around = path.loops
        path.loops = (turns + 1, path.pos, around)
        return body

    return step


def _again(least: int, most: int, turn: int, after: int, *, is_greedy: bool) -> Instruction:
    """End a turn: take another or go on, and remember what was not taken."""

    def until(path: Path) -> int:
        assert path.loops is not None
        turns, began, around = path.loops
        if turns < least:
            # The engine notes where a turn begins only for those that need not be.
            path.loops = (turns + 1, began, around)
            return turn + 1
        may_turn = turns < most and path.pos != began
        if may_turn and is_greedy:
            path.or_else(after, around)
            return turn
        if may_turn:
            path.or_else(turn, path.loops)
        path.loops = around
        return after

    return until


def _is_newline(path: Path, pos: int) -> bool:
    return path.text.characters[pos] == ord("\n")


def _is_boundary(path: Path, flags: int) -> bool:
    before = path.pos > 0 and is_word(path.text.characters[path.pos - 1], flags)
    return before != (path.pos < path.text.end and is_word(path.text.characters[path.pos], flags))


_PLACES: dict[Any, Callable[[Path, int], bool]] = {
    _constants.AT_BEGINNING: lambda path, _: path.pos == 0,
    _constants.AT_BEGINNING_STRING: lambda path, _: path.pos == 0,
    _constants.AT_BEGINNING_LINE: lambda path, _: path.pos == 0 or _is_newline(path, path.pos - 1),
    _constants.AT_END_STRING: lambda path, _: path.pos == path.text.end,
    _constants.AT_END_LINE: lambda path, _: path.pos == path.text.end or _is_newline(path, path.pos),
    _constants.AT_END: lambda path, _: (
        path.pos == path.text.end or (path.pos + 1 == path.text.end and _is_newline(path, path.pos))
    ),
    _constants.AT_BOUNDARY: _is_boundary,
    _constants.AT_NON_BOUNDARY: lambda path, flags: path.text.end > 0 and not _is_boundary(path, flags),
}
