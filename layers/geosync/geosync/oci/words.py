"""Text of others, as an error, a page or a terminal may show it."""

from __future__ import annotations

LONGEST_PATH = 500
"""Characters of a path in an error. A repository and a digest have some 330; a registry may link to a longer one."""


def printable(text: str, instead: str = " ") -> str:
    """Return `text` on one line, with `instead` in place of each character that is not printed."""
    return "".join(one if one.isprintable() else instead for one in text)


def shown(value: object, most: int = 80) -> str:
    """Return a value out of others' JSON on one line, cut to `most` characters; of anything but text, only its kind.

    A number may have thousands of digits, and a list may be nested deeper than the stack: neither is written out.
    """
    if not isinstance(value, str):
        return f"({type(value).__name__})"
    return printable(value[:most], "\N{REPLACEMENT CHARACTER}")
