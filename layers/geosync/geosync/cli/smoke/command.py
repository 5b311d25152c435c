"""`geosync smoke`: prove in an account of one's own what no emulator shows, and leave nothing behind."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click

from geosync.cli.arguments import duration
from geosync.cli.choosing.options import option_words, site_choice
from geosync.cli.output import (
    CANNOT_TELL,
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Column,
    Format,
    Grid,
    Part,
    output_option,
    plain,
    put,
)
from geosync.cli.site import AwsAccess
from geosync.cli.smoke.leftovers import Leftover
from geosync.cli.smoke.names import PRIMARY, SECONDARY, TAG, Side, SmokeNames, SmokePlace
from geosync.cli.smoke.package import SmokePackage
from geosync.cli.smoke.registries import EcrRegistries, GivenRegistries, GivenRegistry, SmokeRegistries
from geosync.cli.smoke.run import OURS, SmokeOptions, SmokeRun
from geosync.cli.smoke.steps import SmokeStep, Steps, Verdict, verdict_of
from geosync.clock import moment

EXIT_CODES: dict[Verdict, int] = {"seen": NOTHING_OWED, "not seen": SOMETHING_WRONG}
STYLES: dict[Verdict, str] = {"seen": "green", "not seen": "red", "not known": "yellow", "not tried": "yellow"}
PLAN = """\
This makes, in your account, all with one random id in its name and in the tag {tag}:

  two stacks, geosync-smoke-<id>-a in {a} and geosync-smoke-<id>-b in {b}, with about a hundred resources each;
  a bucket for their code in each region;
  {registries}.

