"""An image of 10 GiB that S3 copies from bucket to bucket, beside the same image streamed.

    python -m bench.buckets_large [--quick] [--s3-first] [--write bench/README.md]

As bench.buckets, with ten layers of 1 GiB, for which no emulator has the memory: the S3 is that of bench/disk_s3.py, in
a process of its own. It takes a quarter of an hour, and NEEDED bytes of disk below TMPDIR. The layers are put into the
primary's bucket one by one, as a push leaves them. Each half is copied to a new registry with a new bucket, by a
process of its own, whose memory is measured, and is deleted at once. Before that, what S3 copied is read back from the
destination's registry and hashed, outside of the time. That registry itself hashes what is streamed. Streaming goes
first: it gains if the system still has the layers in memory, and our half does not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from local.registries import S3, RegistrySpec, RunningRegistry, start
from tests.support.proxy import CountingProxy

from bench import buckets, disk_s3, readme
from bench.apart import apart
from bench.bucket_copies import INVOCATION_S, BucketCopies, client, wipe
from bench.buckets import LAYERS, MOST_RATIO, PRIMARY, Row, layer_bytes
from bench.images import MIB, Blocks, push_large, push_manifest
from bench.ours import writer
from bench.peak import ROOT, resident_peak
from geosync.copying.s3.copier import LEAST
from geosync.copying.s3.layout import Bucket, link_content
from geosync.oci.manifests import Manifest

SIZE = 1024 * MIB
PART = 64 * MIB
NEEDED = 26 * 1024 * MIB
"""Bytes of disk: the image at both ends, and six layers that a registry moves, which it has twice."""
MOST_MEMORY = 128 * MIB
STREAMED_S = 4 * 3600.0
"""Seconds for streaming: it may take longer than an invocation, as the row is about the time of both."""
WARM, TAG = "bench/warm", "v1"
HEADINGS = (*buckets.HEADINGS, "memory over the idle process, by S3", "streamed", "at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """A copy: its seconds, our CPU's, the machine's load at its end, and bytes.

    `extra` is the memory over the idle process, `moved` are those of layers that went through it.
    """

    seconds: float
    cpu_s: float
    load: float
    extra: int
    moved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The primary's registry with the image, and the S3 of both."""

    s3_url: str
    folder: Path
    source: RunningRegistry
    repository: str
    manifest: Manifest

    def copied(self, *, by_s3: bool) -> Half:
        """Copy it to a new registry, and read back what is there; raises SystemExit where that is not the image."""
        bucket = Bucket("local-by-s3" if by_s3 else "local-streamed")
        with registry(bucket, self.s3_url, self.folder) as destination:
            with CountingProxy(self.source.url) as near, CountingProxy(destination.url) as far:
                command = [sys.executable, "-m", "bench.buckets_large", "--copy", near.url, far.url, self.s3_url]
                command += [bucket.name, self.repository, "s3" if by_s3 else "streamed"]
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, timeout=2 * STREAMED_S
                )
                half = Half(moved=layer_bytes((near, far), self.repository), **json.loads(done.stdout))
            print(f"{'by S3' if by_s3 else 'streamed'}: {half}", file=sys.stderr, flush=True)
            if by_s3:
                self._read_back(destination)
        wipe(client(self.s3_url), bucket)
        return half

    def _read_back(self, destination: RunningRegistry) -> None:
        for layer in json.loads(self.manifest.content)["layers"]:
            digest = hashlib.sha256()
            url = f"{destination.url}/v2/{self.repository}/blobs/{layer['digest']}"
            with urllib.request.urlopen(url, timeout=300) as answer:  # noqa: S310 - our own registry
                while block := answer.read(MIB):
                    digest.update(block)
            if layer["digest"] != f"sha256:{digest.hexdigest()}":
                raise SystemExit(f"{layer['digest']} arrived as other bytes")


