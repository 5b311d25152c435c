"""One table of a TOML file, changed where it stands: other tables, other keys and comments stay as they are."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from geosync.errors import ConfigurationError


def changed(text: str, table: Sequence[str], values: Mapping[str, str | bool]) -> str:
    """Return the TOML with these values in the table, which is added at the end if it is not there.

    A value that is there already stays as it is written. Raises ConfigurationError where the table is written in
    another way than below a line [a.b.c].
    """
    entries = _entries(text)
    if _at(tomllib.loads(text), table) is None:
        added = [f"[{'.'.join(table)}]", *_lines(values), ""]
        return f"{text.rstrip()}\n\n".lstrip() + "\n".join(added)
    start = next((index for index, entry in enumerate(entries) if _is_header(entry, table)), None)
    if start is None:
        raise ConfigurationError(f"write it as a table of its own, below a line [{'.'.join(table)}]")
    end = next((index for index in range(start + 1, len(entries)) if _begins_a_table(entries[index])), len(entries))
    return "".join([*entries[: start + 1], *_own(entries[start + 1 : end], values), *entries[end:]])


def _own(entries: Sequence[str], values: Mapping[str, str | bool]) -> list[str]:
    """The entries of the table with these values; those that it had not come behind its last value."""
    own = [_entry(entry, values) for entry in entries]
    known = {name for entry in own for name in tomllib.loads(entry)}
    more = [f"{line}\n" for line in _lines({name: one for name, one in values.items() if name not in known})]
    last = next((index for index in range(len(own), 0, -1) if tomllib.loads(own[index - 1])), 0)
    return [*own[:last], *more, *own[last:]]


def _at(document: Any, table: Sequence[str]) -> Any:
    for name in table:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _entries(text: str) -> list[str]:
    """The lines, those of a value of several lines together: the fewest that are TOML by themselves."""
    found, begun = [], ""
    for line in text.rstrip("\n").split("\n"):
        begun += f"{line}\n"
        try:
            tomllib.loads(begun)
        except tomllib.TOMLDecodeError:
            continue
        found.append(begun)
        begun = ""
    return found


def _is_header(entry: str, table: Sequence[str]) -> bool:
    """Tell whether an entry is the table's own line, however its names are quoted and spaced."""
    return _begins_a_table(entry) and _at(tomllib.loads(entry), table) == {}


def _begins_a_table(entry: str) -> bool:
    return entry.lstrip().startswith("[")


def _entry(entry: str, values: Mapping[str, str | bool]) -> str:
    """The entry, with the new value where it has another one."""
    for name, value in tomllib.loads(entry).items():
        if name in values and values[name] != value:
            return f"{name} = {json.dumps(values[name])}\n"
    return entry


def _lines(values: Mapping[str, str | bool]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in values.items()]