It pushes five images of some hundred bytes, waits until they arrive, retags, deletes, promotes, reads metrics, and
removes everything again. By estimate that takes 20 minutes, most of them CloudFormation's, and costs some US cents,
well below one dollar: nobody has measured either. Nothing is done without --account-is-mine."""


@click.command(short_help="Prove a package in your own account, and remove all of it.")
@click.option("--account-is-mine", is_flag=True, help="Do it. Without, it says what it would make, and ends with 2.")
@click.option(
    "--package",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder of the package (default: this one).",
)
@click.option("--other-region", metavar="REGION", help="The secondary's region (default: that of --region).")
@click.option("--primary-registry", metavar="URL", help="A registry for the primary, instead of Amazon ECR.")
@click.option("--secondary-registry", metavar="URL", help="And one for the secondary.")
@click.option(
    "--primary-secret", metavar="ARN", default="", help="The secret, in the secondary's region, to push to the first."
)
@click.option("--secondary-secret", metavar="ARN", default="", help="The secret, there too, to push to the second.")
@click.option(
    "--parameter",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="One more parameter of both sites. Can be repeated.",
)
@click.option("--timeout", callback=duration, default="5m", show_default=True, help="The longest wait of a step.")
@click.option(
    "--metrics-timeout", callback=duration, default="4m", show_default=True, help="The longest wait for metrics."
)
@click.option("--keep", is_flag=True, help="Remove nothing.")
@click.option("--remove", "remove_id", metavar="ID", help="Remove what the run ID has left.")
@output_option
@click.pass_context
def smoke(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    *,
    account_is_mine: bool,
    folder: Path,
    other_region: str | None,
    primary_registry: str | None,
    secondary_registry: str | None,
    primary_secret: str,
    secondary_secret: str,
    given: tuple[str, ...],
    timeout: float,
    metrics_timeout: float,
    keep: bool,
    remove_id: str | None,
    output: Format,
) -> None:
    """Prove a package in your own account, and remove all of it.

    Deploys two throw-away sites with two ECR registries (or given ones), pushes, waits, retags, deletes, promotes,
    reads metrics, says what was seen against what is promised, and removes everything that it made, also after a
    failure or Ctrl-C.

    Exit code 0: every promise was seen. 1: one was not, or something is left. 2: one is not known, or nothing was done.
    """
    access, regions = _where(ctx, other_region)
    registries = _registries_given(primary_registry, secondary_registry, primary_secret, secondary_secret)
    if remove_id is not None:
        if other_region is None:
            raise click.UsageError(
                "--remove cannot know where the secondary was: name --other-region, also if it is that of --region"
            )
        _remove(access, regions, registries, remove_id, output)
    if not account_is_mine:
        what = "nothing at the two registries but images" if registries else "ECR repositories, and a secret for them"
        click.echo(PLAN.format(tag=f"{TAG}=<id>", a=regions[PRIMARY], b=regions[SECONDARY], registries=what))
        raise SystemExit(CANNOT_TELL)
    options = SmokeOptions(
        package=SmokePackage.read(folder),
        parameters=_parameters(given),
        timeout_s=timeout,
        metrics_timeout_s=metrics_timeout,
        keep=keep,
    )
    place = SmokePlace.find(access, SmokeNames.new(), regions)
    run = _run(place, registries, options)
    again = _removing(ctx, place, registries)
    click.echo(f"This run is {place.names.id}. If it is killed, remove what it leaves:\n  {again}", err=True)
    began = moment(place.clock.now_ms())
    with _terminated_as_interrupted():
        steps = run.run()
    if len(steps) > 1 and (keep or steps[-1].verdict != "seen"):  # after the first alone nothing was made
        click.echo(f"Remove what is {'kept' if keep else 'left'}:\n  {again}", err=True)
    _end(place, steps, run.left, output, began)


def _where(ctx: click.Context, other: str | None) -> tuple[AwsAccess, dict[Side, str]]:
    """The way to AWS, and the region of each site. Raises UsageError for a site that somebody chose."""
    written = site_choice(ctx).written
    chosen = [name for name in ("stack", "context") if name in written]
    if chosen:
        raise click.UsageError(f"smoke makes its own sites: --{chosen[0]} is not for it")
    if "local" in written:
        access: AwsAccess = ctx.obj().access
    else:
        access = AwsAccess.of(profile=written.get("profile"), region=written.get("region"))
    region = written.get("region") or access.session.region_name
    if not region:
        raise click.UsageError("which region? --region REGION, AWS_REGION, or a profile that has one")
    if "profile" in written:
        os.environ["AWS_PROFILE"] = written["profile"]  # Amazon ECR's client is made elsewhere, by the environment
    return access, {PRIMARY: region, SECONDARY: other or region}


def _registries_given(
    primary: str | None, secondary: str | None, primary_secret: str, secondary_secret: str
) -> Mapping[Side, GivenRegistry] | None:
    """The registries that are given, None for Amazon ECR. Raises UsageError for half of them."""
    if primary is None and secondary is None:
        if primary_secret or secondary_secret:
            raise click.UsageError("a secret is for a registry: --primary-registry, --secondary-registry")
        return None
    if primary is None or secondary is None:
        raise click.UsageError("name both registries: --primary-registry and --secondary-registry")
    return {
        PRIMARY: GivenRegistry(url=primary, secret_arn=primary_secret),
        SECONDARY: GivenRegistry(url=secondary, secret_arn=secondary_secret),
    }


def _parameters(given: tuple[str, ...]) -> dict[str, str]:
    """Read NAME=VALUE. Raises BadParameter, also for a parameter that the run decides."""
    found = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{plain(text)} is not NAME=VALUE", param_hint="--parameter")
        if name in OURS:
            raise click.BadParameter(f"{name} is the run's to decide", param_hint="--parameter")
        found[name] = value
    return found


def _pair(place: SmokePlace, given: Mapping[Side, GivenRegistry] | None) -> SmokeRegistries:
    return EcrRegistries(place) if given is None else GivenRegistries(place=place, given=given)


def _run(place: SmokePlace, given: Mapping[Side, GivenRegistry] | None, options: SmokeOptions) -> SmokeRun:
    return SmokeRun(place=place, registries=_pair(place, given), options=options, say=_say, tell=_tell)


def _say(step: SmokeStep) -> None:
    """Say how a step ended, as it does."""
    click.echo(f"{step.verdict:9}  {step.took_s:6.1f} s  {step.title}: {plain(step.seen)}", err=True)


def _tell(text: str) -> None:
    click.echo(str(plain(text)), err=True)


def _removing(ctx: click.Context, place: SmokePlace, given: Mapping[Side, GivenRegistry] | None) -> str:
    """The command that removes what a run has left."""
    written = {name: value for name, value in site_choice(ctx).written.items() if name != "region"}
    words = ["geosync", "smoke", "--remove", place.names.id, *option_words(written)]
    words += ["--region", place.regions[PRIMARY], "--other-region", place.regions[SECONDARY]]
    for name, side in (("primary", PRIMARY), ("secondary", SECONDARY)):
        if given is not None:
            words += [f"--{name}-registry", given[side].url]
            words += [f"--{name}-secret", given[side].secret_arn] if given[side].secret_arn else []
    return shlex.join(words)


def _remove(
    access: AwsAccess,
    regions: Mapping[Side, str],
    given: Mapping[Side, GivenRegistry] | None,
    remove_id: str,
    output: Format,
) -> NoReturn:
    """Remove what a run has left."""
    if not SmokeNames.is_id(remove_id):
        raise click.BadParameter(
            f"{plain(remove_id)} is no id of a run: ten digits, 0-9 and a-f", param_hint="--remove"
        )
    place = SmokePlace.find(access, SmokeNames(remove_id), regions)
    options = SmokeOptions(
        package=SmokePackage(folder=Path(), zips=()), parameters={}, timeout_s=0, metrics_timeout_s=0
    )
    run = _run(place, given, options)
    steps, began = Steps(place.clock, _say), moment(place.clock.now_ms())
    steps.take("removal", "what is there of the run is removed", run.remove)
    _end(place, steps.taken, run.left, output, began)


def _end(place: SmokePlace, steps: list[SmokeStep], left: list[Leftover], output: Format, began: str) -> NoReturn:
    """Put the report out; raises SystemExit."""
    verdict = verdict_of(steps)
    rows = [
        {"name": step.title, **{key: value for key, value in asdict(step).items() if key != "title"}} for step in steps
    ]
    document: dict[str, Any] = {
        "id": place.names.id,
        "account": place.account,
        "regions": [place.regions[PRIMARY], place.regions[SECONDARY]],
        "began_at": began,
        "verdict": verdict,
        "steps": rows,
        "left": [{"what": one.words, "why": one.why, "command": one.command} for one in left],
    }
    put(Answer(document=document, rows=rows, shown=list(_shown(steps, left, verdict))), output)
    raise SystemExit(EXIT_CODES.get(verdict, CANNOT_TELL))


def _shown(steps: list[SmokeStep], left: list[Leftover], verdict: Verdict) -> Iterator[Part]:
    """The report for people."""
    columns = (
        Column("step", lambda step: step.title),
        Column("promised", lambda step: step.promise),
        Column("", lambda step: plain(step.verdict, STYLES[step.verdict])),
        Column("seen", lambda step: step.seen),
        Column("s", lambda step: f"{step.took_s:.1f}"),
    )
    yield Grid(columns, steps)
    seen = sum(step.verdict == "seen" for step in steps)
    yield plain(f"{seen} of {len(steps)} promises were seen: {verdict}.", STYLES[verdict])
    if left:
        yield "Left, with the command that removes it:"
        yield Grid((Column("what", lambda one: one.words), Column("command", lambda one: one.command)), left)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Have SIGTERM end the steps as Ctrl-C does, so that what was made is removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
