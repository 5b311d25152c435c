"""`geosync wait`: until an image is at a site, for pipelines.

The reference is marked here and now. A mark is paid only by a look at the primary that was made after it, and by a look
at this site's registry that showed the same digest. So what is waited for is the digest that the tag had at the primary
when the command began, or a later one, whatever any clock says.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import click

from geosync.cli.actions import is_nowhere
from geosync.cli.arguments import check_repository
from geosync.cli.audit import audited
from geosync.cli.following import FailedLook, look_again
from geosync.cli.output import SOMETHING_WRONG, moment, plain
from geosync.cli.selection import present
from geosync.cli.site import Chosen, StackSite
from geosync.errors import MalformedMessage
from geosync.messages.queues import Queue
from geosync.messages.work import WorkMessage
from geosync.operating import actions
from geosync.sync_registry.items import Owed, Reference, Seen
from geosync.sync_registry.readings import Glance
from geosync.sync_registry.site.holds import longest

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _seconds(_ctx: click.Context, _param: click.Parameter, text: str) -> float:
    """Read a time as people write it: 90s, 10m, 1h. Raises BadParameter."""
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    if found is None:
        raise click.BadParameter("write it as 90s, 10m or 1h")
    return float(int(found[1]) * _SECONDS[found[2]])


@click.command(short_help="Wait until an image is at this site.")
@click.argument("image", metavar="REPOSITORY[:TAG|@DIGEST]")
@click.option("--timeout", callback=_seconds, default="10m", show_default=True, help="The longest wait: 90s, 10m, 1h.")
@click.pass_obj
def wait(choose: Callable[[], Chosen], image: str, timeout: float) -> None:
    """Wait until this site's registry has the image that the primary has now, or a later one. The tag is latest.

    REPOSITORY is its name at the primary. Exit code 1 when the time is over, with the reason, when the primary has no
    such image, or when it is not in the site's selection.
    """
    repository, reference = _parse(image)
    site = choose().site()
    site.must_be_secondary("wait")
    if not present(site).has(repository, reference):
        # What was copied before it left the selection may stay here for a while, as it was then.
        click.echo(f"{image} is not in the selection of {site.name}: it is not replicated there", err=True)
        raise SystemExit(SOMETHING_WRONG)
    if is_nowhere(site, repository):
        click.echo(f"{repository} is not at the primary: was it pushed there, and is its name right?", err=True)
        raise SystemExit(SOMETHING_WRONG)
    with audited(site, "wait", image):
        site.sync_registry.mark(repository, reference)
        Queue(site.client("sqs"), site.outputs["WorkQueueUrl"]).send(
            WorkMessage(repository=repository, reason="resync")
        )
    end_s = site.clock.monotonic_s() + timeout
    found = look_again(
        lambda: site.sync_registry.look(repository, reference),
        until=lambda glance: glance.owed is None or site.clock.monotonic_s() >= end_s,
        show=_tell_failure,
        clock=site.clock,
    )
    if found.owed is not None:
        click.echo(f"{image} is not at {site.name} after {timeout:.0f} s: {_reason(site, found, found.owed)}", err=True)
        raise SystemExit(SOMETHING_WRONG)
    if found.seen is None or not _is_the_primarys(found.seen):
        click.echo(
            f"{image} is not at the primary, or {site.name} does not replicate it: was it pushed there, is its name "
            "right, and is it in the site's selection?",
            err=True,
        )
        raise SystemExit(SOMETHING_WRONG)
    click.echo(f"{image} is at {site.name}: {found.seen.digest}")


def _parse(image: str) -> tuple[str, Reference]:
    """Read an image's name. Raises BadParameter."""
    repository, at, digest = image.partition("@")
    tag = "latest"
    if not at and ":" in image:
        repository, _, tag = image.rpartition(":")
    check_repository(repository, "REPOSITORY")
    try:
        return repository, actions.reference(digest if at else tag)
    except MalformedMessage as error:
        raise click.BadParameter(f"{plain(digest or tag)} is {error}", param_hint="TAG|DIGEST") from None


def _is_the_primarys(seen: Seen) -> bool:
    """Tell whether what was seen is there still, and replicated: neither a copy that only stays, nor one outside."""
    return seen.gone_since is None and seen.missing_since is None and seen.outside_since is None


def _tell_failure(look: Glance | FailedLook) -> None:
    if isinstance(look, FailedLook):
        click.echo(f"still waiting: {plain(look.why)}", err=True)


def _reason(site: StackSite, glance: Glance, owed: Owed) -> str:
    """Say why a reference is not here yet."""
    hold = longest(site.sync_registry.holds(), site.clock.now_ms())
    since = f"owed since {moment(owed.owed_since)}"
    if glance.paused:
        return f"{since}, and the site is paused (geosync resume)"
    if owed.failure is not None:
        return f"{since}, and failing: {plain(owed.failure)}"
    if hold is not None:
        return f"{since}, and the registry {hold.registry} is on hold: {plain(hold.reason)}"
    return f"{since}, and nothing has failed"
