"""An image that S3 copies from bucket to bucket, beside the same image streamed.

    python -m bench.buckets [--quick] [--write bench/README.md]

Two registries on the S3 of an emulator on this machine, each in a bucket of its own, behind proxies that count. What
copies is what a holder has. The emulator's S3 leaves the checksums of copies out: a double before it, in a process of
its own, reads each copy in the emulator's folder and adds them, which counts against ours. AWS does that inside of S3.
The emulator has every object in memory as well, so what was copied is deleted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from local.emulator import ACCOUNT
from local.registries import S3, RegistrySpec, RunningRegistry, RunningS3, start, start_s3
from tests.support.proxy import CountingProxy
from tests.support.s3_double import S3Double

from bench import readme
from bench.apart import apart
from bench.bucket_copies import BucketCopies, client, wipe
from bench.images import MIB, image, push
from bench.ours import writer
from geosync.copying.s3.copier import LEAST
from geosync.copying.s3.layout import Bucket

LAYERS = 10
SIZE = 1024 * MIB
PRIMARY, LOCAL = Bucket("primary-layers"), Bucket("local-layers")
MOST_RATIO = 0.3
HEADINGS = ("image", "by S3", "streamed", "ratio", "at most", "layer bytes through the function", "at most", "pairs")


@dataclass(kw_only=True)
class Row:
    """Seconds of both, and the bytes of layers that went through the function while S3 copied."""

    size: int
    by_s3: list[float] = field(default_factory=list)
    streamed: list[float] = field(default_factory=list)
    moved: int = 0

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(one / other for one, other in zip(self.by_s3, self.streamed, strict=True))

    @property
    def is_missed(self) -> bool:
        """True where it took too long, or a layer went through the function."""
        return self.ratio > MOST_RATIO or self.moved > 0

    def cells(self) -> tuple[str, ...]:
        """The row as it is printed."""
        return (
            f"{LAYERS} x {self.size // LAYERS // MIB} MiB",
            f"{statistics.median(self.by_s3):.1f} s",
            f"{statistics.median(self.streamed):.1f} s",
            f"{self.ratio:.2f}",
            f"{MOST_RATIO}",
            f"{self.moved}",
            "0",
            f"{len(self.by_s3)}",
        )


class Buckets:
    """Two registries on one S3, proxies before them, and what the function calls for S3."""

    def __init__(self, registries: Sequence[RunningRegistry], proxies: Sequence[CountingProxy], s3_url: str) -> None:
        self._pusher = writer(registries[0].url)
        self._proxies = proxies
        self._client = client(s3_url)
        self._copies = BucketCopies((proxies[0].url, proxies[1].url), s3_url, (PRIMARY, LOCAL))

    def measure(self, size: int, pairs: int) -> Row:
        """Copy images of so many bytes both ways."""
        row = Row(size=size)
        for number in range(pairs):
            for by_s3 in (True, False) if number % 2 else (False, True):
                seconds, moved = self._copy(size, by_s3=by_s3)
                (row.by_s3 if by_s3 else row.streamed).append(seconds)
                if by_s3:
                    row.moved += moved
        return row

    def _copy(self, size: int, *, by_s3: bool) -> tuple[float, int]:
        name = f"bench/{uuid.uuid4().hex[:12]}"
        push(self._pusher, name, image([size // LAYERS] * LAYERS), "v1")
        for proxy in self._proxies:
            proxy.reset()
        seconds = self._copies.copy(name, "v1", by_s3=by_s3)
        moved = layer_bytes(self._proxies, name)
        for bucket in (PRIMARY, LOCAL):
            wipe(self._client, bucket)
        return seconds, moved


def layer_bytes(proxies: Sequence[CountingProxy], repository: str) -> int:
    """The bytes of a repository that came and went through proxies, in requests of a layer's size."""
    exchanges = [one for proxy in proxies for one in proxy.exchanges if one.kind in ("blob", "upload")]
    of_it = [one.sent + one.received for one in exchanges if f"/{repository}/" in one.target]
    return sum(moved for moved in of_it if moved >= LEAST)


class InTheFolder(S3Double):
    """The double, which reads objects where the emulator keeps them."""

    def __init__(self, emulator: str, folder: Path) -> None:
        self._folder = folder
        super().__init__(emulator)

    def read(self, path: str) -> bytes:
        """Return an object by its bucket and key."""
        return (self._folder / ACCOUNT / path).read_bytes()


def _serve(emulator: str, folder: Path, pipe: Connection) -> None:
    with closing(InTheFolder(emulator, folder)) as double:
        pipe.send(double.url)
        pipe.recv()


@contextmanager
def buckets() -> Iterator[Buckets]:
    """Start all of it, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="geosync-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        s3: RunningS3 = start_s3(folder / "s3")
        stack.callback(s3.stop)
        registries: list[Any] = []
        for bucket in (PRIMARY, LOCAL):
            s3.make_bucket(bucket.name)
            storage = S3(endpoint=s3.url, bucket=bucket.name, root="/", redirect=False)
            registries.append(start(RegistrySpec(name=bucket.name, storage=storage), folder / bucket.name))
            stack.callback(registries[-1].stop)
        proxies = [stack.enter_context(CountingProxy(one.url)) for one in registries]
        yield Buckets(registries, proxies, stack.enter_context(apart(_serve, s3.url, folder / "s3" / "objects")))


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.buckets", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one pair of 320 MiB: a look, no measurement")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    with buckets() as bench:
        row = bench.measure(320 * MIB, 1) if arguments.quick else bench.measure(SIZE, 2)
    losses = [f"{row.ratio:.2f} of streaming, {row.moved} bytes through the function"] if row.is_missed else []
    readme.tell("buckets", readme.table(HEADINGS, [row.cells()]), losses, path=arguments.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
