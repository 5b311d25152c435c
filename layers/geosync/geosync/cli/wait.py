"""`geosync wait`: until an image is at a site, for pipelines. Which sites, and how they are asked: awaited.py."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from math import inf

import click
from click.core import ParameterSource

from geosync.cli.arguments import check_repository, duration, parse_reference, repository_names, site_names
from geosync.cli.awaited import AwaitedSite, StackAwaited, WhichSites
from geosync.cli.choosing.options import site_choice
from geosync.cli.following import FailedLook, look_once
from geosync.cli.output import (
    CANNOT_TELL,
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Format,
    output_option,
    plain,
    put,
    spinner,
)
from geosync.cli.pace import LookPace
from geosync.cli.site import Chosen
from geosync.clock import SYSTEM_CLOCK, Clock, optional_moment
from geosync.oci.references import is_digest
from geosync.reading.arrival import Arrival, AwaitedImage
from geosync.sync_registry.items import Reference
from geosync.threads import SYSTEM_THREADS

MOST_AT_ONCE = 8
"""Sites that are asked side by side."""


@click.command(short_help="Wait until an image is at one site or at all sites.")
@click.argument("image", metavar="REPOSITORY[:TAG][@DIGEST]", shell_complete=repository_names)
@click.option(
    "--site", "name", metavar="NAME", shell_complete=site_names, help="At this site, instead of the chosen one."
)
@click.option("--all-sites", is_flag=True, help="At every secondary.")
@click.option("--timeout", callback=duration, default="10m", show_default=True, help="The longest wait: 90s, 10m, 1h.")
@click.option(
    "--secondary",
    "secondaries",
    multiple=True,
    metavar="STACK@REGION",
    help="Over AWS: where --site or --all-sites is to look. Can be repeated.",
)
@click.option(
    "--admin-url",
    metavar="URL",
    envvar="GEOSYNC_ADMIN_URL",
    help="Ask this admin API (a stack's AdminUrl) instead of AWS, with the token in GEOSYNC_TOKEN.",
)
@output_option
@click.pass_context
def wait(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    *,
    image: str,
    name: str | None,
    all_sites: bool,
    timeout: float,
    secondaries: tuple[str, ...],
    admin_url: str | None,
    output: Format,
) -> None:
    """Wait until a site's registry has the image that the primary has now, or a later one. The tag is latest.

    REPOSITORY is its name at the primary. Exit code 1 when the time is over, with the reason, or when the primary has
    no such image, or the site does not replicate it.

    Without an AWS account: GEOSYNC_ADMIN_URL is the AdminUrl of a site and GEOSYNC_TOKEN a token of it that may look.
    Of another site that it knows (--site, --all-sites) the token is in GEOSYNC_TOKEN_<SITE>, such as
    GEOSYNC_TOKEN_OREGON.
    """
    awaited = _parse(image)
    if name is not None and all_sites:
        raise click.UsageError("--site and --all-sites exclude each other")
    which = WhichSites(name=name, all_sites=all_sites)
    choose: Callable[[], Chosen] = ctx.obj
    if admin_url and _is_over_api(ctx):
        sites = which.over_api(admin_url, SYSTEM_CLOCK)
    else:
        sites = [StackAwaited(one) for one in which.stacks(choose, secondaries, "wait")]
    waits = [_Wait(site, image, awaited) for site in sites]
    at_once = min(len(waits), MOST_AT_ONCE)
    with spinner(f"Waiting for {image} …"), SYSTEM_THREADS.pool(at_once, name="wait") as pool:
        for one in waits:
            one.begin()
        _look_until(waits, sites[0].clock, timeout, pool)
    put(_answer(waits), output)
    raise SystemExit(max(one.end(timeout) for one in waits))


def _is_over_api(ctx: click.Context) -> bool:
    """Tell whether an admin API that is named is to be asked: no stack was written on the command line."""
    written = [one for one in ("stack", "local", "context") if one in site_choice(ctx).written]
    if written and ctx.get_parameter_source("admin_url") is ParameterSource.COMMANDLINE:
        raise click.UsageError(f"--{written[0]} and --admin-url exclude each other")
    return not written


def _parse(image: str) -> AwaitedImage:
    """Read an image's name. Raises BadParameter."""
    named, at, digest = image.partition("@")
    repository, colon, tag = named.rpartition(":") if ":" in named else (named, "", "latest")
    check_repository(repository, "REPOSITORY")
    if at and not is_digest(digest):
        raise click.BadParameter(f"{plain(digest)} is not a digest", param_hint="DIGEST")
    if at and not colon:
        return AwaitedImage(repository=repository, reference=Reference.digest(digest))
    return AwaitedImage(repository=repository, reference=parse_reference(tag), digest=digest if at else None)


