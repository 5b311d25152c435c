"""A primary's container repositories, and what each of its sites has of them, as the sites reported their rows.

No registry and no site is asked. A repository is listed that at least one site has a row for, which is every one that
a geo event or a comparison named there. Of a site that has not yet reported the rows around a name, nothing is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from geosync.sync_registry.site.reported_rows import ReportedPage, ReportedRow
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
    sync_registry: SyncRegistry, *, limit: int, after: str = "", prefix: str = ""
) -> tuple[tuple[ReportedRepository, ...], str | None]:
    """The next at most `limit` repositories after a name, and after which there may be more (None: no more).

    Of the names those that begin with `prefix`. It costs a query or two for each site.
    """
    if not NAME_CHARACTERS.fullmatch(prefix):
        return (), None
    sites = [_Rows.read(sync_registry, one.name, prefix, after, limit) for one in sync_registry.sites.all()]
    names = sorted({name for one in sites for name in one.names})
    found = tuple(
        ReportedRepository(name=name, sites=tuple(one.at_site(name) for one in sites)) for name in names[:limit]
    )
    return tuple(found), names[limit - 1] if len(names) > limit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The reported rows of one site from some name on: `limit` names, and one more where there is one."""

    site: str
    pages: tuple[ReportedPage, ...]
    names: tuple[str, ...]

    @classmethod
    def read(cls, sync_registry: SyncRegistry, site: str, prefix: str, after: str, limit: int) -> _Rows:
        """Read pages until there are enough names."""
        pages: list[ReportedPage] = []
        names: list[str] = []
        covered = start = max(after, _before(prefix))
        for one in sync_registry.reported_rows.pages(site, after=start):
            begins = max(one.after, covered)  # a page of before may reach into the one before it
            rows = tuple(row for row in one.rows if row.name > begins)
            pages.append(replace(one, after=begins, rows=rows))
            names += [row.name for row in rows if row.name.startswith(prefix)]
            covered = one.until
            if len(names) > limit or (rows and rows[-1].name > prefix and not rows[-1].name.startswith(prefix)):
                break
        return cls(site=site, pages=tuple(pages), names=tuple(names))

    def at_site(self, name: str) -> AtSite:
        """The row that the site told of, or that it told of none."""
        for one in self.pages:
            if one.after < name <= one.until:
                row = next((row for row in one.rows if row.name == name), None)
                return AtSite(site=self.site, at=one.at, row=row)
        return AtSite(site=self.site, at=None, row=None)


def _before(prefix: str) -> str:
    """A text behind every name that comes before those with this prefix."""
    return f"{prefix[:-1]}{chr(ord(prefix[-1]) - 1)}~" if prefix else ""
