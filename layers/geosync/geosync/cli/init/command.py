"""`geosync init`: asks what matters, writes the files, and says which step is next; run it again after each."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.choosing.options import LOCAL_STATE, site_choice
from geosync.cli.init import asking, notices, samconfig
from geosync.cli.init.answers import Answers
from geosync.cli.init.steps import CommandPlace, Found, look, notice_file, secret_file, steps
from geosync.cli.output import plain
from geosync.cli.site import AwsAccess, StackSite
from geosync.tokens import read_tokens

ANSWERS_FILE = "geosync-init.json"


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
@click.pass_context
def init(ctx: click.Context, given: Path | None, folder: Path, check: bool) -> None:
    """Write what deploys sites, and say what is next.

    The first time it asks which registries there are, where, and for the credentials. It writes samconfig.toml for
    `sam deploy --config-env SITE`, and a file for each secret, which only you can read. Each time it looks at AWS,
    fills in what is known by now, and prints what is done and the command that is next. It changes nothing in AWS.

    Exit code 0: everything is deployed, and the checks found nothing. 1: something is left to do, or a check found a
    problem. 2: cannot tell.
    """
    answers = _answers(folder, given)
    written = _way(ctx)
    access = ctx.obj().access if "local" in written else AwsAccess.of(profile=written.get("profile"))
    try:
        seen = look(answers, access)
    except (BotoCoreError, ClientError) as error:
        click.echo(f"Cannot look at AWS, so nothing is known to be done: {plain(error)}", err=True)
        seen = Found(stacks={})
    answers = _write(folder, answers, seen)
    left = _show(answers, seen, CommandPlace(folder=folder, profile=written.get("profile")))
    if seen.created is None:
        raise SystemExit(2)
    if left or not check:
        raise SystemExit(1 if left else 0)
    raise SystemExit(_checked(ctx, list(seen.stacks.values())))


def _answers(folder: Path, given: Path | None) -> Answers:
    """Read the answers that are given or were kept, or ask; and keep them, without credentials."""
    kept = folder / ANSWERS_FILE
    if given is None and kept.exists():
        return Answers.parse(kept.read_text())
    found = asking.ask() if given is None else Answers.parse(given.read_text())
    for site in found.secondaries:
        _write_private(folder / secret_file(site, "local"), site.local)
        _write_private(folder / secret_file(site, "primary"), site.primary)
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
    text = notices.notice(answers.primary, primary.outputs["NotificationsUrl"], _token(primary))
    if text is not None:
        _write_private_text(folder / notice_file(answers.primary), text)
    answers = replace(answers, is_told=True)
    (folder / ANSWERS_FILE).write_text(answers.kept())
    return answers


def _token(stack: StackSite) -> str:
    return read_tokens(stack.client("secretsmanager"), stack.outputs["NotificationTokenSecretArn"])[0].decode()


def _write_private(file: Path, document: Mapping[str, Any] | None) -> None:
    if document is not None:
        _write_private_text(file, json.dumps(document))


def _write_private_text(file: Path, text: str) -> None:
    """Write what only this user can read, from its first moment on."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)


def _show(answers: Answers, seen: Found, place: CommandPlace) -> bool:
    """Print the steps; True where one is left."""
    found = steps(answers, seen, place)
    if place.folder != Path() and any(step.state != "done" for step in found):
        click.echo(shlex.join(["cd", str(place.folder)]))
    for number, step in enumerate(found, 1):
        click.echo(f"{step.state:8} {number}. {plain(step.text)}")
        if step.command:
            click.echo(f"            {step.command}")
    left = any(step.state in {"next", "later"} for step in found)
    if left:
        again = place.command("geosync", "init")
        click.echo(f"Then: {again} (parameters are in {samconfig.FILE}, what you answered in {ANSWERS_FILE})")
    return left


def _other_ends(site: StackSite, stacks: Sequence[StackSite]) -> list[str]:
    """The options of `check` that name the sites that follow this one, or those that it follows."""
    followers = [("--secondary", one) for one in stacks if one.follows(site)]
    ends = followers or [("--primary", one) for one in stacks if site.follows(one)]
    return [word for option, one in ends for word in (option, f"{one.stack}@{one.region}")]


def _checked(ctx: click.Context, stacks: Sequence[StackSite]) -> int:
    """Check each site, whatever becomes of the others; the worst exit code: 1 before 2 before 0."""
    codes = set()
    for site in stacks:
        arguments = [*_choice(ctx, site), "check", *_other_ends(site, stacks)]
        click.echo("\n" + shlex.join(["geosync", *arguments]))
        try:
            ctx.find_root().command.main(arguments, standalone_mode=False)
        except SystemExit as ended:
            codes.add(ended.code)
        except click.ClickException as error:
            error.show()
            codes.add(2)
    return 1 if 1 in codes else 2 if codes - {0} else 0


def _way(ctx: click.Context) -> dict[str, str]:
    """The options that lead to AWS: those that are written, and of a --context what it keeps."""
    choice = site_choice(ctx)
    return choice.context().fields() if "context" in choice.written else choice.written


def _choice(ctx: click.Context, site: StackSite) -> list[str]:
    """The options that choose a site as this command's own choose AWS."""
    written = _way(ctx)
    if "local" in written:
        return ["--local", site.name, "--local-state", written.get("local_state", LOCAL_STATE)]
    profile = ["--profile", written["profile"]] if "profile" in written else []
    return ["--stack", site.stack, "--region", site.region, *profile]
