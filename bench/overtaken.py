"""Pushes to one tag that overtake each other, on the local stack: the newest soon, and every digest after a while.

    python -m bench.overtaken [--state .local] [--pushes 200] [--seconds 20] [--write bench/README.md]

The stack has to be up (`make up`). One client pushes to one tag at an even pace; the images have a layer in common.
From the end of the last push on it is measured at each secondary until the tag is the newest image, and until the
manifest of each push is served by its digest. After six minutes it ends all the same, and says what has come. The
status is 1 when one of these is over its target, or has not come.
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
from bench.images import KIB, image, layer, push

NEWEST_S = 5.0
"""The target for the newest image under the tag."""
ALL_S = 180.0
"""The target for the manifest of each push."""
PATIENCE_S = 2 * ALL_S
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


def run(stack: Stack, overtaking: Overtaking, pushes: int, seconds: float) -> list[Arrived]:
    """Push, then watch each secondary."""
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
    arrived = run(stack, overtaking, options.pushes, options.seconds)
    rows = [one.row(options.pushes) for one in arrived]
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
