"""`geosync sites`: the sites that a primary expects to report their status, and the last report of each."""

from __future__ import annotations

from collections.abc import Callable

import click

from geosync.cli.arguments import site_names
from geosync.cli.audit import audited
from geosync.cli.former import with_former
from geosync.cli.output import (
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Column,
    Format,
    Grid,
    age,
    output_option,
    plain,
    put,
    refuse,
    tell,
)
from geosync.cli.site import Chosen, StackSite
from geosync.cli.status.fleet import show_fleet
from geosync.clock import moment, optional_moment
from geosync.errors import ConfigurationError
from geosync.operating import sites
from geosync.sync_registry.site.sites import KnownSite, SiteReport


@click.group("sites", short_help="Show and change the sites that a primary expects.")
def sites_group() -> None:
    """Tell a primary which sites to expect, and see how each is."""


@sites_group.command("status", short_help="Show the state of each site, the primary first.")
@output_option
@click.pass_obj
def sites_status(choose: Callable[[], Chosen], *, output: Format) -> None:
    """Show how each site is, the primary first: the others as they reported last.

    Exit code 1 unless all of them are healthy.
    """
    show_fleet(_primary(choose), output)


@sites_group.command("list")
@output_option
@click.pass_obj
def list_sites(choose: Callable[[], Chosen], *, output: Format) -> None:
    """List the sites that the primary expects.

    Exit code 1 when one of them is late or has never reported.
    """
    site = _primary(choose)
    now_ms, reports = site.clock.now_ms(), site.sync_registry.sites.reports()
    known = [(one, reports.get(one.name)) for one in site.sync_registry.sites.all()]
    documents = [_document(one, report, now_ms) for one, report in known]
    nothing = f"{site.name} expects no sites: geosync sites add"
    put(Answer(document=documents, rows=documents, shown=[Grid(_columns(now_ms), known) if known else nothing]), output)
    raise SystemExit(SOMETHING_WRONG if any(_is_late(report, now_ms) for _, report in known) else NOTHING_OWED)


def _is_late(report: SiteReport | None, now_ms: int) -> bool:
    return sites.silence(report, now_ms=now_ms) is not None


def _document(site: KnownSite, report: SiteReport | None, now_ms: int) -> dict[str, object]:
    arrived = report.arrived_at if report is not None else None
    document = {
        "id": site.id,
        "name": site.name,
        "url": site.url,
        "added_at": moment(site.added_at),
        "reported_at": optional_moment(arrived),
        "late": _is_late(report, now_ms),
    }
    return with_former(document, {"reported_at": arrived})


def _columns(now_ms: int) -> tuple[Column, ...]:
    def reported(row: tuple[KnownSite, SiteReport | None]) -> object:
        report = row[1]
        text = f"{age(report.arrived_at, now_ms)} ago" if report is not None else "never"
        return plain(text, "red" if _is_late(report, now_ms) else "")

    return (
        Column("id", lambda row: row[0].id),
        Column("name", lambda row: row[0].name),
        Column("url", lambda row: row[0].url),
        Column("added", lambda row: f"{age(row[0].added_at, now_ms)} ago", wide=True),
        Column("reported", reported),
    )


@sites_group.command()
@click.argument("name")
@click.argument("url")
@click.option("--secondary", metavar="STACK@REGION", help="The site's stack, where its report token is read.")
@click.option("--report-key", metavar="HEX", help="The digest of that token (geosync sites key, at the site).")
@output_option
@click.pass_obj
def add(
    choose: Callable[[], Chosen],
    *,
    name: str,
    url: str,
    secondary: str | None,
    report_key: str | None,
    output: Format,
) -> None:
    """Have the primary expect the site NAME, whose dashboard is at URL. Run it again to change the URL.

    A site with the name of another one is refused: a site's id follows from its name.
    """
    _check(name, url, report_key)
    if (secondary is None) == (report_key is None):
        raise click.UsageError("name the site's stack (--secondary), or the digest of its token (--report-key)")
    chosen = choose()
    site = _primary(lambda: chosen)
    if not site.takes_reports:
        raise sites.private(site.name)
    key = report_key or key_of(*chosen.named(secondary or ""))
    wanted = KnownSite(name=name, url=url, added_at=site.clock.now_ms(), report_key=key)
    sites.refuse_twin(site.sync_registry.sites, site.name, wanted)
    with audited(site, "sites add", name, url):
        sites.expect(site.sync_registry.sites, site.name, wanted)
    tell(f"{site.name} expects {name}. Its stack needs PrimaryAdminUrl={site.outputs['AdminUrl']}", output, name=name)


def _check(name: str, url: str, report_key: str | None) -> None:
    """Raise BadParameter for the first that cannot be."""
    if not sites.NAME.fullmatch(name):
        raise click.BadParameter(f"{plain(name)} is not the name of a site", param_hint="NAME")
    if not sites.URL.fullmatch(url):
        raise click.BadParameter("must be http(s)://host/path, without user or query", param_hint="URL")
    if report_key is not None and not sites.KEY.fullmatch(report_key):
        raise click.BadParameter("must be the 64 hex digits that geosync sites key prints", param_hint="--report-key")


@sites_group.command()
@click.argument("name", shell_complete=site_names)
@output_option
@click.pass_obj
def remove(choose: Callable[[], Chosen], *, name: str, output: Format) -> None:
    """Have the primary stop expecting the site NAME. Exit code 1 when it did not expect it."""
    site = _primary(choose)
    told = {one.name for one in site.sync_registry.told.read().sites}
    if name not in told and site.sync_registry.sites.find(name) is None:
        refuse(f"{site.name} does not expect {plain(name)}")
    with audited(site, "sites remove", name):
        site.sync_registry.sites.remove(name)
        site.sync_registry.told.forget(name)
        site.sync_registry.reported_rows.forget(name)
    tell(f"{site.name} no longer expects {name}.", output, name=name)


@sites_group.command(short_help="Print the digest of this site's report token.")
@output_option
@click.pass_obj
def key(choose: Callable[[], Chosen], *, output: Format) -> None:
    """Print the digest of this site's report token, for `geosync sites add` at the primary. It is no secret."""
    site = choose().site()
    document = {"name": site.name, "report_key": key_of(site)}
    put(Answer(document=document, rows=[document], shown=[document["report_key"]]), output)


def key_of(site: StackSite) -> str:
    """The digest of a site's report token, as the primary keeps it. Raises botocore's errors."""
    return sites.report_key(site.token("ReportTokenSecretArn").decode("ascii"))


def _primary(choose: Callable[[], Chosen]) -> StackSite:
    site = choose().site()
    if not site.is_primary:
        raise ConfigurationError(f"{site.name} is a secondary: which sites to expect is the primary's matter")
    return site
