"""Where the values of a JSON document lie in its bytes, found without parsing them.

For documents that may be large and are read in a few places. What is skipped is only checked for its brackets and
strings. A span is the place of a value's first byte, and the place after its last one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator

from geosync.errors import MalformedManifest

MOST_NESTED = 10_000
"""Go's decoder refuses more."""

MOST_REPEATED = 100
"""Occurrences of one field: each is merged with those before it."""

Span = tuple[int, int]

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE = rb"[ \t\n\r]*+"


def _flat(levels: int) -> bytes:
    """Return a pattern up to a bracket that is nested deeper than `levels`, or that ends what the match began in."""
    inside = _flat(levels - 1) if levels else rb""
    nested = rb"|\[%s\]|\{%s\}" % (inside, inside) if levels else rb""
    return rb'(?:[^"\[\]{}]++|%s%s)*+' % (_STRING, nested)


# Three levels in one match: otherwise each bracket takes a step of its own. A byte is read four times at most.
_UP_TO_BRACKET = re.compile(_flat(3), re.DOTALL)
_OBJECT = re.compile(_SPACE + rb"(?=\{)")
_END = re.compile(_SPACE + rb"\Z")
_FIRST_KEY = re.compile(rb"\{%s(?:(\})|(%s)%s:%s)" % (_SPACE, _STRING, _SPACE, _SPACE), re.DOTALL)
_NEXT_KEY = re.compile(rb"%s(?:(\})|,%s(%s)%s:%s)" % (_SPACE, _SPACE, _STRING, _SPACE, _SPACE), re.DOTALL)
_FIRST_ITEM = re.compile(rb"\[%s(\])?" % _SPACE)
_NEXT_ITEM = re.compile(rb"%s(?:(\])|,%s)" % (_SPACE, _SPACE))
_SCALAR = re.compile(rb"%s|[-+.0-9A-Za-z]++" % _STRING, re.DOTALL)


def whole(content: bytes) -> Span:
    """Return the span of the JSON object that `content` is; raises MalformedManifest."""
    found = _OBJECT.match(content)
    if found is None:
        raise MalformedManifest("the manifest is not a JSON object")
    end = _end(content, found.end())
    if _END.match(content, end) is None:
        raise MalformedManifest("the manifest is not JSON")
    return found.end(), end


def fields(content: bytes, span: Span, names: Collection[str]) -> dict[str, list[Span]]:
    """Return the spans of an object's fields of these `names`, each as often as it comes; a key may have any case.

    Raises MalformedManifest, also where one comes more than MOST_REPEATED times.
    """
    wanted = {name.casefold().encode(): name for name in names}
    longest = 6 * max(map(len, names))  # each letter may be written as \\uXXXX
    found: dict[str, list[Span]] = {}
    for (start, end), value in pairs(content, span):
        if end - start - 2 <= longest and (name := wanted.get(_folded(content[start:end]))) is not None:
            places = found.setdefault(name, [])
            places.append(value)
            if len(places) > MOST_REPEATED:
                raise MalformedManifest(f"{name} comes more than {MOST_REPEATED} times")
    return found


def pairs(content: bytes, span: Span) -> Iterator[tuple[Span, Span]]:
    """Yield the spans of an object's keys, in their quotes, and of their values; raises MalformedManifest."""
    key, at = _FIRST_KEY, span[0]
    while (match := key.match(content, at)) is not None:
        if match[1] is not None:
            return
        value = match.end(), _end(content, match.end())
        yield match.span(2), value
        key, at = _NEXT_KEY, value[1]
    raise MalformedManifest("the manifest is not JSON")


def items(content: bytes, span: Span) -> Iterator[Span]:
    """Yield the spans of a list's items; raises MalformedManifest."""
    item, at = _FIRST_ITEM, span[0]
    while (match := item.match(content, at)) is not None:
        if match[1] is not None:
            return
        value = match.end(), _end(content, match.end())
        yield value
        item, at = _NEXT_ITEM, value[1]
    raise MalformedManifest("the manifest is not JSON")


def _folded(key: bytes) -> bytes:
    """Return a quoted key as keys are compared: without its quotes and its case."""
    if key.isascii() and b"\\" not in key:
        return key[1:-1].lower()
    try:
        text: str = json.loads(key.decode("utf-8", errors="replace"))
    except ValueError:
        return b""
    folded = text.casefold()
    return folded.encode("utf-8", errors="replace") if len(folded) == len(text) else b""


def _end(content: bytes, start: int) -> int:
    """Return the place after the value that begins at `start`; raises MalformedManifest."""
    if content[start : start + 1] not in (b"[", b"{"):
        scalar = _SCALAR.match(content, start)
        if scalar is None:
            raise MalformedManifest("the manifest is not JSON")
        return scalar.end()
    depth, at = 1, start + 1
    while depth:
        found = _UP_TO_BRACKET.match(content, at)
        at = found.end() if found is not None else at
        bracket = content[at : at + 1]
        if not bracket or bracket == b'"':
            raise MalformedManifest("the manifest is not JSON")
        depth += 1 if bracket in (b"[", b"{") else -1
        if depth > MOST_NESTED:
            raise MalformedManifest(f"the manifest is nested deeper than {MOST_NESTED}")
        at += 1
    return at
