"""`geosync repositories` at a primary: its container repositories, and what each of its sites has of them."""

from __future__ import annotations

from typing import Any

from geosync.cli.former import with_former
from geosync.cli.output import (
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Column,
    Format,
    Grid,
    Part,
    age,
    plain,
    put,
)
from geosync.cli.site import StackSite
from geosync.operating import sites_repositories
from geosync.operating.documents import STATES, reported_repository_fields
from geosync.operating.repositories import RowFilter
from geosync.operating.sites_repositories import AtSite, ReportedRepository
from geosync.sync_registry.items import FAILED

PAGE = 100


def show_at_sites(site: StackSite, *, prefix: str, limit: int, output: Format) -> None:
    """Print the repositories, and raise SystemExit: 1 if one has failed at a site."""
    found, more = _read(site, prefix, limit)
    documents = [_document(one) for one in found]
    shown: list[Part] = [
        _grid(found, site.clock.now_ms())
        if found
        else f"No site has reported a repository to {site.name} yet: geosync sites list shows which report"
    ]
    if more:
        shown.append(plain("… and more (--limit)", "dim"))
    put(Answer(document={"repositories": documents, "more": more}, rows=documents, shown=shown), output)
    failed = any(one.row is not None and one.row.state == FAILED for repository in found for one in repository.sites)
    raise SystemExit(SOMETHING_WRONG if failed else NOTHING_OWED)


def _read(site: StackSite, prefix: str, limit: int) -> tuple[list[ReportedRepository], bool]:
    found: list[ReportedRepository] = []
    after: str | None = ""
    while after is not None and len(found) < limit:
        some, after = sites_repositories.page(
            site.sync_registry, RowFilter(prefix=prefix), limit=min(PAGE, limit - len(found)), after=after
        )
        found += some
    return found, after is not None


def _document(repository: ReportedRepository) -> dict[str, Any]:
    document = reported_repository_fields(repository)
    former = ({"reported_at": at.at, "last_synced_at": at.row and at.row.last_synced_at} for at in repository.sites)
    document["sites"] = [with_former(*one) for one in zip(document["sites"], former, strict=True)]
    return document


def _grid(found: list[ReportedRepository], now_ms: int) -> Grid:
    def at(place: int) -> Column:
        return Column(found[0].sites[place].site, lambda one: _cell(one.sites[place], now_ms))

    return Grid((Column("repository", lambda one: one.name), *map(at, range(len(found[0].sites)))), found)


def _cell(one: AtSite, now_ms: int) -> object:
    if one.at is None:
        return plain("not reported yet", "dim")
    state = STATES[int(one.row.state)] if one.row is not None else "not there"
    style = "red" if one.row is not None and one.row.state == FAILED else ""
    return plain(f"{state} ({age(one.at, now_ms)} ago)", style)
