"""`geosync sites`: the sites that a primary expects to report their status, and the last report of each."""

from __future__ import annotations

from collections.abc import Callable

import click

from geosync.cli.audit import audited
from geosync.cli.output import age, as_json, console, plain, table
from geosync.cli.site import Chosen, StackName, StackSite
from geosync.errors import ConfigurationError
from geosync.operating import sites
from geosync.sync_registry.site.sites import KnownSite, SiteReport
from geosync.tokens import read_tokens


@click.group("sites", short_help="Which sites a primary expects to report.")
def sites_group() -> None:
    """Tell a primary which sites to expect, and see when each reported last."""


@sites_group.command("list")
@click.option("--json", "as_document", is_flag=True, help="One JSON document; times in milliseconds since the epoch.")
@click.pass_obj
def list_sites(choose: Callable[[], Chosen], as_document: bool) -> None:
    """List the sites that the primary expects.

    Exit code 1 when one of them is late or has never reported.
    """
    site = _primary(choose)
    now_ms, reports = site.clock.now_ms(), site.sync_registry.sites.reports()
    known = [(one, reports.get(one.name)) for one in site.sync_registry.sites.all()]
    if as_document:
        as_json([_document(one, report, now_ms) for one, report in known])
    elif known:
        console().print(table(("id", "name", "url", "reported"), (_row(one, report, now_ms) for one, report in known)))
    else:
        click.echo(f"{site.name} expects no sites: geosync sites add")
    raise SystemExit(1 if any(_is_late(report, now_ms) for _, report in known) else 0)


def _is_late(report: SiteReport | None, now_ms: int) -> bool:
    return sites.silence(report, now_ms=now_ms) is not None


def _document(site: KnownSite, report: SiteReport | None, now_ms: int) -> dict[str, object]:
    return {
        "id": site.id,
        "name": site.name,
        "url": site.url,
        "reported_at": report.arrived_at if report is not None else None,
        "late": _is_late(report, now_ms),
    }


def _row(site: KnownSite, report: SiteReport | None, now_ms: int) -> tuple[object, ...]:
    reported = f"{age(report.arrived_at, now_ms)} ago" if report is not None else "never"
    return (site.id, site.name, site.url, plain(reported, "red" if _is_late(report, now_ms) else ""))


@sites_group.command()
@click.argument("name")
@click.argument("url")
@click.option("--secondary", metavar="STACK@REGION", help="The site's stack, where its report token is read.")
@click.option("--report-key", metavar="HEX", help="That digest itself (geosync sites key, at the site).")
@click.pass_obj
def add(choose: Callable[[], Chosen], name: str, url: str, secondary: str | None, report_key: str | None) -> None:
    """Have the primary expect the site NAME, whose dashboard is at URL. Once more changes the URL.

    A site with the name of another one is refused: each has its id by its name.
    """
    _check(name, url, report_key)
    if (secondary is None) == (report_key is None):
        raise click.UsageError("name the site's stack (--secondary), or the digest of its token (--report-key)")
    chosen = choose()
    site = _primary(lambda: chosen)
    if not site.takes_reports:
        raise sites.private(site.name)
    key = (
        report_key
        if report_key is not None
        else key_of(StackSite.find(chosen.access, StackName.parse(secondary or "")))
    )
    wanted = KnownSite(name=name, url=url, added_at=site.clock.now_ms(), report_key=key)
    sites.refuse_twin(site.sync_registry.sites, site.name, wanted)
    with audited(site, "sites add", name, url):
        sites.expect(site.sync_registry.sites, site.name, wanted)
    click.echo(f"{site.name} expects {name}. Its stack needs PrimaryAdminUrl={site.outputs['AdminUrl']}")


def _check(name: str, url: str, report_key: str | None) -> None:
    """Raise BadParameter for the first that cannot be."""
    if not sites.NAME.fullmatch(name):
        raise click.BadParameter(f"{plain(name)} is not the name of a site", param_hint="NAME")
    if not sites.URL.fullmatch(url):
        raise click.BadParameter("must be http(s)://host/path, without user or query", param_hint="URL")
    if report_key is not None and not sites.KEY.fullmatch(report_key):
        raise click.BadParameter("must be the 64 hex digits that geosync sites key prints", param_hint="--report-key")


@sites_group.command()
@click.argument("name")
@click.pass_obj
def remove(choose: Callable[[], Chosen], name: str) -> None:
    """Have the primary stop expecting the site NAME. Exit code 1 when it did not expect it."""
    site = _primary(choose)
    told = {one.name for one in site.sync_registry.told.read().sites}
    if name not in told and site.sync_registry.sites.find(name) is None:
        click.echo(f"{site.name} does not expect {plain(name)}", err=True)
        raise SystemExit(1)
    with audited(site, "sites remove", name):
        site.sync_registry.sites.remove(name)
        site.sync_registry.told.forget(name)
        site.sync_registry.reported_rows.forget(name)
    click.echo(f"{site.name} no longer expects {name}.")


@sites_group.command(short_help="Print the digest of this site's report token.")
@click.pass_obj
def key(choose: Callable[[], Chosen]) -> None:
    """Print the digest of this site's report token, for `geosync sites add` at the primary. It is no secret."""
    click.echo(key_of(choose().site()))


def key_of(site: StackSite) -> str:
    """The digest of a site's report token, as the primary keeps it. Raises botocore's errors."""
    token = read_tokens(site.client("secretsmanager"), site.outputs["ReportTokenSecretArn"])[0]
    return sites.report_key(token.decode("ascii"))


def _primary(choose: Callable[[], Chosen]) -> StackSite:
    site = choose().site()
    if not site.is_primary:
        raise ConfigurationError(f"{site.name} is a secondary: which sites to expect is the primary's matter")
    return site
