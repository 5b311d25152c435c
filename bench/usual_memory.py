"""The memory that a worker takes for the copies of the other tables.

    python -m bench.usual_memory [--quick] [--write bench/README.md]

Registries as in bench.copy. Each copy is made in a process of its own. What is measured is the high-water mark of its
resident set over what it had when it was idle and warm. Ends with 1 when one is more than MOST.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.registries import RunningRegistry
from tests.support.images import ImageMaker

from bench import peak, readme, shared
from bench.backfill_worker import Secondary
from bench.far import far
from bench.images import KIB, MIB, image, push, push_large
from bench.lines import RATE
from bench.ours import writer
from bench.tags import TAGS, Tags, running

MOST = 128 * MIB
LINE = f"{RATE / 1e6:.0f} MB/s a connection"
HEADINGS = ("copy of", "source", "memory over the idle process", "at most")
TAG = "v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The two registries, and the source once more on a slow line."""

    source: RunningRegistry
    destination: RunningRegistry
    slow_url: str

    def image(self, layers: Sequence[int]) -> str:
        """Push an image of layers of so many bytes; returns its repository."""
        name = f"bench/{uuid.uuid4().hex[:12]}"
        push(writer(self.source.url), name, image(list(layers)), TAG)
        return name

    def large(self, size: int) -> str:
        """Push an image of one layer; returns its repository."""
        name = f"bench/{uuid.uuid4().hex[:12]}"
        push_large(writer(self.source.url), name, size, TAG)
        return name

    def copied(self, source_url: str, repository: str) -> int:
        """The bytes that the copy of a repository's tag takes."""
        warm = self.image([64 * KIB] * 10)
        return int(peak.measure(source_url, self.destination.url, warm, repository, TAG)["extra"])


@contextmanager
def ends() -> Iterator[Ends]:
    """Start both registries, in folders that go away."""
    with ExitStack() as stack:
        source, destination = (stack.enter_context(running(name)) for name in ("source", "destination"))
        yield Ends(source=source, destination=destination, slow_url=stack.enter_context(far(source.url, 0, rate=RATE)))


def many_tags() -> int:
    """The bytes that 200 tags of one repository take."""
    with ends() as parts:
        Tags(parts.source, parts.slow_url)
        with Secondary(parts.source.url, parts.destination.url) as site:
            return site.backfill().extra


def one_base(repositories: int, base: int) -> int:
    """The bytes that so many repositories on one base take."""
    with shared.between() as parts, ImageMaker(parts.source.url) as make:
        shared.push_one_base(parts, make, repositories, base)
        return parts.site.backfill().extra


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when it is too much."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.usual_memory", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="the first two only")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    slow, several = 256 * MIB, [128 * MIB] * 4
    with ends() as parts:
        copies: list[tuple[str, str, Callable[[], int]]] = [
            (f"{TAGS} tags of one repository", "here", many_tags),
            ("a layer of 256 MiB", LINE, lambda: parts.copied(parts.slow_url, parts.large(slow))),
            ("4 x 128 MiB", "here", lambda: parts.copied(parts.source.url, parts.image(several))),
            ("4 x 128 MiB", LINE, lambda: parts.copied(parts.slow_url, parts.image(several))),
            ("100 repositories on one base of 200 MiB", "here", lambda: one_base(shared.REPOSITORIES, shared.BASE)),
        ]
        taken = [(what, line, measure()) for what, line, measure in copies[: 2 if arguments.quick else None]]
    rows = [(what, line, f"+{extra / MIB:.0f} MiB", f"{MOST // MIB} MiB") for what, line, extra in taken]
    losses = [f"{what}, source {line}: +{extra / MIB:.0f} MiB" for what, line, extra in taken if extra > MOST]
    readme.tell("usual_memory", readme.table(HEADINGS, rows), losses, path=arguments.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
