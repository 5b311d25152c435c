"""The characters that one place of a pattern takes, as CPython's engine takes them."""

from __future__ import annotations

import re
from re import _casefix, _constants, _parser  # type: ignore[attr-defined]  # private, as the tree is
from typing import Any

UNITS = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN)
"""What takes one character."""
_NAMES = {
    _constants.CATEGORY_DIGIT: (str.isdecimal, True),
    _constants.CATEGORY_NOT_DIGIT: (str.isdecimal, False),
    _constants.CATEGORY_SPACE: (str.isspace, True),
    _constants.CATEGORY_NOT_SPACE: (str.isspace, False),
    _constants.CATEGORY_WORD: (lambda one: one.isalnum() or one == "_", True),
    _constants.CATEGORY_NOT_WORD: (lambda one: one.isalnum() or one == "_", False),
}


class CharacterSet:
    """One unit of a parse tree; `character in it` is asked of code points (of bytes for a pattern of bytes)."""

    def __init__(self, code: Any, value: Any, flags: int) -> None:
        self._code = code
        self._items = value if code is _constants.IN else [(_constants.LITERAL, value)]
        self._flags = flags
        self._known: dict[int, bool] = {}

    def __contains__(self, character: int) -> bool:
        if character not in self._known:
            self._known[character] = self._takes(character)
        return self._known[character]

    def _takes(self, character: int) -> bool:
        if self._code is _constants.ANY:
            return bool(self._flags & re.DOTALL) or character != ord("\n")
        negated = self._code is _constants.NOT_LITERAL or self._items[0][0] is _constants.NEGATE
        cases = self._cases(character)
        return negated != any(self._has(item, value, cases) for item, value in self._items)

    def _has(self, item: Any, value: Any, cases: set[int]) -> bool:
        if item is _constants.LITERAL:
            return value in cases
        if item is _constants.RANGE:
            return any(value[0] <= one <= value[1] for one in cases)
        if item is _constants.CATEGORY:
            return any(in_category(value, one, self._flags) for one in cases)
        return False  # NEGATE

    def _cases(self, character: int) -> set[int]:
        """The character and its equals where case is ignored."""
        if not self._flags & re.IGNORECASE:
            return {character}
        if not self._flags & re.UNICODE:
            one = bytes([character]) if character < 128 else b""
            return {character, *one.lower(), *one.upper()}
        lower = ord(chr(character).lower()) if len(chr(character).lower()) == 1 else character
        same = {lower, *_casefix._EXTRA_CASES.get(lower, ())}
        return same | {ord(upper) for upper in (chr(one).upper() for one in same) if len(upper) == 1}


def in_category(category: Any, character: int, flags: int) -> bool:
    r"""Tell whether a character is of \d, \s, \w, or of their opposites."""
    test, wanted = _NAMES[category]
    return wanted == (test(chr(character)) and (bool(flags & re.UNICODE) or character < 128))


def is_word(character: int, flags: int) -> bool:
    r"""Tell whether `\b` takes a character for a part of a word."""
    return in_category(_constants.CATEGORY_WORD, character, flags)


def parse(pattern: re.Pattern[Any]) -> Any:
    """CPython's parse tree of a pattern: pairs of a code and its value."""
    return _parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
