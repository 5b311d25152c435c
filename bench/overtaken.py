"""Pushes to one tag that overtake each other, on the local stack: the newest soon, and every digest after a while.

    python -m bench.overtaken [--state .local] [--pushes 200] [--seconds 20] [--write bench/README.md]

The stack has to be up (`make up`). All images are made, and their blobs are at the primary, before the time begins:
they have a layer in common, and one of their own. Then one client puts one manifest after another under the tag, at an
even pace, over one connection that is warm. From the end of the last push on it is measured at each secondary until the
tag is the newest image, and until the manifest of each push is served by its digest. After six minutes it ends all the
same, and says what has come. The status is 1 when one of these is over its target, or has not come. It is 2, and
nothing is measured or written, when the pushes took longer than they should: then this machine was too slow to ask.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

from local.demo.looks import SiteLooks
from local.stack import Stack, running_or_say
from rich.console import Console
from rich.table import Table

from bench import on_stack, readme
from bench.deployed import LOOK_EVERY, TAG, primary_client
from bench.images import KIB, Image, image, layer, push_blobs

NEWEST_S = 5.0
"""The target for the newest image under the tag."""
ALL_S = 180.0
"""The target for the manifest of each push."""
PATIENCE_S = 2 * ALL_S
PACE = 0.95
"""Share of the time after which the last push begins."""
HEADINGS = ("secondary", "the newest", "at most", "all digests", "at most", "digests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Seconds from the end of the last push until one secondary had the newest image, and all of them; None: never.

    `digests` are how many came.
    """

    site: str
    newest_s: float | None
    all_s: float | None
    digests: int

    @property
    def is_in_time(self) -> bool:
        """Both targets are met."""
        times = ((self.newest_s, NEWEST_S), (self.all_s, ALL_S))
        return all(took is not None and took <= most for took, most in times)

    def row(self, pushes: int) -> tuple[str, ...]:
        """Return it as it is printed."""
        newest, everything = (_text(one) for one in (self.newest_s, self.all_s))
        return (self.site, newest, f"{NEWEST_S:.0f} s", everything, f"{ALL_S:.0f} s", f"{self.digests} of {pushes}")


def _text(seconds: float | None) -> str:
    return f"{seconds:.1f} s" if seconds is not None else f"not in {PATIENCE_S:.0f} s"


class Overtaking:
    """One client that pushes so many images to one tag of a fresh repository, whose blobs are there already."""

    def __init__(self, stack: Stack, pushes: int) -> None:
        self._client = primary_client(stack)
        self.repository = f"bench/{uuid.uuid4().hex[:12]}"
        self._images = self._prepared(pushes)
        self.digests = [one.root.digest for one in self._images]
        self.took_s = 0.0
        self.ended_at = 0.0
        """In seconds of the monotonic clock."""

    def _prepared(self, pushes: int) -> list[Image]:
        common = layer(64 * KIB)
        images = [image([KIB], shared=[common]) for _ in range(pushes)]
        push_blobs(self._client, self.repository, {name: blob for one in images for name, blob in one.blobs.items()})
        return images

    def push(self, seconds: float) -> None:
        """Push within these seconds, or as fast as the registry takes the manifests."""
        began = time.monotonic()
        for number, one in enumerate(self._images):
            time.sleep(max(began + number * PACE * seconds / len(self._images) - time.monotonic(), 0.0))
            self._client.put_manifest(self.repository, TAG, one.root)
        self.ended_at = time.monotonic()
        self.took_s = self.ended_at - began

    def watch(self, looks: SiteLooks) -> Arrived:
        """Look at one secondary until it has all of it, or patience ends."""
        newest_s = self._wait(looks, TAG, self.digests[-1])
        came = [self._wait(looks, digest, digest) for digest in self.digests]
        last_s = None if None in came else time.monotonic() - self.ended_at
        return Arrived(site=looks.name, newest_s=newest_s, all_s=last_s, digests=len(came) - came.count(None))

    def _wait(self, looks: SiteLooks, reference: str, digest: str) -> float | None:
        """Wait until a reference is served; None once patience has ended, after at least one look."""
        while looks.served(self.repository, reference) != digest:
            if time.monotonic() - self.ended_at > PATIENCE_S:
                return None
            time.sleep(LOOK_EVERY)
        return time.monotonic() - self.ended_at


def run(stack: Stack, overtaking: Overtaking, seconds: float) -> list[Arrived]:
    """Push, then watch each secondary; nothing where the pushes took longer than these seconds."""
    sites = [site for site in stack.description["sites"] if site["role"] == "secondary"]
    with ExitStack() as closed, ThreadPoolExecutor(len(sites)) as pool:
        looks = [closed.enter_context(closing(SiteLooks(stack.emulator, site))) for site in sites]
        overtaking.push(seconds)
        return [] if overtaking.took_s > seconds else list(pool.map(overtaking.watch, looks))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1: a target is missed, or no stack is up; 2: not measured."""
    parser = on_stack.options("overtaken", __doc__)
    parser.add_argument("--pushes", type=int, default=200, help="to the one tag (default: 200)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for all of them (default: 20)")
    options = parser.parse_args(arguments)
    stack = running_or_say(options.state.resolve())
    if stack is None:
        return 1
    overtaking = Overtaking(stack, options.pushes)
    arrived = run(stack, overtaking, options.seconds)
    said = f"The pushes took {overtaking.took_s:.1f} s."
    if not arrived:
        print(f"{said} That is no measurement: they may take {options.seconds:g} s.", file=sys.stderr)
        return 2
    rows = [one.row(options.pushes) for one in arrived]
    console, built = Console(highlight=False), Table(*HEADINGS)
    for row in rows:
        built.add_row(*row)
    console.print(built)
    console.print(said)
    if options.write is not None:
        readme.replace(
            options.write, "overtaken", [f"{readme.machine()}:", "", *readme.table(HEADINGS, rows), "", said]
        )
    return int(not all(one.is_in_time for one in arrived))


if __name__ == "__main__":
    sys.exit(main())
