"""`geosync repositories` at a primary: its container repositories, and what each of its sites has of them."""

from __future__ import annotations

import click

from geosync.cli.output import NOTHING_OWED, SOMETHING_WRONG, age, as_json, console, plain, table
from geosync.cli.site import StackSite
from geosync.cli.states import STATE_NAMES, VERIFICATION_NAMES
from geosync.operating import sites_repositories
from geosync.operating.sites_repositories import AtSite, ReportedRepository
from geosync.sync_registry.items import FAILED

PAGE = 100


def show_at_sites(site: StackSite, *, prefix: str, limit: int, as_document: bool) -> None:
    """Print them, and raise SystemExit: 1 if one has failed at a site."""
    found, more = _read(site, prefix, limit)
    if as_document:
        as_json({"repositories": [_document(one) for one in found], "more": more})
    elif found:
        _print(found, site.clock.now_ms(), more=more)
    else:
        click.echo(f"No site has reported a repository to {site.name} yet: geosync sites list shows which report")
    failed = any(one.row is not None and one.row.state == FAILED for repository in found for one in repository.sites)
    raise SystemExit(SOMETHING_WRONG if failed else NOTHING_OWED)


def _read(site: StackSite, prefix: str, limit: int) -> tuple[list[ReportedRepository], bool]:
    found: list[ReportedRepository] = []
    after: str | None = ""
    while after is not None and len(found) < limit:
        some, after = sites_repositories.page(
            site.sync_registry, limit=min(PAGE, limit - len(found)), after=after, prefix=prefix
        )
        found += some
    return found, after is not None


def _document(repository: ReportedRepository) -> dict[str, object]:
    return {"name": repository.name, "sites": [_at_site(one) for one in repository.sites]}


def _at_site(one: AtSite) -> dict[str, object]:
    """One site's part of the document; `known` null: it has not said."""
    row = one.row
    return {
        "site": one.site,
        "reported_at": one.at,
        "known": row is not None if one.at is not None else None,
        "state": STATE_NAMES[row.state] if row is not None else None,
        "verification_state": VERIFICATION_NAMES[row.verification_state] if row is not None else None,
        "last_synced_at": row.last_synced_at if row is not None else None,
    }


def _print(found: list[ReportedRepository], now_ms: int, *, more: bool) -> None:
    rows = ((one.name, *(_cell(at, now_ms) for at in one.sites)) for one in found)
    console().print(table(("repository", *(at.site for at in found[0].sites)), rows))
    if more:
        console().print(plain("… and more (--limit)", "dim"))


def _cell(one: AtSite, now_ms: int) -> object:
    if one.at is None:
        return plain("not reported yet", "dim")
    state = STATE_NAMES[one.row.state] if one.row is not None else "not there"
    style = "red" if one.row is not None and one.row.state == FAILED else ""
    return plain(f"{state} ({age(one.at, now_ms)} ago)", style)