@contextmanager
def registry(bucket: Bucket, s3_url: str, folder: Path) -> Iterator[RunningRegistry]:
    """Run a registry with a new bucket."""
    client(s3_url).create_bucket(Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    storage = S3(endpoint=s3_url, bucket=bucket.name, root="/", redirect=False)
    running = start(RegistrySpec(name=bucket.name, storage=storage), folder / bucket.name)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def whole(size: int) -> Iterator[Whole]:
    """Push the image, of layers of so many bytes, into a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="geosync-bench-") as name:
        folder = Path(name)
        needed, free = NEEDED * size // SIZE, shutil.disk_usage(folder).free
        if free < needed:
            raise SystemExit(f"{folder} has {free // MIB} MiB, and {needed // MIB} are needed: set TMPDIR")
        with apart(disk_s3.serve, folder / "objects") as s3_url, registry(PRIMARY, s3_url, folder) as source:
            pusher = writer(source.url)
            push_large(pusher, WARM, LEAST, TAG)
            repository = f"bench/{uuid.uuid4().hex[:12]}"
            layers = {put_layer(s3_url, repository, size): size for _ in range(LAYERS)}
            manifest = push_manifest(pusher, repository, layers, TAG)
            yield Whole(s3_url=s3_url, folder=folder, source=source, repository=repository, manifest=manifest)


def put_layer(s3_url: str, repository: str, size: int) -> str:
    """Put a layer and its link into the primary's bucket, as a push leaves them; returns its digest."""
    seed, whole = os.urandom(MIB), hashlib.sha256()
    for block in iter(partial(Blocks(seed, size).read, MIB), b""):
        whole.update(block)
    digest = f"sha256:{whole.hexdigest()}"
    s3: Any = client(s3_url)  # boto3's types know no keywords that are put together
    upload = {"Bucket": PRIMARY.name, "Key": PRIMARY.data_key(digest)}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    blocks, parts = iter(partial(Blocks(seed, size).read, MIB), b""), list[dict[str, Any]]()
    while part := b"".join(islice(blocks, PART // MIB)):
        number = len(parts) + 1
        parts.append({"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    s3.put_object(Bucket=PRIMARY.name, Key=PRIMARY.link_key(repository, digest), Body=link_content(digest))
    return digest


def copy_here(source: str, destination: str, s3_url: str, bucket: str, repository: str, way: str) -> None:
    """Copy in this process, which is warm, and print what it took."""
    by_s3 = way == "s3"
    copies = BucketCopies((source, destination), s3_url, (PRIMARY, Bucket(bucket)))
    copies.copy(WARM, TAG, by_s3=by_s3)
    Path("/proc/self/clear_refs").write_text("5")
    idle, cpu_s = resident_peak(), time.process_time()
    seconds = copies.copy(repository, TAG, by_s3=by_s3, given_s=INVOCATION_S if by_s3 else STREAMED_S)
    taken = {"cpu_s": time.process_time() - cpu_s, "load": os.getloadavg()[0], "extra": resident_peak() - idle}
    print(json.dumps({"seconds": seconds, **taken}))


def misses(row: Row, by_s3: Half, streamed: Half) -> list[str]:
    """What is over what is asked for."""
    found = []
    if row.ratio > MOST_RATIO:
        found.append(f"{row.ratio:.2f} of streaming, and at most {MOST_RATIO} is asked for")
    if row.moved:
        found.append(f"{row.moved} bytes through the function while S3 copied")
    for way, half in (("by S3", by_s3), ("streamed", streamed)):
        if half.extra > MOST_MEMORY:
            found.append(f"{way}: +{half.extra / MIB:.0f} MiB of memory")
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when a target is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.buckets_large", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="layers of 32 MiB: a look, no measurement")
    parser.add_argument("--s3-first", action="store_true", help="have S3 copy before it is streamed")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    parser.add_argument("--copy", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    if arguments.copy:
        copy_here(*arguments.copy)
        return 0
    # As an interrupt: the folder is removed on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    size = 32 * MIB if arguments.quick else SIZE
    with whole(size) as bench:
        halves = {way: bench.copied(by_s3=way) for way in ((True, False) if arguments.s3_first else (False, True))}
    by_s3, streamed = halves[True], halves[False]
    row = Row(size=size * LAYERS, by_s3=[by_s3.seconds], streamed=[streamed.seconds], moved=by_s3.moved)
    memory = (*(f"+{half.extra / MIB:.0f} MiB" for half in (by_s3, streamed)), f"{MOST_MEMORY // MIB} MiB")
    losses = misses(row, by_s3, streamed)
    lines = [*readme.table(HEADINGS, [(*row.cells(), *memory)]), ""]
    for way, half in (("S3 copied", by_s3), ("it was streamed", streamed)):
        lines.append(
            f"While {way} our process took {half.cpu_s:.1f} s of CPU; the load was {half.load:.0f} at the end."
        )
    lines.append(f"{'S3 copied' if arguments.s3_first else 'Streaming went'} first.")
    readme.tell("buckets_large", lines, losses, path=arguments.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
