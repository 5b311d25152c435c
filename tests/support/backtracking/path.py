"""A way through a program: its place, and the places to go back to if the rest fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

FAILED = -1
Loops: TypeAlias = "tuple[int, int, Loops] | None"
"""The repeats that are being gone through, innermost first: turns begun, where the last one began, those around it."""
Instruction: TypeAlias = "Callable[[Path], int]"
"""Does one step; returns the place of the next instruction, or FAILED."""
Program: TypeAlias = Sequence[Instruction]


class TooManySteps(Exception):
    """The text takes more steps than are allowed."""


class Steps:
    """Counts. Raises TooManySteps beyond `most`."""

    __slots__ = ("most", "taken")

    def __init__(self, most: int = 10_000_000) -> None:
        self.most = most
        self.taken = 0

    def take(self, number: int = 1) -> None:
        """Count so many more."""
        self.taken += number
        if self.taken > self.most:
            raise TooManySteps(f"more than {self.most} steps")


class Text:
    """A text that is gone over up to `end`, and the steps that this costs."""

    __slots__ = ("characters", "end", "steps")

    def __init__(self, text: str | bytes, endpos: int | None, steps: Steps) -> None:
        self.characters: Sequence[int] = text if isinstance(text, bytes) else [ord(one) for one in text]
        self.end = len(text) if endpos is None else max(0, min(endpos, len(text)))
        self.steps = steps

    def follow(self, program: Program, start: int, accepts: Callable[[int], bool] = lambda _: True) -> int | None:
        """Return where the first way through the program ends that is accepted, None where there is none."""
        path = Path(self, start)
        at = 0
        while True:
            self.steps.take()
            if at < len(program):
                at = program[at](path)
            elif accepts(path.pos):
                return path.pos
            else:
                at = FAILED
            if at == FAILED:
                if not path.back:
                    return None
                at = path.go_back()


class Path:
    """The place that a match has reached."""

    __slots__ = ("back", "loops", "pos", "text")

    def __init__(self, text: Text, pos: int) -> None:
        self.text = text
        self.pos = pos
        self.loops: Loops = None
        self.back: list[tuple[int, int, int, Loops]] = []

    def or_else(self, at: int, loops: Loops, *, lowest: int | None = None) -> None:
        """If what follows fails, go on at the instruction `at`: from here, then from each place before, to `lowest`."""
        self.back.append((at, self.pos, self.pos if lowest is None else lowest, loops))

    def go_back(self) -> int:
        """Go back to the last of these places; return the instruction."""
        at, self.pos, lowest, self.loops = self.back.pop()
        if lowest < self.pos:
            self.back.append((at, self.pos - 1, lowest, self.loops))
        return at
