"""Many tags of one repository, ours beside `crane copy --all-tags`; and what a comparison costs that finds no change.

    python -m bench.tags [--quick] [--write bench/README.md]

Proxies as in bench.copy. Ours is the process of bench.backfill: it compares the repository with the primary, marks what
is missing, and copies it. Both halves of a pair copy the same images, each to a new registry, and they change places.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from local.registries import RegistrySpec, RunningRegistry, start
from rich.console import Console
from tests.support.images import OCI_MANIFEST, ImageMaker
from tests.support.proxy import CountingProxy

from bench import readme
from bench.backfill_worker import Secondary
from bench.far import far
from bench.images import KIB
from bench.ours import writer
from bench.peers import CRANE_ALL_TAGS, Copy
from geosync.oci.manifests import Manifest

REPOSITORY = "bench/app"
TAGS = 200
LAYER = 64 * KIB
UNCHANGED = 1000
LATENCY = 0.08
MOST_CPU_S = 1.0
"""Seconds of our CPU for 200 tags."""
MOST_REQUESTS = 1010
HEADINGS = ("tags", "source", "ours", "crane", "ratio", "at most", "CPU of ours", "at most", "pairs")


@dataclass(kw_only=True)
class Row:
    """What was measured: seconds of both, and those of our CPU."""

    line: str
    at_most: float
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """The median of the pairs' ratios; None: nothing to compare with."""
        ratios = [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=False)]
        return statistics.median(ratios) if ratios else None

    @property
    def misses(self) -> list[str]:
        """Each number that is over what is asked for."""
        cpu_s = statistics.median(self.cpu_s)
        missed = [] if cpu_s <= MOST_CPU_S else [f"{cpu_s:.2f} s of our CPU, and at most {MOST_CPU_S} s"]
        if self.ratio is not None and self.ratio > self.at_most:
            missed.append(f"{self.ratio:.2f} of crane, and at most {self.at_most}")
        return [f"{TAGS} tags, source {self.line}: {one} is asked for" for one in missed]

    def cells(self) -> tuple[str, ...]:
        """The row as it is printed."""
        return (
            f"{TAGS}",
            self.line,
            f"{statistics.median(self.ours):.2f} s",
            f"{statistics.median(self.theirs):.2f} s" if self.theirs else "not on the PATH",
            "" if self.ratio is None else f"{self.ratio:.2f}",
            f"{self.at_most}",
            f"{statistics.median(self.cpu_s):.2f} s",
            f"{MOST_CPU_S} s",
            f"{len(self.ours)}",
        )


class Tags:
    """A registry with a repository of 200 images that have three of their four layers in common."""

    def __init__(self, source: RunningRegistry, far_url: str) -> None:
        self._urls = {"here": source.url, f"{LATENCY * 1000:.0f} ms": far_url}
        with ImageMaker(source.url) as make:
            base = [make.layer(REPOSITORY, LAYER) for _ in range(3)]
            made = [make.image(REPOSITORY, f"v{number}", layers=1, size=LAYER, reuse=base) for number in range(TAGS)]
        self._digests = {image.reference: image.digest for image in made}

    def measure(self, line: str, at_most: float, pairs: int) -> Row:
        """Copy the repository in pairs; ours alone where crane is not on the PATH."""
        row = Row(line=line, at_most=at_most)
        for number in range(pairs):
            for is_ours in (True, False) if number % 2 else (False, True):
                if is_ours:
                    self._ours(row)
                elif CRANE_ALL_TAGS.is_there():
                    self._crane(row)
        return row

    def _ours(self, row: Row) -> None:
        with running("destination") as destination:
            with Secondary(self._urls[row.line], destination.url) as site:
                took = site.backfill()
            self._check("ours", destination.url)
        row.ours.append(took.seconds)
        row.cpu_s.append(took.cpu_s)

    def _crane(self, row: Row) -> None:
        with running("destination") as destination:
            hosts = [url.removeprefix("http://") for url in (self._urls[row.line], destination.url)]
            started = time.perf_counter()
            CRANE_ALL_TAGS.copy(Copy(source=hosts[0], destination=hosts[1], repository=REPOSITORY, tag=""))
            row.theirs.append(time.perf_counter() - started)
            self._check("crane", destination.url)

    def _check(self, name: str, url: str) -> None:
        """See that all of it is there."""
        with requests.Session() as session:
            for tag, digest in self._digests.items():
                manifest = f"{url}/v2/{REPOSITORY}/manifests/{tag}"
                answer = session.head(manifest, headers={"Accept": OCI_MANIFEST}, timeout=60)
                if answer.headers.get("Docker-Content-Digest") != digest:
                    raise SystemExit(f"{name}: {tag} was not copied")


@contextmanager
def running(name: str) -> Iterator[RunningRegistry]:
    """Start an empty registry, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="geosync-bench-") as folder:
        registry = start(RegistrySpec(name=name), Path(folder) / name)
        try:
            yield registry
        finally:
            registry.stop()


def unchanged(tags: int) -> int:
    """Compare a repository of so many tags that are all equal; returns the requests, the copy before not counted."""
    with ExitStack() as stack:
        source, destination = (stack.enter_context(running(name)) for name in ("source", "destination"))
        with ImageMaker(source.url) as make:
            made = make.image(REPOSITORY, "v0", layers=1, size=500)
        manifest = Manifest.read(made.content, made.media_type)
        pusher = writer(source.url)
        for number in range(1, tags):
            pusher.put_manifest(REPOSITORY, f"v{number}", manifest)
        primary, secondary = (stack.enter_context(CountingProxy(one.url)) for one in (source, destination))
        site = stack.enter_context(Secondary(primary.url, secondary.url))
        site.backfill()
        primary.reset()
        secondary.reset()
        site.backfill()
        return primary.total() + secondary.total()


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.tags", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one pair each: a look, no measurement")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    console = Console(soft_wrap=True)
    with running("source") as source, far(source.url, LATENCY) as far_url:
        tags = Tags(source, far_url)
        pairs = 1 if arguments.quick else 9
        rows = []
        for line, at_most in (("here", 0.9), ("80 ms", 0.6)):
            rows.append(tags.measure(line, at_most, pairs))
            console.print("  ".join(rows[-1].cells()), style="dim", highlight=False)
    asked = unchanged(UNCHANGED)
    lines = readme.table(HEADINGS, [row.cells() for row in rows])
    lines += ["", f"And a comparison of {UNCHANGED} tags that are equal: {asked} requests (at most {MOST_REQUESTS})."]
    losses = [one for row in rows for one in row.misses]
    if asked > MOST_REQUESTS:
        losses.append(f"a comparison of {UNCHANGED} equal tags: {asked} requests, and at most {MOST_REQUESTS}")
    versions = f", {CRANE_ALL_TAGS.version()}" if CRANE_ALL_TAGS.is_there() else ""
    readme.tell("tags", lines, losses, path=arguments.write, more=versions)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
