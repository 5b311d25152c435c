"""A first copy, ours against other tools', in pairs: wall time, requests, memory.

    python -m bench.copy [--quick] [--write bench/README.md]

Everything on this machine: two registries (CNCF Distribution 2.8, storage on disk), and for "80 ms away" a proxy in a
process of its own that adds so much to each request to the source. Ours runs in this process with warm clients, as in a
warm Lambda; bench/peers.py has the others. Each pair has fresh random images of the same shape, in fresh repositories,
and its halves change places; what is compared is the median of the pairs' ratios.
"""

# ruff: noqa: A005 - it is run as bench.copy, and nothing imports it as copy

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local.registries import FileSystem, RegistrySpec, RunningRegistry, start
from rich.console import Console
from tests.support.proxy import CountingProxy

from bench import peak, readme
from bench.far import far
from bench.images import KIB, MIB, Image, image, index, push, push_large
from bench.ours import copy_tag, reader, writer
from bench.peers import PEERS, SKOPEO, Copy, Peer

LATENCY = 0.08
TAG = "v1"
LARGE_LAYER = 2048 * MIB
EXTRA_MEMORY = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A shape of image, how many pairs are worth it near and far, and the ratios that are asked for (near).

    `at_most` is against skopeo, `at_most_others` against each of the others.
    """

    name: str
    make: Callable[[], Image]
    pairs: int
    far_pairs: int
    at_most: float
    at_most_others: float = 1.0


CASES = (
    Case(name="10 small layers", make=lambda: image([64 * KIB] * 10), pairs=15, far_pairs=7, at_most=0.6),
    Case(
        name="index, 4 platforms",
        make=lambda: index(4, [256 * KIB] * 2, shared=[256 * KIB] * 3),
        pairs=15,
        far_pairs=7,
        at_most=0.6,
    ),
    Case(name="4 x 128 MiB", make=lambda: image([128 * MIB] * 4), pairs=5, far_pairs=3, at_most=0.9),
)


@dataclass(kw_only=True)
class Row:
    """What was measured of a case against one tool; times in seconds, memory in bytes."""

    case: Case
    peer: Peer
    is_far: bool
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    peer_peak: int | None = None
    ours_extra: int | None = None
    ours_requests: int | None = None
    peer_requests: int | None = None

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def at_most(self) -> float:
        """The ratio that is asked for where the source is near."""
        return self.case.at_most if self.peer is SKOPEO else self.case.at_most_others

    @property
    def loss(self) -> str:
        """What there is to say where it is slower, or slower than is asked for (near)."""
        asked = "" if self.is_far else f", and at most {self.at_most} is asked for"
        return f"{self.case.name}, source {self.line}: {self.ratio:.2f} of {self.peer.name}{asked}"

    @property
    def line(self) -> str:
        """Where the source is."""
        return f"{LATENCY * 1000:.0f} ms away" if self.is_far else "here"

    def cells(self) -> tuple[str, ...]:
        """The row as it is printed."""
        return (
            self.case.name,
            f"{LATENCY * 1000:.0f} ms" if self.is_far else "here",
            self.peer.name,
            f"{statistics.median(self.ours) * 1000:.0f} ms",
            f"{statistics.median(self.theirs) * 1000:.0f} ms",
            f"{self.ratio:.2f}",
            f"{self.at_most}",
            "" if self.ours_requests is None else f"{self.ours_requests}",
            "" if self.peer_requests is None else f"{self.peer_requests}",
            "" if self.ours_extra is None else f"+{self.ours_extra / MIB:.0f} MiB",
            "" if self.peer_peak is None else f"{self.peer_peak / MIB:.0f} MiB",
            f"{len(self.ours)}",
        )


HEADINGS = (
    "first copy of",
    "source",
    "peer",
    "ours",
    "peer's",
    "ratio",
    "at most",
    "requests",
    "peer's",
    "memory",
    "peer's",
    "pairs",
)


class Bench:
    """Two registries, and the means to copy between them."""

    def __init__(self, source: RunningRegistry, destination: RunningRegistry, far_url: str) -> None:
        self._source = source
        self._destination = destination
        self.source_url, self.destination_url = source.url, destination.url
        self._urls = {False: source.url, True: far_url}
        self._readers = {False: reader(source.url), True: reader(far_url)}
        self._writer = writer(destination.url)
        self._pusher = writer(source.url)
        for client in self._readers.values():
            copy_tag(client, self._writer, self._push(CASES[0]), TAG)

    def warm(self, peer: Peer) -> None:
        """Copy once with a tool, so that its program is in memory."""
        peer.copy(self._copy(self._push(CASES[0])))

    def measure(self, case: Case, peer: Peer, *, is_far: bool, pairs: int) -> Row:
        """Run the pairs of a case."""
        row = Row(case=case, peer=peer, is_far=is_far)
        for number in range(pairs):
            ours, theirs = self._push(case), self._push(case)
            if number % 2:
                self._measure_peer(row, theirs)
            started = time.perf_counter()
            copy_tag(self._readers[is_far], self._writer, ours, TAG)
            row.ours.append(time.perf_counter() - started)
            if not number % 2:
                self._measure_peer(row, theirs)
            self._wipe()
        return row

    def count(self, row: Row) -> None:
        """Count the requests of one copy each, through proxies at both ends, and measure the memory of both."""
        with CountingProxy(self._source.url) as source, CountingProxy(self._destination.url) as destination:
            copy_tag(reader(source.url), writer(destination.url), self._push(row.case), TAG)
            row.ours_requests = source.total() + destination.total()
            source.reset()
            destination.reset()
            row.peer.copy(_copy(source.url, destination.url, self._push(row.case)))
            row.peer_requests = source.total() + destination.total()
        row.peer_peak = row.peer.memory_bytes(self._copy(self._push(row.case)))
        warm = self._push(CASES[0])
        row.ours_extra = int(
            peak.measure(self._source.url, self._destination.url, warm, self._push(row.case), TAG)["extra"]
        )
        self._wipe()

    def large_layer(self) -> dict[str, float]:
        """Copy a layer of 2 GiB in a process of its own; what `bench.peak` says of it."""
        warm, name = self._push(CASES[0]), _new_name()
        push_large(self._pusher, name, LARGE_LAYER, TAG)
        measured = peak.measure(self._source.url, self._destination.url, warm, name, TAG)
        self._wipe()
        return measured

    def _push(self, case: Case) -> str:
        name = _new_name()
        push(self._pusher, name, case.make(), TAG)
        return name

    def _copy(self, name: str, *, is_far: bool = False) -> Copy:
        return _copy(self._urls[is_far], self._destination.url, name)

    def _measure_peer(self, row: Row, name: str) -> None:
        started = time.perf_counter()
        row.peer.copy(self._copy(name, is_far=row.is_far))
        row.theirs.append(time.perf_counter() - started)

    def _wipe(self) -> None:
        """Take what the pair left off the disk."""
        for registry in (self._source, self._destination):
            shutil.rmtree(registry.folder / "data" / "docker", ignore_errors=True)


def _new_name() -> str:
    return f"bench/{uuid.uuid4().hex[:12]}"


def _copy(source: str, destination: str, name: str) -> Copy:
    hosts = (url.removeprefix("http://") for url in (source, destination))
    return Copy(source=next(hosts), destination=next(hosts), repository=name, tag=TAG)


@contextmanager
def registries() -> Iterator[Bench]:
    """Start two registries and the far proxy, on ports that the system chooses, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="geosync-bench-") as folder:
        running: list[RunningRegistry] = []
        try:
            running.append(start(RegistrySpec(name="source", storage=FileSystem()), Path(folder) / "source"))
            running.append(start(RegistrySpec(name="destination", storage=FileSystem()), Path(folder) / "destination"))
            with far(running[0].url, LATENCY) as far_url:
                yield Bench(running[0], running[1], far_url)
        finally:
            for registry in running:
                registry.stop()


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.copy", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="two pairs each, no layer of 2 GiB: a look, no measurement"
    )
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    if not SKOPEO.is_there():
        raise SystemExit("skopeo is not installed: apt-get install skopeo")
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    large: dict[str, float] | None = None
    with registries() as bench:
        rows = _measured(bench, console, only=arguments.only or "", quick=arguments.quick)
        if not arguments.quick and not arguments.only:
            large = bench.large_layer()
    absent = [peer.name for peer in PEERS if not peer.is_there()]
    if absent:
        console.print(f"not on the PATH, and not compared with: {', '.join(absent)}", highlight=False)
    missed = [row for row in rows if not row.is_far and row.ratio > row.at_most]
    too_much = large is not None and large["extra"] > EXTRA_MEMORY
    lines = readme.table(HEADINGS, [row.cells() for row in rows])
    if large is not None:
        lines += ["", f"And {_about(large)}."]
    losses = [row.loss for row in rows if row in missed or row.ratio > 1]
    versions = ", ".join(peer.version() for peer in PEERS if peer.is_there())
    readme.tell("copy", lines, losses, path=arguments.write, more=f", {versions}")
    return 1 if missed or too_much else 0


def _measured(bench: Bench, console: Console, *, only: str, quick: bool) -> list[Row]:
    """Measure each case near and far against each tool that is there, and print its row at once."""
    rows = []
    for peer in PEERS:
        if not peer.is_there():
            continue
        bench.warm(peer)
        for case in (one for one in CASES if only in one.name):
            for is_far, pairs in ((False, case.pairs), (True, case.far_pairs)):
                row = bench.measure(case, peer, is_far=is_far, pairs=2 if quick else pairs)
                rows.append(row)
                if not is_far:
                    bench.count(row)
                console.print("  ".join(row.cells()), style="dim", highlight=False)
    return rows


def _about(large: dict[str, float]) -> str:
    return (
        f"a layer of {LARGE_LAYER // MIB} MiB: {large['extra'] / MIB:.0f} MiB over the idle {large['idle'] / MIB:.0f}"
        f" (at most {EXTRA_MEMORY // MIB}), {LARGE_LAYER / MIB / large['seconds']:.0f} MiB/s"
    )


if __name__ == "__main__":
    sys.exit(main())
