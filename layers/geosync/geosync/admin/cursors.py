"""Cursors: the end of a page as an opaque text. It names its list beside the position, so it fits no other list."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from geosync.admin.http import HttpRefusal

MOST_CHARACTERS = 2048
NOT_OF_THIS_LIST = (
    "the cursor is not one of this list: take page_info.end_cursor of its last page, with the same filters"
)


def encode(kind: str, *position: str | int) -> str:
    """Write the cursor of a position in the list `kind`."""
    return base64.urlsafe_b64encode(json.dumps([kind, *position], separators=(",", ":")).encode()).decode().rstrip("=")


def decode(kind: str, text: str | None, *types: type[Any]) -> list[Any] | None:
    """Read a cursor of the list `kind`: a position of these types. None: the beginning. Raises HttpRefusal (400)."""
    if text is None:
        return None
    try:
        if len(text) > MOST_CHARACTERS:
            raise ValueError
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(position, list) or [type(one) for one in position] != [str, *types] or position[0] != kind:
            raise ValueError
    except (ValueError, binascii.Error, RecursionError):
        raise HttpRefusal(400, NOT_OF_THIS_LIST) from None
    found: list[Any] = position[1:]
    return found
