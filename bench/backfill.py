"""A backfill of many repositories: the requests for each of them, and the memory, with few and with many.

    python -m bench.backfill [--quick] [--write bench/README.md]

Two registries (CNCF Distribution 2.8) on this machine behind proxies that count, a small image in each repository,
every one with a manifest of its own. What runs is what functions/sync runs: the walk through the primary's catalogue,
then wakes, two at a time. It runs in a process of its own (bench.backfill_worker), with the sync registry's items in
this one, as they are in DynamoDB: the high-water mark of its memory is what the code takes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import requests
from local.registries import RegistrySpec, start
from tests.support.images import OCI_MANIFEST, ImageMaker
from tests.support.proxy import CountingProxy

from bench import backfill_worker, readme

FEW, MANY = 200, 2000
MIB = 1024 * 1024
EXTRA_MEMORY = 8 * MIB
"""Bytes that ten times as many repositories may take more."""
ONCE = ("catalog", "referrers", "ping")
"""Requests that do not come with each repository."""
MOST_CPU_S = 0.010
"""Seconds of our CPU that a repository may take."""
HEADINGS = ("repositories", "requests for each", "others", "time", "CPU of ours for each", "at most", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """What one backfill took."""

    repositories: int
    requests: float
    others: int
    took: backfill_worker.Took

    @property
    def cpu_s(self) -> float:
        """Seconds of our CPU for each repository."""
        return self.took.cpu_s / self.repositories

    def cells(self) -> tuple[str, ...]:
        """The row as it is printed."""
        return (
            f"{self.repositories}",
            f"{self.requests:g}",
            f"{self.others}",
            f"{self.took.seconds:.0f} s",
            f"{self.cpu_s * 1000:.1f} ms",
            f"{MOST_CPU_S * 1000:.0f} ms",
            f"+{self.took.extra / MIB:.1f} MiB",
        )


def measure(repositories: int) -> Backfill:
    """Push an image to each of `repositories`, copy them all, and look whether they are there."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="geosync-bench-")))
        source, destination = (start(RegistrySpec(name=name), folder / name) for name in ("source", "destination"))
        stack.callback(source.stop)
        stack.callback(destination.stop)
        make = stack.enter_context(ImageMaker(source.url, seed=repositories))
        made = [make.image(f"bench/app-{number}", "v1", layers=1, size=500) for number in range(repositories)]
        primary, secondary = (stack.enter_context(CountingProxy(one.url)) for one in (source, destination))
        with backfill_worker.Secondary(primary.url, secondary.url) as site:
            took = site.backfill()
        kinds = [exchange.kind for proxy in (primary, secondary) for exchange in proxy.exchanges]
        others = sum(kind in ONCE for kind in kinds)
        for image in made:
            url = f"{destination.url}/v2/{image.repository}/manifests/v1"
            answer = requests.head(url, headers={"Accept": OCI_MANIFEST}, timeout=10)
            if answer.headers.get("Docker-Content-Digest") != image.digest:
                raise SystemExit(f"{image.repository} was not copied")
        return Backfill(
            repositories=repositories,
            requests=(len(kinds) - others) / repositories,
            others=others,
            took=took,
        )


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a repository costs more among many."""
    parser = argparse.ArgumentParser(prog="python -m bench.backfill", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="20 and 200 repositories: a look, no measurement")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    few, many = (measure(count // 10 if arguments.quick else count) for count in (FEW, MANY))
    losses = []
    if many.requests != few.requests or many.took.extra - few.took.extra > EXTRA_MEMORY:
        losses.append("a repository costs more among many")
    if many.cpu_s > MOST_CPU_S:
        losses.append(f"a repository takes {many.cpu_s * 1000:.1f} ms of our CPU")
    readme.tell("backfill", readme.table(HEADINGS, [few.cells(), many.cells()]), losses, path=arguments.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
