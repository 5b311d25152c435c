"""Manifests' JSON as registries read it: what Go's decoder takes, since most registries are written in Go.

So bytes that are no UTF-8 become U+FFFD, integers may have any number of digits, values may be nested 10,000 deep, and
a key names its field in any case. Where several do, the last one counts, but for what only those before it say. What is
nested deeper than anything that is read here is cut out: the parser would need a stack for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from geosync.errors import MalformedManifest

MOST_NESTED = 10_000
"""Go's decoder refuses more."""
READ_DEPTH = 32
"""Depth below which nothing is read."""
_DIGITS = 19
"""An int64 has at most so many."""
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def read_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object; raises MalformedManifest."""
    text = content.decode("utf-8", errors="replace")
    try:
        try:
            document = _loads(text)
        except RecursionError:
            document = _loads(_without_the_deep(text))
    except (ValueError, RecursionError) as error:
        raise MalformedManifest("the manifest is not JSON") from error
    if not isinstance(document, dict):
        raise MalformedManifest("the manifest is not a JSON object")
    return document


def field(document: Mapping[str, Any], name: str) -> Any:
    """Return a field, None where there is none; its key is `name` in any case, the last one counts (see `_over`)."""
    found = None
    for key, value in document.items():
        if _names(key, name):
            found = _over(found, value)
    return found


def has_field(document: Mapping[str, Any], name: str) -> bool:
    """Tell whether there is a field of this name, also with the value null."""
    return any(_names(key, name) for key in document)


def _names(key: str, name: str) -> bool:
    return key == name or (len(key) == len(name) and key.casefold() == name.casefold())


class _Merged(dict[str, Any]):
    """An object that was made of several, which nobody else has."""


def _over(before: Any, value: Any) -> Any:
    """Return what Go's decoder makes of a field that it reads again.

    An object adds to one that was there, and null clears a list, and nothing else.
    """
    if isinstance(before, dict) and isinstance(value, dict):
        merged = before if isinstance(before, _Merged) else _Merged(before)
        for key, one in value.items():
            merged[key] = _over(merged.pop(key, None), one)
        return merged
    return before if value is None and not isinstance(before, list) else value


def _loads(text: str) -> Any:
    return json.loads(text, parse_int=_integer, object_pairs_hook=_in_order)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _DIGITS else float(text)


def _in_order(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs in their order: a key that comes again is the last one."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = _over(found.pop(key, None), value)
    return found


def _without_the_deep(text: str) -> str:
    """The same document with null in place of what is nested deeper than READ_DEPTH; raises MalformedManifest."""
    kept: list[str] = []
    depth = after = 0
    for token in _TOKEN.finditer(text):
        bracket = token[0]
        if bracket in "[{":
            depth += 1
            if depth == READ_DEPTH:
                kept.append(text[after : token.start()])
        elif bracket in "]}":
            depth -= 1
            if depth == READ_DEPTH - 1:
                kept.append("null")
                after = token.end()
        if depth > MOST_NESTED:
            raise MalformedManifest(f"the manifest is nested deeper than {MOST_NESTED}")
    return "".join([*kept, text[after:]])
