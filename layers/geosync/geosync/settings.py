"""Settings: what the template puts into a function's environment, read once into typed, frozen values.

Each function has one settings class (`notifications/settings.py`, `pair/settings.py`, …). A field's name in
upper case is its environment key, so the class is the whole list of keys; a test compares it with the template. A
field without a default is required. A key that is set to nothing (`KEY=`) counts as not set, since CloudFormation
cannot leave one out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from geosync.errors import ConfigurationError

Settings = TypeVar("Settings")
Role = Literal["primary", "secondary"]


def read(settings: type[Settings], environ: Mapping[str, str]) -> Settings:
    """Read `settings` (a dataclass of str, int, float, bool, Literal or optional fields) from `environ`.

    Raises ConfigurationError once, naming every key that is missing or has a value of the wrong form.
    """
    hints = _hints(settings)  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        key = field.name.upper()
        text = environ.get(key, "").strip()
        if not text:
            if field.default is dataclasses.MISSING:
                problems.append(f"{key} is missing")
            continue
        try:
            values[field.name] = _convert(text, hints[field.name])
        except ValueError as error:
            problems.append(f"{key} {error}")
    if problems:
        raise ConfigurationError(f"environment of {settings.__name__}: " + "; ".join(problems))
    return settings(**values)


@cache
def _hints(settings: type[Any]) -> dict[str, Any]:
    return get_type_hints(settings)


def keys(settings: type[Any]) -> set[str]:
    """The environment keys that `settings` reads."""
    return {field.name.upper() for field in dataclasses.fields(settings)}


def _convert(text: str, kind: Any) -> Any:
    """`text` as a value of the annotation `kind`; ValueError says what it must be. The value itself is not repeated."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (member for member in get_args(kind) if member is not type(None))
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"must be one of {', '.join(get_args(kind))}")
        return text
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("must be true or false")
        return text == "true"
    if kind in (int, float):
        return _number(text, kind)
    return text


def _number(text: str, kind: type[int] | type[float]) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError("must be a whole number" if kind is int else "must be a number") from None
    if not 0 <= number < float("inf"):
        raise ValueError("must not be negative")
    return number