@dataclass(slots=True)
class _Wait:
    """The wait at one site: what its last look found, or why that failed."""

    site: AwaitedSite
    image: str
    awaited: AwaitedImage
    found: Arrival | None = None
    failed: str | None = None
    pace: LookPace = field(default_factory=LookPace)
    looked_s: float = -inf
    """The end of its last look (monotonic seconds)."""

    def begin(self) -> None:
        """Begin, unless there is nothing to wait for. Raises what the site raises."""
        why = self.site.begin(self.awaited)
        if why is not None:
            self.found = Arrival(state="not_here", reason=why)

    @property
    def is_over(self) -> bool:
        """True once no later look can change the verdict."""
        return self.found is not None and self.found.state != "waiting"

    def look(self) -> None:
        """Look once. Raises the error that no further look mends."""
        began_s = self.site.clock.monotonic_s()
        found = look_once(lambda: self.site.look(self.awaited))
        self.looked_s = self.site.clock.monotonic_s()
        self.pace.looked(began_s, ended_s=self.looked_s, has_failed=isinstance(found, FailedLook))
        if not isinstance(found, FailedLook):
            self.found, self.failed = found, None
            return
        if found.why != self.failed:
            click.echo(f"still waiting: {plain(found.why)}", err=True)
        self.failed = found.why

    def document(self) -> dict[str, object]:
        """The end of the wait for programs; `state` is null where the site could not be asked."""
        found = self.found if self.failed is None else None
        return {
            "site": self.site.name,
            "image": self.image,
            "state": found.state if found is not None else None,
            "digest": found.digest if found is not None else None,
            "seen_at": optional_moment(found.seen_at_ms) if found is not None else None,
            "reason": found.reason if found is not None else self.failed,
        }

    def in_words(self) -> str | None:
        """The sentence that the image is there; None: it is not, or nobody knows."""
        if self.failed is not None or self.found is None or self.found.state != "here":
            return None
        return f"{self.image} is at {self.site.name}: {self.found.digest}{self._later()}"

    def end(self, timeout: float) -> int:
        """Say why it is not there, if so; returns the exit code."""
        if self.failed is not None:
            text = f"{self.site.name} could not be asked in {timeout:.0f} s: {plain(self.failed)}"
            click.echo(text, err=True)
            return CANNOT_TELL
        assert self.found is not None, "it looked at least once, or had no need to"  # noqa: S101
        if self.found.state == "here":
            return NOTHING_OWED
        after = f" after {timeout:.0f} s" if self.found.state == "waiting" else ""
        click.echo(f"{self.image} is not at {self.site.name}{after}: {plain(self.found.reason)}", err=True)
        return SOMETHING_WRONG

    def _later(self) -> str:
        """Name the digest that was there when the wait began, if this one is later."""
        expected = self.site.expected
        if expected is None or self.found is None or self.found.digest == expected:
            return ""
        return f", a later one than {expected}"


def _answer(waits: list[_Wait]) -> Answer:
    documents = [one.document() for one in waits]
    here = [text for one in waits if (text := one.in_words()) is not None]
    return Answer(document=documents, rows=documents, shown=here, key="site")


def _look_until(waits: list[_Wait], clock: Clock, timeout_s: float, pool: Executor) -> None:
    """Look at each site at its pace, until each wait is over or the time is: at first, and once more at the end."""
    end_s = clock.monotonic_s() + timeout_s
    while True:
        now_s = clock.monotonic_s()
        due_s = now_s if now_s < end_s else inf
        left = [one for one in waits if not one.is_over]
        due = [one for one in left if one.looked_s < end_s and one.pace.due_s <= due_s]
        list(map(_Wait.look, due) if len(due) == 1 else pool.map(_Wait.look, due))
        next_s = min((one.pace.due_s for one in left if not one.is_over), default=None)
        if next_s is None or now_s >= end_s:
            return
        clock.sleep(max(min(next_s, end_s) - clock.monotonic_s(), 0.0))
