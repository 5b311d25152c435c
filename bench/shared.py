"""Layers that another repository of the secondary has: the requests for an image of them, and the bytes that move.

    python -m bench.shared [--quick] [--write bench/README.md]

Registries as in bench.copy, behind proxies that count. Ours is the process of bench.backfill. No number here depends on
the machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from local.registries import RunningRegistry
from tests.support.images import Descriptor, ImageMaker
from tests.support.proxy import CountingProxy, Exchange

from bench import readme
from bench.backfill_worker import Secondary
from bench.images import KIB, MIB
from bench.tags import running

LAYERS = 5
REPOSITORIES = 100
BASE = 200 * MIB
OWN = 16 * KIB
MOST_REQUESTS = 13
WALKS = ("tags", "referrers", "catalog", "ping")
"""What a comparison asks, and no copy."""
HEADINGS = ("copy of", "requests", "layer bytes moved", "at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """A secondary, the registry that it copies from, and a proxy before each end."""

    source: RunningRegistry
    proxies: tuple[CountingProxy, CountingProxy]
    site: Secondary

    def copied(self, repositories: str) -> tuple[int, int]:
        """Copy what is new; the requests of the repositories of this prefix, and the bytes of their uploads."""
        for proxy in self.proxies:
            proxy.reset()
        self.site.backfill()
        made = [one for proxy in self.proxies for one in proxy.exchanges if f"/{repositories}" in one.target]
        return sum(one.kind not in WALKS for one in made), sum(map(_uploaded, made))

    def mount(self, repository: str, layer: Descriptor, holder: str) -> None:
        """Have the source's `repository` have a layer that `holder` has there."""
        query = {"mount": layer["digest"], "from": holder}
        answer = requests.post(f"{self.source.url}/v2/{repository}/blobs/uploads/", params=query, timeout=60)
        if answer.status_code != requests.codes.created:
            raise SystemExit(f"the source did not mount: {answer.status_code}")


def _uploaded(exchange: Exchange) -> int:
    return exchange.sent if exchange.kind == "upload" else 0


@contextmanager
def between() -> Iterator[Between]:
    """Start two registries, and what copies from one to the other."""
    with ExitStack() as stack:
        source, destination = (stack.enter_context(running(name)) for name in ("source", "destination"))
        proxies = tuple(stack.enter_context(CountingProxy(one.url)) for one in (source, destination))
        site = stack.enter_context(Secondary(proxies[0].url, proxies[1].url))
        yield Between(source=source, proxies=(proxies[0], proxies[1]), site=site)


def another_repository() -> tuple[int, int]:
    """Copy an image whose layers a repository has that was copied before: requests, bytes of layers."""
    with between() as parts, ImageMaker(parts.source.url) as make:
        layers = [make.layer("first", OWN) for _ in range(LAYERS)]
        make.image("first", "v1", layers=0, reuse=layers)
        parts.copied("first")
        for layer in layers:
            parts.mount("second", layer, "first")
        made = make.image("second", "v1", layers=0, reuse=layers)
        config = requests.get(f"{parts.source.url}/v2/second/blobs/{made.blobs[0]}", timeout=60)
        asked, moved = parts.copied("second")
        return asked, moved - len(config.content)


def push_one_base(parts: Between, make: ImageMaker, repositories: int, base: int) -> int:
    """Push so many repositories on one base, each with a layer of its own; the bytes of the base and of what is new."""
    layer = make.layer("app-0", base)
    new = 0
    for number in range(repositories):
        if number:
            parts.mount(f"app-{number}", layer, "app-0")
        own = make.layer(f"app-{number}", OWN)
        made = make.image(f"app-{number}", "v1", layers=0, reuse=[layer, own])
        config = requests.get(f"{parts.source.url}/v2/app-{number}/blobs/{made.blobs[0]}", timeout=60)
        new += own["size"] + len(config.content)
    return int(layer["size"]) + new


def one_base(repositories: int, base: int) -> tuple[int, int, int]:
    """Copy so many repositories on one base: requests, bytes that moved, bytes at most."""
    with between() as parts, ImageMaker(parts.source.url) as make:
        most = push_one_base(parts, make, repositories, base)
        return *parts.copied("app-"), most


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when it is too much."""
    parser = argparse.ArgumentParser(prog="python -m bench.shared", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="10 repositories and a base of 8 MiB")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    asked, moved = another_repository()
    repositories, base = (10, 8 * MIB) if arguments.quick else (REPOSITORIES, BASE)
    all_asked, all_moved, most = one_base(repositories, base)
    rows = [
        (f"{LAYERS} layers that another repository has", f"{asked}", f"{moved}", f"{MOST_REQUESTS} requests, no bytes"),
        (
            f"{repositories} repositories on one base of {base // MIB} MiB",
            f"{all_asked / repositories:g} each",
            f"{all_moved / MIB:.2f} MiB",
            f"{most / MIB:.2f} MiB: once the base, and what is new",
        ),
    ]
    losses = [f"{asked} requests for {LAYERS} layers that another repository has"] if asked > MOST_REQUESTS else []
    if moved or all_moved > most:
        losses.append(f"{moved + max(all_moved - most, 0)} bytes of layers that were there moved again")
    readme.tell("shared", readme.table(HEADINGS, rows), losses, path=arguments.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
