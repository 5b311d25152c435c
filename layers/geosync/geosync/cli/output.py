"""Every output of the command: for people (a terminal, or a pipe) and for programs; ages, moments, counts.

A command makes an Answer and puts it out as somebody asked: `table` and `wide` for people, `json`, `tsv` and `name` for
programs. On a terminal a table is as wide as that and its long cells are folded. In a pipe a row is a line, with a tab
between two cells, and nothing is folded, padded or coloured. All that comes from outside is shown as plain text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeVar, get_args

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from geosync.clock import moment
from geosync.oci.words import printable

NOTHING_OWED, SOMETHING_WRONG, CANNOT_TELL, DECLINED = 0, 1, 2, 3
"""Exit codes: all is well; something is owed, failed or misconfigured; the question could not be answered; the caller
was asked, and said no."""

Format = Literal["table", "wide", "json", "tsv", "name"]
FORMATS: tuple[Format, ...] = get_args(Format)
FOR_PEOPLE: tuple[Format, ...] = ("table", "wide")
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

Command = TypeVar("Command", bound=Callable[..., Any])
"""The function of a command, as decorators take and return it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, and what a row shows there. `wide`: in the wide output alone."""

    title: str
    cell: Callable[[Any], object]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table for people."""

    columns: Sequence[Column]
    rows: Sequence[Any]
    has_titles: bool = True

    def parts(self, *, wide: bool) -> tuple[list[str], list[list[object]]]:
        """The titles and the cells of what is shown."""
        shown = [one for one in self.columns if wide or not one.wide]
        return [one.title for one in shown], [[one.cell(row) for one in shown] for row in self.rows]


Line = tuple[object, object]
"""A name, and what is said of it."""
Part = Grid | Text | str
"""A part of an answer for people: a table, a line with a style, a plain line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer in every output.

    `document` is the JSON document, `rows` are the objects in it that are one line each in `tsv` (their fields) and in
    `name` (the field `key`). `shown` is for people.
    """

    document: Any
    rows: Sequence[Mapping[str, Any]]
    shown: Sequence[Part]
    key: str = "name"


def output_option(command: Command) -> Command:
    """Have a command take -o, and --json as the versions before; it gets the parameter `output`."""

    def note_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.meta[_JSON] = True

    def chosen(ctx: click.Context, _: click.Parameter, value: Format) -> Format:
        return "json" if ctx.meta.get(_JSON) else value

    says = "How the answer is written.  [default: table]"
    option = click.option("-o", "--output", type=click.Choice(FORMATS), default="table", callback=chosen, help=says)
    alias = click.option(
        "--json", is_flag=True, is_eager=True, expose_value=False, callback=note_json, help="The same as -o json."
    )
    return option(alias(command))


_JSON = "geosync.json"


# ------------------------------------------------------------------------------------------------------- to put it out


def put(answer: Answer, output: Format, *, titles: bool = True) -> None:
    """Write an answer to standard output; without `titles` it goes on where the one before ended."""
    if output == "json":
        as_json(answer.document)
    elif output == "tsv":
        _write_lines(_tsv(answer.rows, _names(answer.rows), titles=titles))
    elif output == "name":
        _write_lines(_raw(row[answer.key]) for row in answer.rows)
    else:
        show(*answer.shown, wide=output == "wide", titles=titles)


def tell(message: str, output: Format, **fields: Any) -> None:
    """Write what was done: a line for people, a document with `message` and these fields for programs."""
    document = {"message": str(plain(message)), **fields}
    put(Answer(document=document, rows=[document], shown=[message]), output)


def refuse(why: str) -> NoReturn:
    """Write to standard error why nothing was done, and end the command with SOMETHING_WRONG."""
    click.echo(why, err=True)
    raise SystemExit(SOMETHING_WRONG)


