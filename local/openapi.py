"""Write the description of the admin API: `python -m local.openapi DOCS` (`make openapi`).

DOCS/openapi.json is what `GET api/v4/openapi.json` answers, made from the routes and their models; DOCS/api.md is the
same as a page. Nothing is asked of AWS.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

from geosync.admin.routes import ANYWHERE

ROOT = Path(__file__).parents[1]
_ENVIRONMENT = {
    "SITE_NAME": "site",
    "SITE_ROLE": "secondary",
    "DELETES": "propagate",
    "OUTSIDE_SELECTION": "keep",
    "EVENT_RETENTION_DAYS": "30",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    **dict.fromkeys(("SYNC_TABLE", "EVENTS_TABLE", "EVENTS_QUEUE_URL", "WORK_QUEUE_URL", "DLQ_URL"), "none"),
    **dict.fromkeys(("READ_SECRET_ARN", "ACT_SECRET_ARN"), "none"),
}
_ALWAYS = tuple(map(str, ANYWHERE))
_ALWAYS_NAMED = f"{', '.join(_ALWAYS[:-1])} or {_ALWAYS[-1]}"
_INTRODUCTION = f"""\
# The admin API, route by route

This page is made from the code by `make openapi`, as is [openapi.json](openapi.json), and a test compares both with the
code. [The dashboard and the admin API](operations/dashboard-and-api.md#the-admin-api) says how to use it: tokens, pages
of results, what is written down.

Paths are below the stack's output `AdminUrl`. A route has the parameters that are named here and no others: an unknown
one is answered with 400. Every route may also be answered with {_ALWAYS_NAMED}. An answer that is no success is
`{{"message": …}}`.

What a version takes and gives, later ones do as well: fields, parameters and words may come, and a field keeps its
type. What is to go is first called deprecated here, for a whole version in which it works as before, and the changelog
says what takes its place. A test compares each version with the one before it.
"""


def described() -> dict[str, Any]:
    """Return the description of the API of a site."""
    os.environ |= _ENVIRONMENT
    sys.path.insert(0, str(ROOT))
    from functions.admin import app  # noqa: PLC0415 - reads the environment

    return app._api().openapi


def page(document: dict[str, Any]) -> str:
    """Return a description as a page of Markdown."""
    lines = [_INTRODUCTION]
    tags: dict[str, list[str]] = {}
    for path, methods in sorted(document["paths"].items()):
        for method, operation in sorted(methods.items()):
            tags.setdefault(operation["tags"][0], []).extend(_operation(method.upper(), path, operation))
    for tag, operations in tags.items():
        lines += [f"## {tag[0].upper()}{tag[1:]}", "", *operations]
    lines += ["## Documents", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _schema(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield from (f"### {method} {path.strip('/')}", "", f"{operation['summary']}.", "")
    if operation.get("deprecated"):
        yield from ("**Deprecated.**", "")
    parameters = operation.get("parameters", [])
    if parameters:
        yield from ("| parameter | in | type | meaning |", "|---|---|---|---|")
        for one in parameters:
            required = ", required" if one["required"] and one["in"] != "path" else ""
            where, kind, meaning = f"{one['in']}{required}", _type(one["schema"]), _cell(one.get("description"))
            yield f"| `{one['name']}` | {where} | {kind} | {meaning} |"
        yield ""
    if (body := operation.get("requestBody")) is not None:
        yield from (f"Body: {_content(body)}", "")
    (success,) = [status for status in operation["responses"] if status.startswith("2")]
    others = sorted(operation["responses"].keys() - {success, *_ALWAYS})
    or_else = f"; or {', '.join(others)}" if others else ""
    yield from (f"Answer: {success}, {_content(operation['responses'][success])}{or_else}", "")


def _content(holder: dict[str, Any]) -> str:
    found = [
        _type(content.get("schema", {})) if media_type == "application/json" else f"`{media_type}`"
        for media_type, content in holder.get("content", {}).items()
    ]
    return ", ".join(found) or "no document"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield from (
        f"### {_shown(name)}",
        "",
        *([fill(_text(schema["description"]), 120), ""] if "description" in schema else []),
    )
    yield from ("| field | type | meaning |", "|---|---|---|")
    required = schema.get("required", [])
    for field, about in schema.get("properties", {}).items():
        optional = "" if field in required else ", may be left out"
        yield f"| `{field}` | {_type(about)}{optional} | {_cell(about.get('description'))} |"
    yield ""


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words: `integer from 1 to 100, 20 if left out`."""
    if "$ref" in schema:
        name = _shown(schema["$ref"].rpartition("/")[2])
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"]) + _default(schema)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")])) + _default(schema)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return f"{schema.get('type', 'anything')}{_bounds(schema)}{_default(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    words = (("minimum", "from"), ("maximum", "to"), ("minLength", "of at least"), ("maxLength", "of at most"))
    return "".join(f" {word} {int(schema[key])}" for key, word in words if key in schema)


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return f", `{json.dumps(default)}` if left out" if default not in (None, "", []) else ""


def _shown(name: str) -> str:
    """A schema's name; that of a page of a list without what Python adds to it."""
    return name.removeprefix("PageModel_").rstrip("_") + ("Page" if name.startswith("PageModel_") else "")


def _text(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str | None) -> str:
    return _text(text or "").replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write both files."""
    docs, document = Path(arguments[0]), described()
    (docs / "openapi.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    (docs / "api.md").write_text(page(document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
