"""Counts the steps of a regular expression: a matcher that goes CPython's way, one step at a time.

It reads CPython's own parse tree, tries the same alternatives in the same order, and goes back in the same order. So
it finds the same matches, and its steps grow as those of the engine grow. A step is an instruction, or a look at one
character of a run. What it does not know (back references, conditions, locales) raises NotImplementedError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import AnyStr, Generic

from tests.support.backtracking.characters import parse
from tests.support.backtracking.path import Steps, Text, TooManySteps
from tests.support.backtracking.program import Compiler

__all__ = ["Counted", "Steps", "TooManySteps"]
Span = tuple[int, int]


class Counted(Generic[AnyStr]):
    """A pattern that counts its steps. What it finds are spans: those of `re`."""

    def __init__(self, pattern: re.Pattern[AnyStr]) -> None:
        """Raises NotImplementedError for what is not known here."""
        self.steps = Steps()
        """What counts them: another one may take its place."""
        self._program = Compiler(pattern.flags).program(parse(pattern))

    def match(self, text: AnyStr, pos: int = 0, endpos: int | None = None) -> Span | None:
        """The span of `match`."""
        whole, pos = Text(text, endpos, self.steps), min(pos, len(text))
        end = whole.follow(self._program, pos) if pos <= whole.end else None
        return None if end is None else (pos, end)

    def fullmatch(self, text: AnyStr, pos: int = 0, endpos: int | None = None) -> Span | None:
        """The span of `fullmatch`."""
        whole, pos = Text(text, endpos, self.steps), min(pos, len(text))
        end = whole.follow(self._program, pos, lambda end: end == whole.end) if pos <= whole.end else None
        return None if end is None else (pos, end)

    def search(self, text: AnyStr, pos: int = 0, endpos: int | None = None) -> Span | None:
        """The span of `search`."""
        return self._next(Text(text, endpos, self.steps), min(pos, len(text)), advance=False)

    def finditer(self, text: AnyStr, pos: int = 0, endpos: int | None = None) -> Iterator[Span]:
        """The spans of `finditer`; findall, sub and split go the same way."""
        whole = Text(text, endpos, self.steps)
        found = self._next(whole, min(pos, len(text)), advance=False)
        while found is not None:
            yield found
            found = self._next(whole, found[1], advance=found[0] == found[1])

    def _next(self, text: Text, first: int, *, advance: bool) -> Span | None:
        """The first match from `first` on; with `advance` not the empty one there."""
        for start in range(first, text.end + 1):
            self.steps.take()
            end = text.follow(self._program, start, lambda end: not advance or end != first)
            if end is not None:
                return start, end
        return None