class AnswerStream:
    """Answers one after the other: a document of JSON is a line for each row, and titles come once.

    `whole`: for people each answer stands for itself. It has its titles, and an empty line before it.
    """

    def __init__(self, output: Format, *, whole: bool = False) -> None:
        self._output = output
        self._whole = whole
        self._has_begun = False
        self._names: list[str] = []

    def put(self, answer: Answer) -> None:
        """Write one more."""
        if self._output == "json":
            _write_lines(json.dumps(row) for row in answer.rows)
        elif self._output == "tsv":
            self._put_tsv(answer.rows)
        elif answer.rows:
            self._put_next(answer)
        sys.stdout.flush()

    def _put_tsv(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows under the titles that there are; others are written where a row has a field beside these."""
        names = _names(rows)
        has_others = not set(names) <= set(self._names)
        self._names = names if has_others else self._names
        _write_lines(_tsv(rows, self._names, titles=has_others))

    def _put_next(self, answer: Answer) -> None:
        is_for_people = self._output != "name"
        if self._whole and self._has_begun and is_for_people:
            click.echo()
        put(answer, self._output, titles=self._whole or not self._has_begun)
        self._has_begun = True


def as_json(document: Any) -> None:
    """Print one JSON document, in ASCII: no terminal takes a part of it for a command."""
    click.echo(json.dumps(document, indent=2))


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields of rows, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _tsv(rows: Sequence[Mapping[str, Any]], names: Sequence[str], *, titles: bool) -> Iterator[str]:
    if rows and titles:
        yield "\t".join(names)
    for row in rows:
        yield "\t".join(_raw(row.get(name)) for name in names)


def _raw(value: Any) -> str:
    """A value of a document as a cell: empty for null, a list or an object as JSON, which escapes by itself."""
    if value is None:
        return ""
    return str(plain(value.translate(_ESCAPED))) if isinstance(value, str) else json.dumps(value)


def _write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


# --------------------------------------------------------------------------------------------------------- for people


def show(*parts: Part, wide: bool = False, titles: bool = True) -> None:
    """Print parts for people."""
    if is_terminal():
        out = console()
        for part in parts:
            whole = isinstance(part, Text) and part.no_wrap is True
            out.print(_renderable(part, wide=wide, titles=titles), soft_wrap=whole)
        return
    for part in parts:
        _write_lines(_piped(part, wide=wide, titles=titles))


def show_line(line: Text) -> None:
    """Print one line for people, and leave it one however long it is; the terminal breaks it."""
    line.no_wrap = True
    show(line)


def unbroken(text: str) -> Text:
    """A line that stays one however long it is, as a command does that is to be copied; the terminal breaks it."""
    line = plain(text)
    line.no_wrap = True
    return line


def is_terminal() -> bool:
    """True where a person looks at standard output."""
    return sys.stdout.isatty()


def console() -> Console:
    """The console of a terminal, as wide as that."""
    return Console(highlight=False)


def live() -> Live:
    """A part of the terminal that is written anew with each `shown`."""
    return Live(console=console(), auto_refresh=False)


def shown(parts: Iterable[Part], *, wide: bool = False) -> Group:
    """Parts as `live` takes them."""
    return Group(*(_renderable(part, wide=wide) for part in parts))


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show on a terminal, while the body runs, that something goes on."""
    if not (sys.stderr.isatty() and is_terminal()):
        yield
        return
    with Console(stderr=True, highlight=False).status(plain(text)):
        yield


def facts(lines: Iterable[Line]) -> Grid:
    """Make a table of names and what is said of each."""
    return Grid((Column("", lambda line: line[0]), Column("", lambda line: line[1])), list(lines), has_titles=False)


def plain(text: object, style: str = "") -> Text:
    """Show `text` as it is: no markup of rich's, and nothing that a terminal takes for a command."""
    return Text(printable(str(text)), style=style)


def _cell(cell: object) -> Text | ProgressBar:
    return cell if isinstance(cell, Text | ProgressBar) else plain(cell)


def _renderable(part: Part, *, wide: bool, titles: bool = True) -> RenderableType:
    if not isinstance(part, Grid):
        return part if isinstance(part, Text) else plain(part)
    names, rows = part.parts(wide=wide)
    made = Table(box=None, pad_edge=False, header_style="bold", show_header=part.has_titles and titles)
    for name in names:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*map(_cell, row))
    return made


def _piped(part: Part, *, wide: bool, titles: bool) -> Iterator[str]:
    if not isinstance(part, Grid):
        yield str(part if isinstance(part, Text) else plain(part))
        return
    names, rows = part.parts(wide=wide)
    if part.has_titles and titles:
        yield "\t".join(names)
    for row in rows:
        yield "\t".join(_in_words(cell) for cell in map(_cell, row)).rstrip("\t")


def _in_words(cell: Text | ProgressBar) -> str:
    """A cell in a pipe: of a bar the share that is done."""
    if isinstance(cell, Text):
        return cell.plain
    return f"{int(100 * cell.completed / cell.total) if cell.total else 100} %"


# ------------------------------------------------------------------------------------------------ ages, moments, counts


def age(since: int | None, now_ms: int) -> str:
    """Write the time since a moment (both in milliseconds since the epoch): `42 s`, `3 min`, `5 h`, `12 d`."""
    if since is None:
        return "?"
    seconds = max(now_ms - since, 0) // 1000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment_text(milliseconds: int) -> str:
    """Write a moment for people: RFC 3339 in UTC, to the second."""
    return f"{moment(milliseconds)[:19]}Z"


def some_names(names: Sequence[str], number: int) -> str:
    """Write names, with a `…` where they are not all of the `number`."""
    return ", ".join(names) + (" …" if number > len(names) else "")


def size_text(size_bytes: int | None) -> str:
    """Write `999 B`, `1.2 MB`, `not known`: in powers of 1000, as the dashboard does."""
    if size_bytes is None:
        return "not known"
    size, units = float(size_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        del units[0]
    return f"{size:.1f} {units[0]}" if size < 10 and units[0] != "B" else f"{size:.0f} {units[0]}"


def count(number: int, one: str, several: str = "", *, more: bool = False) -> str:
    """Write `1 reference`, `12 references`, `more than 1000 references`; by default the plural ends in `s`."""
    return f"{'more than ' if more else ''}{number} {one if number == 1 and not more else several or f'{one}s'}"
