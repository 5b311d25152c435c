"""`--wait` of `geosync resync` and `reverify`: until what was asked for is done, or the time is over."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NoReturn

import click

from geosync.cli.arguments import duration
from geosync.cli.following import POLL_SECONDS, FailedLook, look_once
from geosync.cli.output import CANNOT_TELL, NOTHING_OWED, SOMETHING_WRONG, Command, Format, plain, spinner, tell
from geosync.cli.site import StackSite


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The rest of what is to be done: how much (None: nobody knows), in words, and what did not end well."""

    count: int | None
    what: str
    failed: tuple[str, ...] = ()


def wait_options(command: Command) -> Command:
    """Have a command take --wait and --timeout."""
    wait = click.option("--wait", is_flag=True, help="Wait until it is done.")
    timeout = click.option(
        "--timeout", callback=duration, default="10m", show_default=True, help="The longest wait: 90s, 10m, 1h."
    )
    return wait(timeout(command))


def owed_in(site: StackSite, repositories: Collection[str], only: frozenset[str] = frozenset()) -> Callable[[], Left]:
    """A look at what is owed in some repositories, of these references alone if any are named.

    A repository in which nothing is owed any more is not looked at again.
    """
    waited_for = set(repositories)

    def look() -> Left:
        left, failed, why = 0, list[str](), ""
        for name in sorted(waited_for):
            owed = [one for one in site.sync_registry.owed(name) if not only or str(one.reference) in only]
            open_ones = [one for one in owed if not one.parked]
            failed += [f"{name}:{one.reference}: {one.failure}" for one in owed if one.parked]
            left += len(open_ones)
            why = next((f": {one.failure}" for one in open_ones if one.failure is not None), why)
            if not owed:
                waited_for.discard(name)
        what = f"{left} {'reference is' if left == 1 else 'references are'} owed{why}"
        return Left(count=left, what=what, failed=tuple(failed))

    return look


def finish(site: StackSite, said: str, look: Callable[[], Left], timeout_s: float, output: Format) -> NoReturn:
    """Wait until nothing is left, say how it ended, and raise SystemExit."""
    end_s, found = site.clock.monotonic_s() + timeout_s, look_once(look)
    with spinner(f"{said} Waiting …"):
        while not _is_over(found) and (left_s := end_s - site.clock.monotonic_s()) > 0:
            site.clock.sleep(min(POLL_SECONDS, left_s))
            found = look_once(look)
    if isinstance(found, FailedLook):
        click.echo(f"{site.name} cannot be asked: {plain(found.why)}", err=True)
        raise SystemExit(CANNOT_TELL)
    done = found.count == 0
    ended = "Done." if done else f"Not done after {timeout_s:.0f} s: {found.what}."
    tell(f"{said} {ended}", output, name=site.name, done=done, left=found.count, failed=list(found.failed))
    for one in found.failed:
        click.echo(f"failed: {plain(one)}", err=True)
    raise SystemExit(NOTHING_OWED if done and not found.failed else SOMETHING_WRONG)


def _is_over(found: Left | FailedLook) -> bool:
    return isinstance(found, Left) and found.count == 0
