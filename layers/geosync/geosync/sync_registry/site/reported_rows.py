"""At a primary: the rows of its sites as they report them, a page with each report.

A partition `#rows-of#<site>` for each site. An item is a page: the site's rows whose names come after `after` up to
`until`, as they were `at` (ms, the site's clock), as JSON text. Its key is where it ends, so that the first page behind
a name is the first item behind it. A site reports page after page and begins anew at the end: a page replaces what it
covers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from geosync.sync_registry.items import Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Delete, Key, Store, Update

_PARTITION, _PAGE = "#rows-of#", "page#"
END = "~"
"""Where the last page ends: behind every name of a repository."""
AT_ONCE = 4
"""Pages read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRow:
    """A row as its site reported it; the states as the rows hold them."""

    name: str
    state: str
    verification_state: str
    last_synced_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedPage:
    """All rows of a site between two names, as they were `at` (ms)."""

    after: str
    until: str
    at: int
    rows: tuple[ReportedRow, ...]

    @property
    def following(self) -> str:
        """The name after which the next page begins: at the beginning after the last one."""
        return "" if self.until == END else self.until


class ReportedRows:
    """Keeps the pages of every site."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, site: str, page: ReportedPage) -> None:
        """Keep a page, in place of what it covers."""
        for key in self._covered(site, page):
            self._store.write(Delete(key=key))
        rows = [[one.name, one.state, one.verification_state, one.last_synced_at] for one in page.rows]
        values = {"after": page.after, "at": page.at, "rows": json.dumps(rows, separators=(",", ":"))}
        self._store.write(Update(key=_key(site, page.until), set=values))

    def pages(self, site: str, *, after: str) -> Iterator[ReportedPage]:
        """The pages that hold rows after a name, in order; read as they are taken."""
        last = _PAGE + after if after else ""
        while items := self._store.items(_PARTITION + site, _PAGE, limit=AT_ONCE, after=last):
            yield from map(_page, items)
            last = str(items[-1]["item"])

    def forget(self, site: str) -> None:
        """Forget all pages of a site."""
        while items := self._store.items(_PARTITION + site, _PAGE, limit=AT_ONCE):
            for item in items:
                self._store.write(Delete(key=Key(_PARTITION + site, str(item["item"]))))

    def _covered(self, site: str, page: ReportedPage) -> list[Key]:
        """The keys of the pages that end within a page."""
        covered: list[Key] = []
        last, end = _PAGE + page.after if page.after else "", _key(site, page.until).item
        while items := self._store.items(_PARTITION + site, _PAGE, limit=AT_ONCE, after=last):
            within = [str(item["item"]) for item in items if item["item"] < end]
            covered += [Key(_PARTITION + site, name) for name in within]
            if len(within) < len(items):
                break
            last = within[-1]
        return covered


def _key(site: str, until: str) -> Key:
    return Key(_PARTITION + site, _PAGE + until)


def _page(item: Item) -> ReportedPage:
    return ReportedPage(
        after=str(item.get("after", "")),
        until=str(item["item"]).removeprefix(_PAGE),
        at=whole_number(item, "at"),
        rows=tuple(_rows(json.loads(str(item.get("rows", "[]"))))),
    )


def _rows(kept: Iterable[list[object]]) -> Iterator[ReportedRow]:
    for name, state, verification_state, last_synced_at in kept:
        yield ReportedRow(
            name=str(name),
            state=str(state),
            verification_state=str(verification_state),
            last_synced_at=last_synced_at if isinstance(last_synced_at, int) else None,
        )
