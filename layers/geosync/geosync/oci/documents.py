"""Manifests' JSON as registries read it: what Go's decoder takes, since most registries are written in Go.

So bytes that are no UTF-8 become U+FFFD, integers may have any number of digits, values may be nested 10,000 deep, and
keys are compared without case. Of a repeated key the last value counts, but objects are merged, and null clears only a
list. Values nested deeper than anything that is read here are cut out: the parser would need a stack for them.

A parsed document takes up to forty times the memory of its bytes. So only a small one is parsed whole. In a large one
the fields that are read are found where they lie (spans.py), and a list is parsed item by item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from geosync.errors import MalformedManifest
from geosync.oci import spans
from geosync.oci.spans import MOST_NESTED, Span

READ_DEPTH = 32
"""Depth below which nothing is read."""
SMALL_BYTES = 64 * 1024
"""A document of up to so many bytes is parsed whole, which takes at most 3 MiB for a moment."""
_DIGITS = 19
"""An int64 has at most so many."""
_PLAIN = re.compile(rb'"[ !#-\[\]-~]*+"')
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


class _TooLong:
    """Stands for a value of more than SMALL_BYTES, which is not parsed."""


TOO_LONG: Final = _TooLong()
"""Stands for a value that is too long to be parsed; no valid value of a field that is read is that long."""


class Document:
    """A JSON object whose fields are read one by one. It keeps the bytes, and the parsed object of small ones only."""

    def __init__(self, content: bytes, names: Collection[str]) -> None:
        """`names` are the fields that are asked for. Raises MalformedManifest where the bytes are no JSON object."""
        self._content = content
        self._object: dict[str, Any] | None = None
        self._spans: dict[str, list[Span]] = {}
        if len(content) <= SMALL_BYTES:
            self._object = read_object(content)
        else:
            self._spans = spans.fields(content, spans.whole(content), names)

    def has(self, name: str) -> bool:
        """Tell whether there is a field of this name, also with the value null."""
        return name in self._spans if self._object is None else has_field(self._object, name)

    def is_list(self, name: str) -> bool:
        """Tell whether a field is a list."""
        if self._object is not None:
            return isinstance(field(self._object, name), list)
        span = _list_span(self._content, self._spans.get(name, ()))
        return span is not None and self._content[span[0]] == ord("[")

    def value(self, name: str) -> Any:
        """Return a field's value, None where there is none, TOO_LONG where it is too long to be parsed."""
        if self._object is not None:
            return field(self._object, name)
        return _merged(_value(self._content, span) for span in self._spans.get(name, ()))

    def object(self, name: str, names: Collection[str]) -> Any:
        """Return a field's value; of an object that is too long, its fields of these `names`."""
        if self._object is not None:
            return field(self._object, name)
        return _merged(_object(self._content, span, names) for span in self._spans.get(name, ()))

    def pairs(self, name: str, names: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Yield the keys and the values of an object, each value as `object` does; none where there is no object.

        Of a repeated object the last one counts. Raises MalformedManifest.
        """
        if self._object is not None:
            found = field(self._object, name)
            yield from found.items() if isinstance(found, dict) else ()
            return
        span = next(reversed(self._spans.get(name, ())), None)
        if span is not None and self._content[span[0]] == ord("{"):
            for key, value in spans.pairs(self._content, span):
                yield _parse(self._content[slice(*key)]), _object(self._content, value, names)

    def items(self, name: str, names: Collection[str]) -> Iterator[Any] | None:
        """Yield the items of a list, each as `object` does; None where there is none (or null).

        Raises MalformedManifest where the field is no list.
        """
        if self._object is not None:
            listed = field(self._object, name)
            if listed is not None and not isinstance(listed, list):
                raise MalformedManifest(f"{name} is not a list")
            return None if listed is None else iter(listed)
        span = _list_span(self._content, self._spans.get(name, ()))
        if span is None:
            return None
        if self._content[span[0]] != ord("["):
            raise MalformedManifest(f"{name} is not a list")
        return (_object(self._content, item, names) for item in spans.items(self._content, span))


def with_item(content: bytes, name: str, item: bytes) -> bytes:
    """Return the JSON object `content` with `item`, which is JSON, at the end of its list `name`.

    Every other byte stays. Raises MalformedManifest where it is no object, or has no such list.
    """
    span = _list_span(content, spans.fields(content, spans.whole(content), (name,)).get(name, ()))
    if span is None or content[span[0]] != ord("["):
        raise MalformedManifest(f"{name} is not a list")
    between = b"," if next(spans.items(content, span), None) is not None else b""
    return b"".join((content[: span[1] - 1], between, item, content[span[1] - 1 :]))


def read_object(content: bytes) -> dict[str, Any]:
    """Read a small JSON object whole; raises MalformedManifest."""
    document = _parse(content)
    if not isinstance(document, dict):
        raise MalformedManifest("the manifest is not a JSON object")
    return document


def field(document: Mapping[str, Any], name: str) -> Any:
    """Return a field, None where there is none; its key is `name` in any case. Repeated ones: see `_combine`."""
    found = None
    for key, value in document.items():
        if _names(key, name):
            found = _combine(found, value)
    return found


def has_field(document: Mapping[str, Any], name: str) -> bool:
    """Tell whether there is a field of this name, also with the value null."""
    return any(_names(key, name) for key in document)


def _names(key: str, name: str) -> bool:
    return key == name or (len(key) == len(name) and key.casefold() == name.casefold())


class _Merged(dict[str, Any]):
    """An object merged from several. Nobody else holds it, so that it may be changed in place."""


def _combine(before: Any, value: Any) -> Any:
    """Return the value that Go's decoder gives a repeated field.

    An object is merged into the one before it; null clears a list, and nothing else.
    """
    if isinstance(before, dict) and isinstance(value, dict):
        merged = before if isinstance(before, _Merged) else _Merged(before)
        for key, one in value.items():
            merged[key] = _combine(merged.pop(key, None), one)
        return merged
    return before if value is None and not isinstance(before, list) else value


def _value(content: bytes, span: Span) -> Any:
    start, end = span
    if end - start > SMALL_BYTES:
        return TOO_LONG
    value = content[start:end]
    # A fast path: a list may have half a million names.
    return value[1:-1].decode() if _PLAIN.fullmatch(value) is not None else _parse(value)


def _object(content: bytes, span: Span, names: Collection[str]) -> Any:
    value = _value(content, span)
    if value is not TOO_LONG or content[span[0]] != ord("{"):
        return value
    found = spans.fields(content, span, names)
    return {name: _merged(_value(content, one) for one in places) for name, places in found.items()}


def _merged(values: Iterable[Any]) -> Any:
    """Return the value of a field from all of its occurrences."""
    found = None
    for value in values:
        found = _combine(found, value)
    return found


def _list_span(content: bytes, places: Iterable[Span]) -> Span | None:
    """Return the place of a list among its field's occurrences, None where there is none or null."""
    found: Span | None = None
    for place in places:
        if content[slice(*place)] != b"null":
            found = place
        elif found is not None and content[found[0]] == ord("["):
            found = None
    return found


def _parse(content: bytes) -> Any:
    text = content.decode("utf-8", errors="replace")
    try:
        try:
            return _loads(text)
        except RecursionError:
            return _loads(_cut_to_depth(text))
    except (ValueError, RecursionError) as error:
        raise MalformedManifest("the manifest is not JSON") from error


def _loads(text: str) -> Any:
    return json.loads(text, parse_int=_integer, object_pairs_hook=_with_repeats)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _DIGITS else float(text)


def _with_repeats(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of the pairs; a repeated key has its last place."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = _combine(found.pop(key, None), value)
    return found


def _cut_to_depth(text: str) -> str:
    """Return the document with null for each value nested deeper than READ_DEPTH; raises MalformedManifest."""
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
