"""`geosync init`: asks what matters, writes the files, and says which step is next; run it again after each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click
from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.init import asking, notices, samconfig
from geosync.cli.init.answers import Answers
from geosync.cli.init.checking import access_options, checked
from geosync.cli.init.report import ANSWERS_FILE, InitReport
from geosync.cli.init.steps import CommandPlace, Found, Which, look, notice_file, secret_file, steps
from geosync.cli.output import FOR_PEOPLE, Format, output_option, plain, put
from geosync.cli.own_files import write_private
from geosync.cli.site import AwsAccess


@click.command()
@click.option(
    "--answers",
    "given",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the answers, instead of questions (docs/getting-started.md).",
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder of the package (default: this one).",
)
@click.option("--check/--no-check", default=True, help="Whether sites that are all deployed are checked.")
@output_option
@click.pass_context
def init(ctx: click.Context, *, given: Path | None, folder: Path, check: bool, output: Format) -> None:
    """Write the files that deploy sites; say what is next.

    The first time it asks which registries there are, where, and for the credentials. It writes samconfig.toml for
    `sam deploy --config-env SITE`, and a file for each secret, which only you can read. Each time it looks at AWS,
    fills in what is known by now, and prints what is done and the command that is next. It changes nothing in AWS.

    A program asks nobody: with -o json, tsv or name the answers are those of --answers or of the time before.

    Exit code 0: everything is deployed, and the checks found nothing. 1: something is left to do, or a check found a
    problem. 2: cannot tell.
    """
    is_for_people = output in FOR_PEOPLE
    answers = _answers(folder, given, may_ask=is_for_people)
    written = access_options(ctx)
    access = ctx.obj().access if "local" in written else AwsAccess.of(profile=written.get("profile"))
    try:
        seen = look(answers, access)
    except (BotoCoreError, ClientError) as error:
        click.echo(f"Cannot look at AWS, so nothing is known to be done: {plain(error)}", err=True)
        seen = Found(stacks={})
    answers = _write(folder, answers, seen)
    place = CommandPlace(folder=folder, profile=written.get("profile"))
    report = InitReport(
        place=place,
        is_known=seen.created is not None,
        steps=steps(answers, seen, place),
        private_files=[file for file in _private_files(answers) if place.has(file)],
    )
    if is_for_people:
        put(report.answer(), output)
    if check and report.is_deployed:
        report = replace(report, checks=checked(ctx, list(seen.stacks.values()), is_for_people=is_for_people))
    if not is_for_people:
        put(report.answer(), output)
    raise SystemExit(report.exit_code)


def _answers(folder: Path, given: Path | None, *, may_ask: bool) -> Answers:
    """Read the answers that are given or were kept, or ask; and keep them, without credentials."""
    kept = folder / ANSWERS_FILE
    if given is None and kept.exists():
        return Answers.parse(kept.read_text())
    if given is None and not may_ask:
        raise click.UsageError(f"there is no {kept}: give the answers with --answers, or answer with -o table")
    found = asking.ask() if given is None else Answers.parse(given.read_text())
    for site in found.secondaries:
        _write_secret(folder / secret_file(site, "local"), site.local)
        _write_secret(folder / secret_file(site, "primary"), site.primary)
    kept.write_text(found.kept())
    return found


def _write(folder: Path, answers: Answers, seen: Found) -> Answers:
    """Write what is known by now; return the answers, with what was written down once for all."""
    file = folder / samconfig.FILE
    before = file.read_text() if file.exists() else "version = 0.1\n"
    leader, known = seen.leader(answers), seen.known(answers)
    file.write_text(samconfig.written(before, answers.sites, leader, known, seen.created))
    primary = seen.stacks.get(answers.primary.name)
    if primary is None or answers.is_told:
        return answers
    token = primary.token("NotificationTokenSecretArn").decode()
    text = notices.notice(answers.primary, primary.outputs["NotificationsUrl"], token)
    if text is not None:
        write_private(folder / notice_file(answers.primary), text, prefix=".notice-")
    answers = replace(answers, is_told=True)
    (folder / ANSWERS_FILE).write_text(answers.kept())
    return answers


def _private_files(answers: Answers) -> list[Path]:
    """All files with secrets that may be in the folder."""
    secrets = [secret_file(site, which) for site in answers.sites for which in get_args(Which)]
    return [*secrets, notice_file(answers.primary)]


def _write_secret(file: Path, document: Mapping[str, Any] | None) -> None:
    if document is not None:
        write_private(file, json.dumps(document), prefix=".secret-")
