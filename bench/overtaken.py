"""Pushes to one tag that overtake each other, on the local stack: the newest soon, and every digest after a while.

    python -m bench.overtaken [--state .local] [--pushes 200] [--seconds 20] [--write bench/README.md]

The stack has to be up (`make up`). One client pushes to one tag at an even pace; the images have a layer in common.
From the end of the last push on it is measured at each secondary until the tag is the newest image, and until the
manifest of each push is served by its digest. The status is 1 when one of these is over its target, or one of the
digests never came.
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
from bench.deployed import LOOK_EVERY, TAG, NotSynced, primary_client
from bench.images import KIB, image, layer, push

NEWEST_S = 5.0
"""The target for the newest image under the tag."""
ALL_S = 180.0
"""The target for the manifest of each push."""
PATIENCE_S = 2 * ALL_S
HEADINGS = ("secondary", "the newest", "at most", "all digests", "at most", "pushes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Seconds from the end of the last push until one secondary had the newest image, and all of them."""

    site: str
    newest_s: float
    all_s: float

    @property
    def is_in_time(self) -> bool:
        """Both targets are met."""
        return self.newest_s <= NEWEST_S and self.all_s <= ALL_S


class Overtaking:
    """One client that pushes to one tag of a fresh repository."""

    def __init__(self, stack: Stack) -> None:
        self._client = primary_client(stack)
        self.repository = f"bench/{uuid.uuid4().hex[:12]}"
        self.digests: list[str] = []
        self.took_s = 0.0
        self.ended_at = 0.0
        """In seconds of the monotonic clock."""

    def push(self, pushes: int, seconds: float) -> None:
        """Push so often within these seconds, or as fast as the registry takes them."""
        common, began = layer(64 * KIB), time.monotonic()
        for number in range(pushes):
            time.sleep(max(began + number * seconds / pushes - time.monotonic(), 0.0))
            made = image([KIB], shared=[common])
            push(self._client, self.repository, made, TAG)
            self.digests.append(made.root.digest)
        self.ended_at = time.monotonic()
        self.took_s = self.ended_at - began

    def watch(self, looks: SiteLooks) -> Arrived:
        """Look at one secondary until it has all of it. Raises NotSynced."""
        newest_s = self._wait(looks, TAG, self.digests[-1])
        for digest in self.digests:
            self._wait(looks, digest, digest)
        return Arrived(site=looks.name, newest_s=newest_s, all_s=time.monotonic() - self.ended_at)

    def _wait(self, looks: SiteLooks, reference: str, digest: str) -> float:
        while looks.served(self.repository, reference) != digest:
            waited_s = time.monotonic() - self.ended_at
            if waited_s > PATIENCE_S:
                raise NotSynced(f"{looks.name} has not {self.repository}:{reference} after {waited_s:.0f} s")
            time.sleep(LOOK_EVERY)
        return time.monotonic() - self.ended_at


def run(stack: Stack, overtaking: Overtaking, pushes: int, seconds: float) -> list[Arrived]:
    """Push, then watch each secondary. Raises NotSynced."""
    sites = [site for site in stack.description["sites"] if site["role"] == "secondary"]
    with ExitStack() as closed, ThreadPoolExecutor(len(sites)) as pool:
        looks = [closed.enter_context(closing(SiteLooks(stack.emulator, site))) for site in sites]
        overtaking.push(pushes, seconds)
        return list(pool.map(overtaking.watch, looks))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a target is missed or the stack is not up."""
    parser = on_stack.options("overtaken", __doc__)
    parser.add_argument("--pushes", type=int, default=200, help="to the one tag (default: 200)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for all of them (default: 20)")
    options = parser.parse_args(arguments)
    stack = running_or_say(options.state.resolve())
    if stack is None:
        return 1
    overtaking = Overtaking(stack)
    try:
        arrived = run(stack, overtaking, options.pushes, options.seconds)
    except NotSynced as error:
        print(f"{error}: make demo says more", file=sys.stderr)
        return 1
    rows = [
        (
            one.site,
            f"{one.newest_s:.1f} s",
            f"{NEWEST_S:.0f} s",
            f"{one.all_s:.1f} s",
            f"{ALL_S:.0f} s",
            f"{options.pushes}",
        )
        for one in arrived
    ]
    console, built = Console(highlight=False), Table(*HEADINGS)
    for row in rows:
        built.add_row(*row)
    console.print(built)
    said = f"The pushes took {overtaking.took_s:.0f} s."
    console.print(said)
    if options.write is not None:
        readme.replace(
            options.write, "overtaken", [f"{readme.machine()}:", "", *readme.table(HEADINGS, rows), "", said]
        )
    return int(not all(one.is_in_time for one in arrived))


if __name__ == "__main__":
    sys.exit(main())
