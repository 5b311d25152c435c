"""A font in which each character is the same box, made here, so that text takes the same place on every machine.

A space is empty and narrower. What is measured with it moves only where the number of characters does.
"""

from __future__ import annotations

import struct
from itertools import accumulate

UNITS = 1000
"""Of the font, in one em."""
ASCENT, DESCENT = 930, -240
BOX = (60, 0, 500, 520)
"""Left, bottom, right and top of a character: as wide and as dark as one of a common font is on average."""
ADVANCE, SPACE = 560, 320
_BOX, _SPACE, _NOTHING = 1, 2, 3
"""The glyphs; that of the number 0, which no character has, is a box as well."""
_ADVANCES = (ADVANCE, ADVANCE, SPACE, 0)
_RANGES = (
    (0x20, 0x20, _SPACE),
    (0x21, 0x9F, _BOX),
    (0xA0, 0xA0, _SPACE),
    (0xA1, 0x200A, _BOX),
    (0x200B, 0x200F, _NOTHING),
    (0x2010, 0x2065, _BOX),
    (0x2066, 0x2069, _NOTHING),
    (0x206A, 0x10FFFF, _BOX),
)
_NAME = "Boxes"


def font() -> bytes:
    """The font, as a TrueType file."""
    box = _glyph()
    glyphs = [box, box, b"", b""]
    offsets = [0, *accumulate(map(len, glyphs))]
    tables = {
        b"OS/2": _os2(),
        b"cmap": _cmap(),
        b"glyf": b"".join(glyphs),
        b"head": _head(),
        b"hhea": struct.pack(
            ">IhhhHhhhhhhhhhhhH", 0x10000, ASCENT, DESCENT, 0, ADVANCE, 0, 0, BOX[2], 1, 0, 0, 0, 0, 0, 0, 0, 4
        ),
        b"hmtx": b"".join(struct.pack(">Hh", advance, BOX[0] if advance == ADVANCE else 0) for advance in _ADVANCES),
        b"loca": struct.pack(">5I", *offsets),
        b"maxp": struct.pack(">I14H", 0x10000, 4, 4, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0),
        b"name": _name(),
        b"post": struct.pack(">IIhhIIIII", 0x30000, 0, -100, 50, 0, 0, 0, 0, 0),
    }
    return _file(tables)


def _glyph() -> bytes:
    """One contour: a rectangle."""
    left, bottom, right, top = BOX
    head = struct.pack(">hhhhh", 1, left, bottom, right, top)
    ends = struct.pack(">HH", 3, 0)
    flags = bytes([1] * 4)  # each point is on the outline; its place is two bytes, as a difference
    across = struct.pack(">4h", left, 0, right - left, 0)
    up = struct.pack(">4h", bottom, top - bottom, 0, bottom - top)
    return (whole := head + ends + flags + across + up) + bytes(-len(whole) % 4)


def _cmap() -> bytes:
    """Ranges of characters with one glyph each (format 13)."""
    groups = b"".join(struct.pack(">III", *one) for one in _RANGES)
    table = struct.pack(">HHIII", 13, 0, 16 + len(groups), 0, len(_RANGES)) + groups
    return struct.pack(">HHHHI", 0, 1, 3, 10, 12) + table


def _head() -> bytes:
    return struct.pack(
        ">IIIIHHqqhhhhHHhhh",
        0x10000, 0x10000, 0, 0x5F0F3CF5, 0b11, UNITS, 0, 0, 0, 0, BOX[2], BOX[3], 0, 8, 2, 1, 0,
    )  # fmt: skip


def _os2() -> bytes:
    """Version 3; the metrics of a line are those of hhea."""
    return struct.pack(
        ">HhHHH10hh10s4I4sHHHhhhHHIIhhHHH",
        3, ADVANCE, 400, 5, 0, *(0,) * 10, 0, bytes(10), 0, 0, 0, 0, b"NONE", 0x40, 0x20, 0xFFFF,
        ASCENT, DESCENT, 0, ASCENT, -DESCENT, 1, 0, BOX[3], BOX[3], 0, 0x20, 0,
    )  # fmt: skip


def _name() -> bytes:
    """The names that a browser asks for: family, style, whole and for PostScript."""
    texts = {1: _NAME, 2: "Regular", 4: _NAME, 6: _NAME}
    words = [text.encode("utf-16-be") for text in texts.values()]
    starts = [0, *accumulate(map(len, words))]
    records = b"".join(
        struct.pack(">HHHHHH", 3, 1, 0x409, number, len(word), start)
        for number, word, start in zip(texts, words, starts, strict=False)
    )
    return struct.pack(">HHH", 0, len(texts), 6 + len(records)) + records + b"".join(words)


def _file(tables: dict[bytes, bytes]) -> bytes:
    """The tables behind their directory, which has a sum of each."""
    start, directory, body = 12 + 16 * len(tables), b"", b""
    for name, content in sorted(tables.items()):
        padded = content + bytes(-len(content) % 4)
        total = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory += name + struct.pack(">III", total, start + len(body), len(content))
        body += padded
    power = len(tables).bit_length() - 1
    search = 16 << power
    head = struct.pack(">IHHHH", 0x10000, len(tables), search, power, 16 * len(tables) - search)
    return head + directory + body
