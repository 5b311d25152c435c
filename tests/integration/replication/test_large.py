"""A layer that does not fit into one invocation: several of them bring it, and no byte goes twice beyond a chunk."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.images import MIB, push_large
from bench.ours import writer
from tests.integration.conftest import Place
from tests.integration.replication.secondary import Secondary, event
from tests.support.proxy import Slow

from geosync.events import GeoEvent
from geosync.oci.manifests import Manifest
from geosync.sync_registry.items import PENDING, SYNCED, UPLOAD_PREFIX, KeptUpload


@pytest.fixture
def secondary(plain_registry: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(plain_registry, second_registry)
    yield one
    one.close()


def push(place: Place, repository: str, size: int) -> tuple[Manifest, GeoEvent]:
    """Push an image of one layer of `size` bytes to a registry, past the proxy."""
    client = writer(place.url)
    made = push_large(client, repository, size, "v1")
    client.close()
    return made, event("created", repository, tag="v1", digest=made.digest)


def invoke(secondary: Secondary, seconds: float, *messages: GeoEvent) -> None:
    """Run one invocation that ends after `seconds`: with a message, else as the sweep wakes it."""
    secondary.deadline.set(seconds)
    if messages:
        secondary.receive(*messages)
    else:
        secondary.sweep()
    secondary.deadline.clear()


def under_way(secondary: Secondary, repository: str) -> list[KeptUpload]:
    return [KeptUpload.from_item(item) for item in secondary.store.items(repository, UPLOAD_PREFIX, limit=10)]


def chunks(secondary: Secondary) -> list[tuple[str, int, int]]:
    """(method, status, bytes sent) of every request that carried bytes of a blob, or closed an upload."""
    return [
        (one.method, one.status, one.sent)
        for one in secondary.secondary_proxy.exchanges
        if one.kind == "upload" and one.method in ("PUT", "PATCH")
    ]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc of Linux")
def test_a_layer_of_200_mib_arrives_over_several_invocations(
    secondary: Secondary, plain_registry: Place, repository: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    size = 200 * MIB
    made, pushed = push(plain_registry, repository, size)
    secondary.secondary_proxy.add(Slow(kind="upload", times=1000, rate=100 * MIB))
    secondary.registries.pace.note(100 * MIB, 1.0)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_peak()

    messages = [pushed]
    invocations = 0
    last = 0
    while secondary.digest(repository, "v1") != made.digest:
        invoke(secondary, 1.0, *messages)
        messages = []
        invocations += 1
        assert invocations < 10
        for owed in secondary.owed(repository):
            assert (owed.attempts, owed.failure) == (0, None), "going on is no failure"
        if left := under_way(secondary, repository):
            assert left[0].offset > last, "every invocation gets further"
            last = left[0].offset
            assert secondary.row(repository).state == PENDING

    assert invocations >= 3
    assert sum(sent for method, _, sent in chunks(secondary) if method == "PATCH") == size, "no byte goes twice"
    assert secondary.secondary_proxy.counts()["POST", "uploads"] == 2, "the layer's upload, and the config's"
    assert secondary.row(repository).state == SYNCED
    assert not under_way(secondary, repository)
    assert resident_peak() - before < 64 * MIB
    assert "_state" not in caplog.text
    assert "blobs/uploads/" not in re.sub(r"blobs/uploads/…", "", caplog.text)


def resident_peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
