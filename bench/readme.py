"""Keeps the last tables in bench/README.md, each between two marks."""

from __future__ import annotations

import os
import platform
import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

# What else ran on this machine before a measurement did.
_LOAD = os.getloadavg()[0]


def replace(path: Path, section: str, lines: Iterable[str]) -> None:
    """Replace what is between the marks of a section; raises ValueError when the file has no such marks."""
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    before, found_begin, rest = path.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path} has no marks for {section}")
    wrapped = (part for line in lines for part in _wrapped(line))
    path.write_text(f"{before}{begin}\n" + "\n".join(wrapped) + f"\n{end}{after}")


def _wrapped(line: str) -> list[str]:
    """Return a paragraph's lines; a table's row stays one."""
    return [line] if not line or line.startswith("|") else textwrap.wrap(line, width=120)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table's lines in Markdown."""
    return [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}", *(f"| {' | '.join(row)} |" for row in rows)]


def with_losses(lines: Sequence[str], losses: Sequence[str]) -> list[str]:
    """Return a table's lines, and below them what was over what is asked for, or slower than the other."""
    return [*lines, "", f"Not met, or slower: {'; '.join(losses)}."] if losses else [*lines]


def tell(section: str, lines: Sequence[str], losses: Sequence[str], *, path: Path | None, more: str = "") -> None:
    """Print a section's lines with its losses, and keep them in `path` if there is one. `more` is said of the run."""
    told = with_losses(lines, losses)
    print("\n".join(told))
    if path is not None:
        replace(path, section, [f"{machine()}{more}:", "", *told])


def machine() -> str:
    """Return the day, and what was measured on: how busy it was when this process began, too."""
    python = platform.python_version()
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores with a load of {_LOAD:.1f} before, Python {python}"
