"""`geosync drill`: rehearse the loss of the primary, and keep the report."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.arguments import check_repository, duration
from geosync.cli.audit import audited, caller_of
from geosync.cli.awaited import WhichSites
from geosync.cli.drill.entries import reports_of
from geosync.cli.drill.rehearsal import PARALLEL, DrillOptions, Rehearsal
from geosync.cli.drill.ways import both_registries
from geosync.cli.output import (
    CANNOT_TELL,
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Format,
    Part,
    age,
    facts,
    moment_text,
    output_option,
    plain,
    put,
)
from geosync.cli.site import Chosen, StackSite
from geosync.drilling import canary, pages
from geosync.drilling.report import Document, Drill, document_of
from geosync.errors import DrillRefused, GeosyncError
from geosync.oci.deadline import Deadline
from geosync.sync_registry.site.drills import LastDrill
from geosync.threads import SYSTEM_THREADS

READS_S = 840.0
"""The longest that a drill reads registries, the canary's wait apart."""
LASTS_S = 1200.0
"""The time after which a drill that was killed has let go, the canary's wait apart: READS_S and six minutes."""
MIB = 1024 * 1024
EXIT_CODES = {"passed": NOTHING_OWED, "failed": SOMETHING_WRONG, "incomplete": CANNOT_TELL}
WRITERS: dict[str, Callable[[Document], str]] = {
    ".html": pages.page,
    ".md": pages.markdown,
    ".json": lambda report: json.dumps(report, indent=2) + "\n",
}
"""Of a report, by the end of the file's name."""


@click.command(short_help="Rehearse the loss of the primary at this secondary.")
@click.option("--site", "name", metavar="NAME", help="At this site, instead of the chosen one.")
@click.option(
    "--secondary",
    "secondaries",
    multiple=True,
    metavar="STACK@REGION",
    help="Where --site is to look. Can be repeated.",
)
@click.option(
    "--report",
    "files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report to FILE.html, FILE.md or FILE.json. Can be repeated.",
)
@click.option("--last", is_flag=True, help="Show the last drill's report, and begin none.")
@click.option(
    "--repository",
    default=canary.REPOSITORY,
    show_default=True,
    metavar="NAME",
    help="The canary's repository at the primary.",
)
@click.option(
    "--push-secret",
    metavar="ARN",
    help="The secret, in this site's region, to push the canary with (default: the site's own for the primary).",
)
@click.option(
    "--timeout", callback=duration, default="2m", show_default=True, help="The longest wait for the canary: 90s, 10m."
)
@click.option(
    "--sample", type=click.IntRange(0, 1000), default=20, show_default=True, help="References pulled in full."
)
@click.option(
    "--sample-mib", type=click.IntRange(0), default=1024, show_default=True, help="MiB that are read of them at most."
)
@click.option("--tags", type=click.IntRange(1), default=10_000, show_default=True, help="Tags compared at most.")
@output_option
@click.pass_obj
def drill(  # noqa: PLR0913 - one for each option
    choose: Callable[[], Chosen],
    *,
    name: str | None,
    secondaries: tuple[str, ...],
    files: tuple[Path, ...],
    last: bool,
    repository: str,
    push_secret: str | None,
    timeout: float,
    sample: int,
    sample_mib: int,
    tags: int,
    output: Format,
) -> None:
    """Rehearse the loss of the primary at this secondary. No client notices, and nothing is changed.

    Pushes a small image to the primary (the canary, GEOSYNC-DRILL:SITE) and waits until it is here. Reads what promote
    would list, and compares that with what the living primary has. Pulls a sample in full and hashes it. Has
    CloudFormation work out the update of a promotion as a change set, which is deleted. The report is kept.

    Exit code 0: passed. 1: failed, with what failed. 2: incomplete, with what is not known; or no drill was begun.
    """
    check_repository(repository, "--repository")
    _check_files(files)
    (site,) = WhichSites(name=name).stacks(choose, secondaries, "drill")
    options = DrillOptions(
        repository=repository,
        push_secret_arn=push_secret,
        timeout_s=timeout,
        sample=sample,
        most_bytes=sample_mib * MIB,
        most_tags=tags,
    )
    report = _last(site) if last else _carry_out(site, options)
    try:
        for file in files:
            with _only_said(f"{plain(file)} is not written"):
                file.write_text(WRITERS[file.suffix](report), encoding="utf-8")
        put(Answer(document=report, rows=[report], shown=list(_shown(report)), key="site"), output)
    finally:
        if not last:
            _keep(site, report)
    raise SystemExit(EXIT_CODES[report["verdict"]])


def _check_files(files: Sequence[Path]) -> None:
    """Refuse a file that cannot be written before there is a drill. Raises BadParameter."""
    for file in files:
        if file.suffix not in WRITERS:
            raise click.BadParameter(f"{plain(file)} is none of {', '.join(WRITERS)}", param_hint="--report")
        if not file.parent.is_dir():
            raise click.BadParameter(f"there is no folder {plain(file.parent)}", param_hint="--report")
        is_there = file.exists()
        try:
            file.open("a").close()
            if not is_there:
                file.resolve().unlink()  # until there is a report
        except OSError as error:
            text = f"{plain(file)} cannot be written: {error.strerror}"
            raise click.BadParameter(text, param_hint="--report") from error


