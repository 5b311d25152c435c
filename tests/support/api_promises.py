"""The promises of a description of the admin API: what a program that was written for it relies on.

One line for each promise, so that two versions can be compared, and the former one kept as text:

    GET /api/v4/geo/events takes ?per_page: integer                  a parameter of the query
    POST /api/v4/geo/pause takes PauseRequest                        the body
    GET /api/v4/geo/events answers 200: GeoEventPage
    takes ResyncOne.keep: boolean                                    a field of a body; `, required`
    gives GeoEventPage.nodes: array of GeoEventModel                 a field of an answer

What follows the colon are the types and the words that may be there. A line ends with `, deprecated` where the
description says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
_LINE = re.compile(r"(?P<what>.+?)(?:: (?P<words>.*?))?(?P<required>, required)?(?P<deprecated>, deprecated)?")


def promises(document: Mapping[str, Any]) -> list[str]:
    """The promises of an OpenAPI document, sorted."""
    lines: set[str] = set()
    documents: dict[str, set[str]] = {}
    operations = [
        (f"{method.upper()} {path}", one)
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    ]
    for call, operation in sorted(operations, key=lambda one: bool(one[1].get("deprecated"))):
        lines |= set(_of_operation(call, operation))
        for way, content in _contents(operation):
            for name in _names(content["schema"]):
                lines |= set(_of_document(document, way, name, _end(operation), documents.setdefault(way, set())))
    return sorted(lines)


def _of_operation(call: str, operation: Mapping[str, Any]) -> Iterator[str]:
    end = _end(operation)
    yield f"{call}{end}"
    for one in operation.get("parameters", []):
        mark = "?" if one["in"] == "query" else f"{one['in']} "
        yield f"{call} takes {mark}{one['name']}: {_words(one['schema'])}{_end(one) or end}"
    for media in operation.get("requestBody", {}).get("content", {}).values():
        yield f"{call} takes {_words(media['schema'])}{end}"
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            words = sorted({_words(one["schema"]) for one in answer.get("content", {}).values()})
            yield f"{call} answers {status}: {' | '.join(words)}{end}"


def _contents(operation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from (("takes", one) for one in operation.get("requestBody", {}).get("content", {}).values())
    for answer in operation["responses"].values():
        yield from (("gives", one) for one in answer.get("content", {}).values())


def _of_document(document: Mapping[str, Any], way: str, name: str, end: str, seen: set[str]) -> Iterator[str]:
    """The fields of a document and of those within it, each document once; `end` is that of whoever refers to it."""
    if name in seen:
        return
    seen.add(name)
    schema = document["components"]["schemas"][name]
    for field, kind in schema.get("properties", {}).items():
        required = ", required" if way == "takes" and field in schema.get("required", []) else ""
        yield f"{way} {name}.{field}: {_words(kind)}{required}{_end(kind) or end}"
        for inner in _names(kind):
            yield from _of_document(document, way, inner, end, seen)


def broken(former: list[str], today: list[str]) -> list[str]:
    """The promises of a former description that today's does not keep; what was deprecated need not be kept.

    What is taken may become more, and what is given may become no other type. A word that a field may have may be new.
    """
    now = {parts["what"]: parts for line in today if (parts := _parts(line))}
    found = []
    for line in former:
        parts = _parts(line)
        if not parts["deprecated"] and not _keeps(parts, now.get(parts["what"])):
            found.append(line)
    was = {_parts(line)["what"] for line in former}
    calls = {_call(what) for what in was}
    for what, parts in now.items():
        is_new_demand = parts["required"] and what not in was and _call(what) in calls
        found += [f"{what} is required now"] if is_new_demand else []
    return found


def _parts(line: str) -> dict[str, str]:
    found = _LINE.fullmatch(line)
    assert found is not None, line
    return {name: text or "" for name, text in found.groupdict().items()}


def _keeps(was: Mapping[str, str], now: Mapping[str, str] | None) -> bool:
    if now is None or (now["required"] and not was["required"]):
        return False
    before, after = (set(one["words"].split(" | ")) for one in (was, now))
    if " takes " in was["what"] or was["what"].startswith("takes "):
        return before <= after or "string" in after  # any word is more than some words
    return {_type(one) for one in after} <= {_type(one) for one in before}


def _type(word: str) -> str:
    return "string" if word.startswith('"') else word


def _call(what: str) -> str:
    """What takes a parameter or a field: a method and a path, or a document."""
    return what.rsplit(" takes ", 1)[0] if " takes " in what else what.rsplit(".", 1)[0]


def _end(described: Mapping[str, Any]) -> str:
    required = ", required" if described.get("required") is True and described.get("in") != "path" else ""
    return f"{required}{', deprecated' if described.get('deprecated') else ''}"


def _words(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    if "anyOf" in schema:
        return " | ".join(sorted({word for one in schema["anyOf"] for word in _words(one).split(" | ")}))
    if "enum" in schema:
        return " | ".join(f'"{word}"' for word in sorted(schema["enum"]))
    if schema.get("type") == "array":
        return f"array of {_words(schema['items'])}".replace(" | ", " or ")
    return str(schema.get("type", "anything"))


def _names(schema: Mapping[str, Any]) -> set[str]:
    """The documents that a schema refers to."""
    if "$ref" in schema:
        return {str(schema["$ref"]).rsplit("/", 1)[1]}
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return {name for one in inner for name in _names(one)}
