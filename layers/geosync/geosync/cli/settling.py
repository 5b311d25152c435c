"""`--wait` of `geosync resync` and `reverify`: until what was asked for is done, or the time is over."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NoReturn

import click

from geosync.cli.arguments import duration
from geosync.cli.following import POLL_SECONDS, FailedLook, look_once
from geosync.cli.output import CANNOT_TELL, NOTHING_OWED, SOMETHING_WRONG, Command, Format, count, plain, spinner, tell
from geosync.cli.site import StackSite
from geosync.sync_registry.items import Owed, Reference

PAGE = 1000
"""Owed references that are read at a time."""
MOST_WAITING = 1000
"""Owed references of a repository that a look counts; of more it says that there are more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The work that is left: how much (None: not known), in words, and what failed."""

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


def owed_in(site: StackSite, repositories: Collection[str], only: Collection[Reference] = ()) -> Callable[[], Left]:
    """A look at what is owed in some repositories, of these references alone if any are named.

    A repository in which nothing is owed any more is not looked at again.
    """
    waited_for = set(repositories)

    def look() -> Left:
        left, more, failed, why = 0, False, list[str](), ""
        for name in sorted(waited_for):
            found = _named(site, name, only) if only else _all(site, name)
            left += len(found.waiting)
            more |= found.more
            failed += found.failed
            why = next((f": {one.failure}" for one in found.waiting if one.failure is not None), why)
            if found.is_nothing:
                waited_for.discard(name)
        what = f"{count(left, 'reference is', 'references are', more=more)} owed{why}"
        return Left(count=None if more else left, what=what, failed=tuple(failed))

    return look


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """References owed in a repository: those tried again by themselves (`more`: there are more), those that are not."""

    waiting: tuple[Owed, ...]
    failed: tuple[str, ...]
    more: bool = False

    @property
    def is_nothing(self) -> bool:
        return not (self.waiting or self.failed or self.more)


def _named(site: StackSite, repository: str, only: Collection[Reference]) -> _Found:
    """Those of these references that are owed."""
    found = site.sync_registry.owed_named((repository, one) for one in only)
    failed = [
        f"{repository}:{reference}: {owed.failure if owed is not None else 'what is owed cannot be read'}"
        for (_, reference), owed in found.items()
        if owed is None or owed.parked
    ]
    waiting = tuple(one for one in found.values() if one is not None and not one.parked)
    return _Found(waiting=waiting, failed=tuple(sorted(failed)))


def _all(site: StackSite, repository: str) -> _Found:
    """All that is owed, read page after page until MOST_WAITING are known. Raises CorruptItem."""
    waiting, failed, after = list[Owed](), list[str](), ""
    while page := site.sync_registry.owed(repository, limit=PAGE, after=after):
        waiting += (one for one in page if not one.parked)
        failed += (f"{repository}:{one.reference}: {one.failure}" for one in page if one.parked)
        if len(waiting) > MOST_WAITING:
            return _Found(waiting=tuple(waiting[:MOST_WAITING]), failed=tuple(failed), more=True)
        after = page[-1].reference.owed_key
    return _Found(waiting=tuple(waiting), failed=tuple(failed))


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
