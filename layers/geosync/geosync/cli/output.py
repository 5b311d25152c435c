"""Output for people and programs: tables, lines, JSON, ages. Everything from outside is shown as plain text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

NOTHING_OWED, SOMETHING_WRONG, CANNOT_TELL, DECLINED = 0, 1, 2, 3
"""Exit codes: all is well; something is owed, failed or misconfigured; the question could not be answered; the caller
was asked, and said no."""
WIDTH_OF_A_PIPE = 240


def console() -> Console:
    """The console for tables: standard output, as wide as the terminal; in a pipe wide, and without colours."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE, highlight=False)


def plain(text: object, style: str = "") -> Text:
    """Show `text` as it is: no markup of rich's, and nothing that a terminal takes for a command."""
    return Text("".join(one if one.isprintable() else " " for one in str(text)), style=style)


def as_json(document: Any) -> None:
    """Print one JSON document, in ASCII: no terminal takes a part of it for a command. Times are integer ms."""
    click.echo(json.dumps(document, indent=2))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a table of plain cells."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text | ProgressBar) else plain(cell) for cell in row))
    return made


def age(since: int | None, now_ms: int) -> str:
    """Write the time since a moment (both in milliseconds since the epoch): `42 s`, `3 min`, `5 h`, `12 d`."""
    if since is None:
        return "?"
    seconds = max(now_ms - since, 0) // 1000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment(milliseconds: int) -> str:
    """Write a moment as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def count(number: int, more: bool, what: str) -> str:
    """Write `1 reference`, `12 references`, `more than 1000 references`."""
    return f"{'more than ' if more else ''}{number} {what}{'' if number == 1 and not more else 's'}"