@contextmanager
def _only_said(what: str) -> Iterator[None]:
    """Say on standard error what could not be done, and why; the report is there without it."""
    try:
        yield
    except (GeosyncError, BotoCoreError, ClientError, OSError) as error:
        click.echo(f"{what}: {error}", err=True)


def _last(site: StackSite) -> Document:
    """The report of the last drill; raises DrillRefused where there is none."""
    found = site.sync_registry.drills.last()
    if found is None:
        raise DrillRefused(f"{site.name} has had no drill yet")
    report = reports_of(site).read(found.id)
    if report is None:
        raise DrillRefused(f"the report of the drill of {moment_text(found.at)} ({found.verdict}) is not kept")
    return report


def _carry_out(site: StackSite, options: DrillOptions) -> Document:
    """Carry out a drill. Raises DrillRefused, with nothing done, where it cannot begin."""
    _refuse_while_stopped(site)
    deadline = Deadline(site.clock)
    deadline.set(READS_S + options.timeout_s)
    drill_id, who = uuid.uuid4().hex, caller_of(site)
    with (
        both_registries(site, deadline) as registries,
        audited(site, "drill", f"{options.repository}:{site.name}"),
        _alone(site, drill_id, who, options.timeout_s + LASTS_S),
        SYSTEM_THREADS.pool(PARALLEL, name="drill") as pool,
    ):
        drill = _drill(site, drill_id, who)
        found = Rehearsal(site, registries, options, deadline, drill_id).run(pool)
        return document_of(drill, found, ended_at=site.clock.now_ms())


def _keep(site: StackSite, report: Document) -> None:
    """Keep a report, and the verdict for status and the alarm.

    Each report names the one before it, and LastDrill the newest of that chain. A report that is not kept, or whose
    predecessor is not known, is left out of the chain; those before it stay in it.
    """
    before, newest = None, None
    is_known = False
    with _only_said(f"the report of {site.name} does not name the one before"):
        last = site.sync_registry.drills.last()
        before = newest = last.report_id if last is not None else None
        is_known = True
    with _only_said(f"{site.name} does not keep the report"):
        reports_of(site).keep(report, before=before)
        newest = report["id"] if is_known else None
    why = "; ".join((*report["failed"], *report["not_known"]))
    ended = LastDrill(
        id=report["id"],
        at=report["ended_at"],
        verdict=report["verdict"],
        why=why[:1000],
        recovery_point_age_ms=_ms(report["listed"]["recovery_point_age_s"]),
        recovery_time_ms=_ms(report["recovery_time"]["estimated_s"]),
        report_id=newest,
    )
    with _only_said(f"status and DrillAlarm of {site.name} do not know of this drill"):
        site.sync_registry.drills.record(ended)


def _ms(duration_s: float | None) -> int | None:
    return round(duration_s * 1000) if duration_s is not None else None


def _refuse_while_stopped(site: StackSite) -> None:
    """Raise DrillRefused while the site is paused or a registry is on hold: a drill would measure that."""
    pause = site.sync_registry.pauses.read()
    if pause is not None:
        raise DrillRefused(f"no drill was begun: {site.name} is paused: {pause.reason} ({pause.way_out})")
    for hold in site.sync_registry.holds():
        if hold.until > site.clock.now_ms():
            raise DrillRefused(f"no drill was begun: the registry {hold.registry} is on hold: {hold.reason}")


@contextmanager
def _alone(site: StackSite, owner: str, who: str, lasts_s: float) -> Iterator[None]:
    """Keep other drills of the site from beginning. Raises DrillRefused while there is one."""
    drills = site.sync_registry.drills
    other = drills.begin(owner, who=who, lasts_ms=round(lasts_s * 1000))
    if other is not None:
        since = age(other.began_at, site.clock.now_ms())
        until = f"if it runs no more, the next can begin at {moment_text(other.until)}"
        raise DrillRefused(f"no drill was begun: a drill of {other.who} began {since} ago; {until}")
    try:
        yield
    finally:
        with _only_said(f"the next drill of {site.name} can begin in {lasts_s / 60:.0f} min at the latest"):
            drills.end(owner)


def _drill(site: StackSite, drill_id: str, who: str) -> Drill:
    beat = site.sync_registry.heartbeat.read()
    return Drill(
        id=drill_id,
        site=site.name,
        who=who,
        began_at=site.clock.now_ms(),
        late_s=site.facts.late_s,
        primary=beat.site if beat is not None else None,
    )


def _shown(report: Document) -> Iterator[Part]:
    """The report for people."""
    styles = {"passed": "green", "incomplete": "yellow", "failed": "red"}
    yield plain(pages.headline(report), styles[report["verdict"]])
    for section in pages.sections(report):
        yield ""
        yield plain(section.title, "bold")
        yield facts(section.lines)
