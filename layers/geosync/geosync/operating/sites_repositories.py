"""A primary's container repositories, and what each of its sites has of them, as the sites reported their rows.

No registry and no site is asked. A repository is listed that at least one site has a row for, which is every one that
a geo event or a comparison named there. Of a site that has not yet reported the rows around a name, nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from geosync.operating.repositories import SEARCHED, RowFilter
from geosync.sync_registry.site.reported_rows import END, ReportedPage, ReportedRow
from geosync.sync_registry.sync_registry import SyncRegistry

NAME_CHARACTERS = re.compile(r"[a-z0-9._/-]*")
"""The characters of repositories' names: a prefix of others fits none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSite:
    """One repository at one site. `row` None: the site has none; `at` (ms) None: the site has not told yet."""

    site: str
    at: int | None
    row: ReportedRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRepository:
    """A repository of the primary, and what each of its sites has of it."""

    name: str
    sites: tuple[AtSite, ...]


def page(
    sync_registry: SyncRegistry, wanted: RowFilter, *, limit: int, after: str = ""
) -> tuple[tuple[ReportedRepository, ...], str | None]:
    """The next at most `limit` repositories after a name, and after which there may be more (None: no more).

    Of the names those that `wanted` takes; the states of rows are not looked at. It costs a query or two for each site,
    and with a search as many as SEARCHED names take: then the page may be short although there are more.
    """
    if not NAME_CHARACTERS.fullmatch(wanted.prefix):
        return (), None
    known = sync_registry.sites.all()
    most = SEARCHED // max(len(known), 1)
    sites = [_Rows.read(sync_registry, one.name, wanted, after, limit=limit, most=most) for one in known]
    names, stopped_at = _names(sites)
    found = tuple(
        ReportedRepository(name=name, sites=tuple(one.at_site(name) for one in sites)) for name in names[:limit]
    )
    return found, names[limit - 1] if len(names) > limit else stopped_at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The reported rows of one site from some name on: `limit` names, and one more where there is one.

    `stopped_at`: the search has looked at enough names, up to this one.
    """

    site: str
    pages: tuple[ReportedPage, ...]
    names: tuple[str, ...]
    stopped_at: str | None

    @classmethod
    def read(
        cls, sync_registry: SyncRegistry, site: str, wanted: RowFilter, after: str, *, limit: int, most: int
    ) -> _Rows:
        """Read pages until there are enough names, or `most` were looked at."""
        pages: list[ReportedPage] = []
        names: list[str] = []
        prefix, looked, stopped_at = wanted.prefix, 0, None
        covered = start = max(after, _before(prefix))
        for one in sync_registry.reported_rows.pages(site, after=start):
            begins = max(one.after, covered)  # a page of an earlier report may reach into the one before it
            rows = tuple(row for row in one.rows if row.name > begins)
            pages.append(replace(one, after=begins, rows=rows))
            names += [row.name for row in rows if wanted.takes_name(row.name)]
            covered = one.until
            looked += len(rows)
            if looked >= most and one.until != END:
                stopped_at = one.until
                break
            if len(names) > limit or _is_beyond(rows, prefix):
                break
        return cls(site=site, pages=tuple(pages), names=tuple(names), stopped_at=stopped_at)

    def at_site(self, name: str) -> AtSite:
        """The row that the site told of, or that it told of none."""
        for one in self.pages:
            if one.after < name <= one.until:
                row = next((row for row in one.rows if row.name == name), None)
                return AtSite(site=self.site, at=one.at, row=row)
        return AtSite(site=self.site, at=None, row=None)


def _is_beyond(rows: Sequence[ReportedRow], prefix: str) -> bool:
    """True where the last of `rows` comes after every name with this prefix."""
    return bool(rows) and rows[-1].name > prefix and not rows[-1].name.startswith(prefix)


def _before(prefix: str) -> str:
    """A text behind every name that comes before those with this prefix."""
    return f"{prefix[:-1]}{chr(ord(prefix[-1]) - 1)}~" if prefix else ""


def _names(sites: Sequence[_Rows]) -> tuple[list[str], str | None]:
    """The names that all of the sites were read up to, sorted, and the one at which the first of them stopped."""
    stopped_at = min((one.stopped_at for one in sites if one.stopped_at is not None), default=None)
    return sorted({name for one in sites for name in one.names if stopped_at is None or name <= stopped_at}), stopped_at
