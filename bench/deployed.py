"""The time from a push to "synced" on the local stack: the whole way, through the deployed template.

    python -m bench.deployed [--state .local] [--pushes 50] [--write bench/README.md]

The stack has to be up (`make up`). Each push is a fresh random image in a repository of its own. First one at a time:
the next when both secondaries are done, so that each finds the queues empty. Then as fast as one client pushes, for
the rate at which a backlog is worked off. The time begins when the push has ended, and is taken twice at each
secondary: until its registry served the pushed digest, and until the repository's row said synced.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from local.demo.looks import SiteLooks
from local.stack import Stack, running_or_say
from rich.console import Console
from rich.table import Table

from bench import on_stack, readme
from bench.images import MIB, image, push
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Basic
from geosync.oci.deadline import Deadline

TAG = "v1"
LAYERS = [MIB] * 3
# Seconds between two looks at a secondary; each takes time from the cores on which everything runs here.
LOOK_EVERY = 0.03
# Seconds from the last push on.
PATIENCE = 120.0
HEADINGS = ("secondary", "until", "median", "p95", "max", "pushes")


class NotSynced(RuntimeError):
    """A push did not arrive in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """One push: `at` is its end, in seconds of the monotonic clock."""

    repository: str
    digest: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When one secondary had each push of a series, in seconds of the monotonic clock."""

    site: str
    served: dict[Pushed, float] = field(default_factory=dict)
    synced: dict[Pushed, float] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the times from the end of a push on, as they are printed."""
        return [
            (self.site, what, *_summary([moment - one.at for one, moment in moments.items()]), f"{len(moments)}")
            for what, moments in (("served", self.served), ("synced", self.synced))
        ]

    def rate(self) -> float:
        """Return the pushes per second, from the end of the first push until all were synced."""
        return len(self.synced) / (max(self.synced.values()) - min(one.at for one in self.synced))


def _summary(measured: Sequence[float]) -> list[str]:
    p95 = statistics.quantiles(measured, n=20, method="inclusive")[-1]
    return [f"{value:.2f} s" for value in (statistics.median(measured), p95, max(measured))]


def primary_client(stack: Stack) -> RegistryClient:
    """Make a client that may push to the primary's registry."""
    primary = next(site for site in stack.description["sites"] if site["role"] == "primary")
    # The token service is another port of this machine.
    credentials = Basic(username=primary["username"], password=primary["password"], realm_hosts=("127.0.0.1",))
    return RegistryClient(primary["registry"], credentials, deadline=Deadline(), writes=True)


class Bench:
    """Pushes to the primary of a stack, and looks at its secondaries, each in a thread of its own."""

    def __init__(self, stack: Stack, looks: Sequence[SiteLooks]) -> None:
        self._client = primary_client(stack)
        self._looks = looks

    def measure(self, pushes: int, *, wait: bool) -> list[Times]:
        """Push, with `wait` only when all before is synced everywhere; when each was at each. Raises NotSynced."""
        times = [Times(site=one.name) for one in self._looks]
        pushed: list[Pushed] = []
        ended = threading.Event()
        with ThreadPoolExecutor(len(times)) as pool:
            watching = [
                pool.submit(_watch, looks, pushed, pushes, one, ended)
                for looks, one in zip(self._looks, times, strict=True)
            ]
            try:
                for _ in range(pushes):
                    pushed.append(self._push())
                    while wait and any(len(one.synced) < len(pushed) for one in times):
                        _raise(watching)
                        time.sleep(LOOK_EVERY)
                for one in watching:
                    one.result()
            finally:
                ended.set()
        return times

    def _push(self) -> Pushed:
        repository, what = f"bench/{uuid.uuid4().hex[:12]}", image(LAYERS)
        push(self._client, repository, what, TAG)
        return Pushed(repository=repository, digest=what.root.digest, at=time.monotonic())


def _raise(watching: Sequence[Future[None]]) -> None:
    for one in watching:
        if one.done():
            one.result()


def _watch(looks: SiteLooks, pushed: Sequence[Pushed], pushes: int, times: Times, ended: threading.Event) -> None:
    """Look at one secondary until it has the number of pushes, or is too late."""
    while len(times.synced) < pushes and not ended.wait(LOOK_EVERY):
        for one in [one for one in pushed if one not in times.synced]:
            if one not in times.served:
                if looks.served(one.repository, TAG) != one.digest:
                    continue
                times.served[one] = time.monotonic()
            if looks.is_synced(one.repository):
                times.synced[one] = time.monotonic()
        if pushed and time.monotonic() - pushed[-1].at > PATIENCE:
            missing = [one.repository for one in pushed if one not in times.synced]
            raise NotSynced(f"{looks.name} has not synced {', '.join(missing)} within {PATIENCE:.0f} s")


def run(stack: Stack, pushes: int) -> tuple[list[Times], list[Times]]:
    """Measure one at a time, and without waiting. Raises NotSynced."""
    sites = [site for site in stack.description["sites"] if site["role"] == "secondary"]
    with ExitStack() as closed:
        looks = [closed.enter_context(closing(SiteLooks(stack.emulator, site))) for site in sites]
        bench = Bench(stack, looks)
        # What is loaded at the first use shall not be measured.
        bench.measure(2, wait=True)
        return bench.measure(pushes, wait=True), bench.measure(pushes, wait=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a push was not synced or the stack is not up."""
    parser = on_stack.options("deployed", __doc__)
    parser.add_argument("--pushes", type=int, default=50, help="in each of the two series (default: 50, at least 2)")
    options = parser.parse_args(arguments)
    stack = running_or_say(options.state.resolve())
    if stack is None:
        return 1
    try:
        waited, hurried = run(stack, options.pushes)
    except NotSynced as error:
        print(f"{error}: make demo says more", file=sys.stderr)
        return 1
    rows = [row for times in waited for row in times.rows()]
    rates = ", ".join(f"{times.rate():.1f} a second at {times.site}" for times in hurried)
    pushed = [one.at for one in hurried[0].synced]
    pace = (len(pushed) - 1) / (max(pushed) - min(pushed))
    backlog = f"{len(pushed)} pushes without waiting, {pace:.1f} a second: synced {rates}"
    console = Console(highlight=False)
    built = Table(*HEADINGS)
    for row in rows:
        built.add_row(*row)
    console.print(built)
    console.print(backlog, soft_wrap=True)
    if options.write is not None:
        lines = [f"{readme.machine()}:", "", *readme.table(HEADINGS, rows), "", f"And {backlog}."]
        readme.replace(options.write, "deployed", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
