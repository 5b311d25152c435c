"""`geosync check`: a site's misconfigurations by name, each with the way to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import click
from rich.text import Text

from geosync.cli.arguments import check_repository, repository_names
from geosync.cli.checks import clock, concurrency, endpoint, quotas, registries, sync, throttles, wiring
from geosync.cli.checks.findings import CheckFinding, CheckLook, Name, exit_code, looks, skipped
from geosync.cli.output import FOR_PEOPLE, Answer, Format, output_option, plain, put, show_line
from geosync.cli.site import Chosen, StackSite
from geosync.errors import ConfigurationError

_STYLES = {"ok": "green", "problem": "bold red", "unknown": "yellow", "skipped": "dim"}


@click.command()
@click.option(
    "--secondary",
    "secondaries",
    multiple=True,
    metavar="STACK@REGION",
    help="At the primary: see a test notification arrive at this site. Can be repeated.",
)
@click.option(
    "--primary",
    metavar="STACK@REGION",
    help="At a secondary: post a test notification to this site's endpoint and see it arrive here.",
)
@click.option(
    "--repository",
    metavar="NAME",
    shell_complete=repository_names,
    help="Also ask both registries for the tags of this repository.",
)
@output_option
@click.pass_obj
def check(
    choose: Callable[[], Chosen],
    *,
    secondaries: tuple[str, ...],
    primary: str | None,
    repository: str | None,
    output: Format,
) -> None:
    """Look for misconfigurations; each with the way to fix it.

    No event is made and no repository is touched. The test notification is a heartbeat, as the primary posts one every
    minute. functions/reconcile is run once beside its schedule, functions/log_cursor and functions/sync without a
    message. At a site where S3 copies layers, it copies a small blob of the primary's and links it in a repository of
    its own, geosync-check; the link is taken back.

    Exit code 0: all that was looked at is ok. 1: there is a problem. 2: something could not be looked at.
    """
    if repository is not None:
        check_repository(repository, "--repository")
    chosen = choose()
    site = chosen.site()
    others = _others(chosen, site, secondaries, primary)
    found: list[CheckFinding] = []
    for finding in looks(_looks(site, others, repository)):
        found.append(finding)
        if output in FOR_PEOPLE:
            show_line(_line(finding))
    code = exit_code(found)
    if output not in FOR_PEOPLE:
        findings = [asdict(one) for one in found]
        document = {"site": site.name, "role": site.role, "ok": code == 0, "findings": findings}
        put(Answer(document=document, rows=findings, shown=[]), output)
    raise SystemExit(code)


def _others(chosen: Chosen, site: StackSite, secondaries: tuple[str, ...], primary: str | None) -> list[StackSite]:
    """The sites at the other end of the test notification's way: those named, or those of the local stack."""
    if site.is_primary:
        if primary is not None:
            raise click.UsageError(f"{site.name} is the primary: name secondaries with --secondary")
        return chosen.named(*secondaries) or [one for one in chosen.other_sites() if one.follows(site)]
    if secondaries:
        raise click.UsageError(f"{site.name} is a secondary: name its primary with --primary")
    if primary is not None:
        return chosen.named(primary)
    return _leaders(chosen, site)


def _leaders(chosen: Chosen, site: StackSite) -> list[StackSite]:
    """The primary of the local stack that this secondary follows now; if it follows none of them, the only one."""
    primaries = [one for one in chosen.other_sites() if one.is_primary]
    followed = [one for one in primaries if site.follows(one)]
    return followed or (primaries if len(primaries) == 1 else [])


def _looks(site: StackSite, others: list[StackSite], repository: str | None) -> list[tuple[Name, CheckLook]]:
    """All looks, in the order of a push's way."""
    first: list[tuple[Name, CheckLook]] = [
        ("stack", lambda: wiring.look_at_the_stack(site)),
        ("clock", lambda: clock.look(site)),
        ("concurrency", lambda: concurrency.look(site)),
        ("api_rate", lambda: quotas.look_at_the_api(site)),
        ("topic_rate", lambda: quotas.look_at_the_topic(site)),
        ("table_units", lambda: quotas.look_at_the_tables(site)),
        ("event_log", lambda: quotas.look_at_the_event_log(site)),
        ("throttled", lambda: throttles.look(site)),
        ("calls_throttled", lambda: throttles.look_in_the_logs(site)),
        ("endpoint_reachable", lambda: endpoint.look(site)),
    ]
    last: list[tuple[Name, CheckLook]] = [
        ("local_registry", lambda: registries.look(site, repository)),
        ("s3_copies", lambda: () if site.is_primary else wiring.look_at_s3_copies(site, repository)),
        ("schedule", lambda: wiring.look_at_the_schedule(site)),
        ("reconcile", lambda: wiring.look_at_reconcile(site)),
        ("dlq_empty", lambda: sync.look_at_the_dlq(site)),
    ]
    arrival: tuple[Name, CheckLook] = ("test_notification", lambda: _arrival(site, others))
    if site.is_primary:
        middle: list[tuple[Name, CheckLook]] = [
            ("replication_enabled", lambda: wiring.look_at_the_topic(site)),
            ("reports_arrive", lambda: wiring.look_at_the_reports(site)),
            ("pulls_ignored", lambda: endpoint.look_at_the_registry(site)),
            arrival,
        ]
        return [*first, *middle, *last]
    middle = [
        ("replication_enabled", lambda: wiring.look_at_the_subscription(site)),
        ("events_are_taken", lambda: wiring.look_at_the_event_sources(site)),
        ("log_cursor", lambda: wiring.look_at_log_cursor(site)),
        ("sync", lambda: wiring.look_at_sync(site)),
        arrival,
        ("not_paused", lambda: sync.look_at_the_site(site)),
        ("sweep", lambda: sync.look_at_the_sweep(site)),
    ]
    return [*first, *middle, *last]


def _arrival(site: StackSite, others: list[StackSite]) -> Iterator[CheckFinding]:
    if not others:
        option = "--secondary STACK@REGION" if site.is_primary else "--primary STACK@REGION"
        yield skipped("test_notification", "not sent: the other end of its way is not named", option)
        return
    primary, secondaries = (site, others) if site.is_primary else (others[0], [site])
    if not primary.is_primary or any(one.is_primary for one in secondaries):
        raise ConfigurationError("a test notification goes from a primary to secondaries: see --primary, --secondary")
    yield from endpoint.look_for_arrival(primary, secondaries)


def _line(finding: CheckFinding) -> Text:
    line = Text.assemble(plain(f"{finding.name} ... "), plain(finding.result, _STYLES[finding.result]))
    line.append_text(plain(f": {finding.text}"))
    if finding.fix is not None:
        line.append_text(plain(f" -> {finding.fix}"))
    return line
