"""First copies over slow connections, and to a destination that is far away.

    python -m bench.lines [--quick] [--write bench/README.md]

Registries and proxies as in bench.copy. Each pair copies fresh random images of the same shape; its halves change
places.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from local.registries import FileSystem, RegistrySpec, RunningRegistry, start

from bench import readme
from bench.far import far
from bench.hands import Workers
from bench.images import KIB, MIB, Image, image, push, push_large
from bench.ours import copy_tag, reader, writer
from geosync.oci import wire
from geosync.oci.client import RegistryClient
from geosync.oci.memory import BESIDE_ROOM
from geosync.pair.connections import Connections
from geosync.pair.settings import PARALLELISM

LATENCY = 0.08
RATE = 20e6
"""Bytes per second of one connection."""
READ_RATE = 40e6
"""Bytes per second of the one connection that reads for a destination that stores in pieces."""
STORES = (10 * MIB, 0.25)
"""A piece as Distribution gives it to S3, and the seconds that this takes: as many bytes a second as are read."""
SOCKETS = 2 * MIB
"""Bytes that each of our sockets holds for that row. A kernel that lets them grow over 10 MiB reads ahead by itself."""
WORKER_RATE = 10e6
"""Bytes per second of one worker: four of them leave a busy machine some time for the registries."""
TAG = "v1"
HEADINGS = ("first copy of", "line", "ours", "beside", "of", "at most", "pairs")


@dataclass(kw_only=True)
class Row:
    """Times in seconds of ours, and of what it is beside."""

    name: str
    line: str
    beside: str
    at_most: str
    is_missed: Callable[[Row], bool]
    ours: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(one / other for one, other in zip(self.ours, self.others, strict=True))

    @property
    def loss(self) -> str:
        """What there is to say where it is missed."""
        return f"{self.name}, {self.line}: {statistics.median(self.ours):.2f} s, {self.ratio:.2f} of {self.beside}"

    def cells(self) -> tuple[str, ...]:
        """The row as it is printed."""
        return (
            self.name,
            self.line,
            f"{statistics.median(self.ours):.2f} s",
            f"{self.beside}: {statistics.median(self.others):.2f} s",
            f"{self.ratio:.2f}",
            self.at_most,
            f"{len(self.ours)}",
        )


class Lines:
    """Two registries, one of them on a slow line, or far away, or slow to store."""

    def __init__(self, source: RunningRegistry, destination: RunningRegistry, urls: Sequence[str]) -> None:
        slow_url, far_url, read_url, stores_url = urls
        self._urls = (source.url, destination.url)
        self._folders = [one.folder / "data" / "docker" for one in (source, destination)]
        self._pusher = writer(source.url)
        self._near, self._slow = reader(source.url), reader(slow_url)
        self._writer, self._far = writer(destination.url), writer(far_url)
        self._read, self._stores = reader(read_url), writer(stores_url)

    def slow_connections(self, pairs: int) -> Row:
        """Copy a layer of 256 MiB over as many connections as pay, and over one."""
        row = Row(
            name="256 MiB",
            line="20 MB/s a connection",
            beside="one connection",
            at_most="4 s",
            is_missed=lambda row: statistics.median(row.ours) > 4,
        )

        def copy(connections: Connections) -> float:
            name = f"bench/{uuid.uuid4().hex[:12]}"
            push_large(self._pusher, name, 256 * MIB, TAG)
            return _timed(partial(copy_tag, self._slow, self._writer, name, TAG, connections=connections))

        for number in range(pairs):
            for is_ours in (True, False) if number % 2 else (False, True):
                (row.ours if is_ours else row.others).append(copy(Connections() if is_ours else Connections(most=1)))
            self._wipe()
        return row

    def stored_in_pieces(self, pairs: int) -> Row:
        """Copy a layer to a destination that takes nothing while it stores a piece, reading meanwhile and not."""
        row = Row(
            name="128 MiB",
            line="40 MB/s in, 10 MiB stored in 0.25 s, sockets of 2 MiB",
            beside="in turns",
            at_most="0.9",
            is_missed=lambda row: row.ratio > 0.9,
        )

        def copy(*, is_ours: bool) -> float:
            name = f"bench/{uuid.uuid4().hex[:12]}"
            push_large(self._pusher, name, 128 * MIB, TAG)
            pool = self._read.memory.beside
            taken = 0 if is_ours else BESIDE_ROOM
            assert pool.take_if_free(taken)  # noqa: S101 - without memory for it nothing is read ahead
            connections = Connections(most=1)
            seconds = _timed(partial(copy_tag, self._read, self._stores, name, TAG, connections=connections))
            pool.give_back(taken)
            return seconds

        with sockets_of(SOCKETS):
            for number in range(pairs):
                for is_ours in (True, False) if number % 2 else (False, True):
                    (row.ours if is_ours else row.others).append(copy(is_ours=is_ours))
                self._wipe()
        return row

    def four_hands(self, pairs: int) -> Row:
        """Copy an image of eight layers by four workers, and by one; each has a quarter of the wire."""
        row = Row(
            name="8 x 16 MiB, four workers",
            line="10 MB/s a worker",
            beside="one worker",
            at_most="0.35",
            is_missed=lambda row: row.ratio > 0.35,
        )
        for number in range(pairs):
            for is_ours in (True, False) if number % 2 else (False, True):
                name = f"bench/{uuid.uuid4().hex[:12]}"
                push(self._pusher, name, image([16 * MIB] * 8), TAG)
                workers = Workers(*self._urls, WORKER_RATE)
                seconds = _timed(partial(workers.copy, name, TAG, helpers=is_ours))
                (row.ours if is_ours else row.others).append(seconds)
            self._wipe()
        return row

    def far_destination(self, pairs: int) -> Row:
        """Copy an image of ten small layers to a far destination, and send the least that it takes."""
        row = Row(
            name="10 small layers",
            line="destination 80 ms away",
            beside="the floor",
            at_most="1.3",
            is_missed=lambda row: row.ratio > 1.3,
        )
        self._copy(_small())
        for number in range(pairs):
            for is_ours in (True, False) if number % 2 else (False, True):
                made = _small()
                (row.ours if is_ours else row.others).append(self._copy(made) if is_ours else self._floor(made))
            self._wipe()
        return row

    def _copy(self, made: Image) -> float:
        name = f"bench/{uuid.uuid4().hex[:12]}"
        push(self._pusher, name, made, TAG)
        return _timed(partial(copy_tag, self._near, self._far, name, TAG))

    def _floor(self, made: Image) -> float:
        return _timed(partial(_send, self._far, f"bench/{uuid.uuid4().hex[:12]}", made))

    def _wipe(self) -> None:
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


def _small() -> Image:
    return image([64 * KIB] * 10)


def _send(client: RegistryClient, repository: str, made: Image) -> None:
    """Send an image in the least rounds: POST, PUT, PUT, HEAD."""

    def end(begun: tuple[str, bytes]) -> None:
        client.put_small_blob(repository, *begun)

    with ThreadPoolExecutor(PARALLELISM) as pool:
        list(pool.map(end, made.blobs.items()))
    client.put_manifest(repository, TAG, made.root)
    client.head_manifest(repository, TAG)


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


@contextmanager
def sockets_of(size: int) -> Iterator[None]:
    """Have the sockets that our clients open hold so many bytes each way. The system doubles what it is told."""
    stepwise = wire.stepwise

    def bounded(plain: socket.socket) -> Any:
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            plain.setsockopt(socket.SOL_SOCKET, buffer, size // 2)
        return stepwise(plain)

    with patch.object(wire, "stepwise", bounded):
        yield


@contextmanager
def lines() -> Iterator[Lines]:
    """Start two registries and a proxy before each, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="geosync-bench-") as folder:
        running: list[RunningRegistry] = []
        try:
            running.append(start(RegistrySpec(name="source", storage=FileSystem()), Path(folder) / "source"))
            running.append(start(RegistrySpec(name="destination", storage=FileSystem()), Path(folder) / "destination"))
            with (
                far(running[0].url, 0.0, rate=RATE) as slow_url,
                far(running[1].url, LATENCY) as far_url,
                far(running[0].url, 0.0, rate=READ_RATE) as read_url,
                far(running[1].url, 0.0, stores=STORES) as stores_url,
            ):
                yield Lines(running[0], running[1], (slow_url, far_url, read_url, stores_url))
        finally:
            for registry in running:
                registry.stop()


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.lines", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one pair each: a look, no measurement")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    with lines() as bench:
        rows = [
            bench.slow_connections(1 if arguments.quick else 3),
            bench.stored_in_pieces(1 if arguments.quick else 3),
            bench.four_hands(1 if arguments.quick else 3),
            bench.far_destination(1 if arguments.quick else 9),
        ]
    losses = [row.loss for row in rows if row.is_missed(row)]
    readme.tell("lines", readme.table(HEADINGS, [row.cells() for row in rows]), losses, path=arguments.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
