"""Values out of others' JSON, as an error may show them."""

from __future__ import annotations


def shown(value: object, most: int = 80) -> str:
    """Return text on one line, printable and cut to `most` characters; of anything but text, only its kind.

    A number may have thousands of digits, and a list may be nested deeper than the stack: neither is written out.
    """
    if not isinstance(value, str):
        return f"({type(value).__name__})"
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in value[:most])
