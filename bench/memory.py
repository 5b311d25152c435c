"""The memory that the largest images take which the limits allow, several of them at once.

    python -m bench.memory [--write bench/README.md]

Two registries on this machine (CNCF Distribution 2.8). Each image is an index of 4 MiB that refers to 15 manifests of
4 MiB, each shaped so that whoever parses it needs many times its bytes. A process of its own copies REFERENCES of them
at once, with as many requests in flight as functions/sync has. What is measured is the high-water mark of its resident
set over what it had before. Ends with 1 when that is more than MOST.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from tests.hostile.large_manifests import CONFIG, largest, repeated

from bench import readme
from bench.copy import Bench, registries
from bench.images import MIB
from bench.ours import writer
from bench.peak import ROOT, resident_peak
from geosync.copying.copy import Copier
from geosync.copying.route import Route
from geosync.oci import media_types
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Manifest
from geosync.oci.memory import Memory
from geosync.oci.options import ClientOptions
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair

REFERENCES = 6
"""References of a repository at once: two more than their parts have memory for."""
CHILDREN = 15
MOST = 200 * MIB
SHAPES: dict[str, Callable[[bytes], bytes]] = {
    "a list of a million empty lists in a field that nobody reads": largest,
    "one layer 40,000 times": repeated,
}
HEADINGS = ("15 manifests of 4 MiB, each with", "images at once", "memory over the idle process", "at most", "time")


def push_largest(
    client: RegistryClient,
    repository: str,
    shape: Callable[[bytes], bytes],
    number: int,
    children: int = CHILDREN,
    item: bytes = b"[]",
) -> None:
    """Put an index of the largest images under the tag `v<number>`; it is 4 MiB itself, by a list of `item`."""
    images = [
        Manifest.read(shape(b"%d of %d" % (child, number)), media_types.OCI_MANIFEST) for child in range(children)
    ]
    for image in images:
        client.put_manifest(repository, image.digest, image)
    listed = [{"mediaType": one.media_type, "digest": one.digest, "size": len(one.content)} for one in images]
    head = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
    content = head[:-1] + b',"x":[' + (item + b",") * ((4 * MIB - len(head) - 20) // (len(item) + 1)) + b"0]}"
    client.put_manifest(repository, f"v{number}", Manifest.read(content, media_types.OCI_INDEX))


def copy_all(reader: RegistryClient, writer: RegistryClient, repository: str, references: int) -> None:
    """Copy the tags at once, as a holder does; both clients share their memory."""
    pair = Pair(Repository(reader, repository), Repository(writer, repository))
    with Copier(Route(pair=pair), tag_write=nullcontext) as copier, ThreadPoolExecutor(references) as pool:

        def sync(number: int) -> None:
            with reader.memory.attempt(reader.deadline):
                manifest = reader.get_manifest(repository, f"v{number}")
                assert manifest is not None, "it was pushed"  # noqa: S101
                copier.copy(manifest, f"v{number}")

        list(pool.map(sync, range(references)))


def measure(bench: Bench, repository: str, shape: Callable[[bytes], bytes]) -> dict[str, float]:
    """Push the images of a shape, and copy them in a process of its own; returns what it printed."""
    pusher = writer(bench.source_url)
    pusher.put_small_blob(repository, str(CONFIG["digest"]), b"{}")
    for number in range(REFERENCES):
        push_largest(pusher, repository, shape, number)
    command = [sys.executable, "-m", "bench.memory", "--copy", bench.source_url, bench.destination_url, repository]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _copy_here(source_url: str, destination_url: str, repository: str) -> None:
    options = ClientOptions(memory=Memory())
    deadline = Deadline()
    source = RegistryClient(source_url, Anonymous(), deadline=deadline, options=options)
    destination = RegistryClient(destination_url, Anonymous(), deadline=deadline, writes=True, options=options)
    source.ping()
    destination.ping()
    Path("/proc/self/clear_refs").write_text("5")
    idle, started = resident_peak(), time.perf_counter()
    copy_all(source, destination, repository, REFERENCES)
    print(json.dumps({"extra": resident_peak() - idle, "seconds": time.perf_counter() - started}))


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when it is too much."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one shape only")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    parser.add_argument("--copy", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    if arguments.copy:
        _copy_here(*arguments.copy)
        return 0
    rows: list[tuple[str, ...]] = []
    losses: list[str] = []
    with registries() as bench:
        for number, (name, shape) in enumerate([*SHAPES.items()][: 1 if arguments.quick else None]):
            measured = measure(bench, f"bench/largest-{number}", shape)
            if measured["extra"] > MOST:
                losses.append(f"{name}: +{measured['extra'] / MIB:.0f} MiB")
            extra, seconds = f"+{measured['extra'] / MIB:.0f} MiB", f"{measured['seconds']:.0f} s"
            rows.append((name, str(REFERENCES), extra, f"{MOST // MIB} MiB", seconds))
    readme.tell("memory", readme.table(HEADINGS, rows), losses, path=arguments.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
