"""The checks of sites that are all deployed: `geosync check` for each, as somebody would type it."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from typing import Any

import click

from geosync.cli.choosing.options import LOCAL_STATE, site_choice
from geosync.cli.output import CANNOT_TELL, NOTHING_OWED, SOMETHING_WRONG
from geosync.cli.site import StackSite


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCheck:
    """A check that was run. `answer` is the document that it wrote; None: it wrote none, or a person has read it."""

    command: str
    exit_code: int
    answer: Any = None


def checked(ctx: click.Context, stacks: Sequence[StackSite], *, is_for_people: bool) -> list[SiteCheck]:
    """Check each site, whatever becomes of the others. People read each finding as it comes."""
    return [_check(ctx, site, stacks, is_for_people=is_for_people) for site in stacks]


def worst(checks: Sequence[SiteCheck]) -> int:
    """The exit code of all: 1 before 2 before 0."""
    codes = {one.exit_code for one in checks}
    return SOMETHING_WRONG if SOMETHING_WRONG in codes else CANNOT_TELL if codes - {NOTHING_OWED} else NOTHING_OWED


def access_options(ctx: click.Context) -> dict[str, str]:
    """The options that lead to AWS: those on the command line, or those that a --context stands for."""
    choice = site_choice(ctx)
    return choice.context().fields() if "context" in choice.written else choice.written


def _check(ctx: click.Context, site: StackSite, stacks: Sequence[StackSite], *, is_for_people: bool) -> SiteCheck:
    arguments = [*_choice(ctx, site), "check", *_other_ends(site, stacks)]
    command = shlex.join(["geosync", *arguments])
    if is_for_people:
        click.echo(f"\n{command}")
    written = io.StringIO()
    with nullcontext() if is_for_people else redirect_stdout(written):
        code = _exit_code(ctx, arguments if is_for_people else [*arguments, "-o", "json"])
    return SiteCheck(command=command, exit_code=code, answer=json.loads(written.getvalue() or "null"))


def _exit_code(ctx: click.Context, arguments: list[str]) -> int:
    """Run a command; a failure of it is told on standard error."""
    try:
        ctx.find_root().command.main(arguments, standalone_mode=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    except click.ClickException as error:
        error.show()
        return CANNOT_TELL
    return NOTHING_OWED


def _other_ends(site: StackSite, stacks: Sequence[StackSite]) -> list[str]:
    """The options of `check` that name the sites that follow this one, or those that it follows."""
    followers = [("--secondary", one) for one in stacks if one.follows(site)]
    ends = followers or [("--primary", one) for one in stacks if site.follows(one)]
    return [word for option, one in ends for word in (option, f"{one.stack}@{one.region}")]


def _choice(ctx: click.Context, site: StackSite) -> list[str]:
    """The options that choose a site as this command's own choose AWS."""
    written = access_options(ctx)
    if "local" in written:
        return ["--local", site.name, "--local-state", written.get("local_state", LOCAL_STATE)]
    profile = ["--profile", written["profile"]] if "profile" in written else []
    return ["--stack", site.stack, "--region", site.region, *profile]
