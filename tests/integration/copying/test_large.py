"""A layer that does not fit into one invocation: several of them bring it, and no byte goes twice beyond a chunk."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import requests
from bench.images import MIB, push_large
from bench.ours import writer
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event
from tests.support.proxy import Call, Slow
from tests.support.scripted import Reply, Request
from tests.support.upgrade import previous
from tests.support.vendors.double import VendorDouble

from geosync.messages.geo_event import GeoEvent
from geosync.oci.manifests import Manifest
from geosync.oci.uploads import UploadLimits
from geosync.pair.pace import ASSUMED
from geosync.registries.registry import Registry
from geosync.sync_registry.items import FAILED, PENDING, SYNCED, Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.timing import Timing
from geosync.sync_registry.uploads import UPLOAD_PREFIX, KeptUpload


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
    secondary.secondary_proxy.add(Slow(kind="upload", times=1000, rate=12 * MIB))
    secondary.registries.pace.note(12 * MIB, 1.0)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_peak()

    messages = [pushed]
    invocations = 0
    last = 0
    while secondary.digest(repository, "v1") != made.digest:
        invoke(secondary, 8.0, *messages)  # the proxy lets a chunk pass in a second: a busy machine has time, too
        messages = []
        invocations += 1
        assert invocations < 20
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


# ------------------------------------------------------------------------------------------- what becomes of an upload


class SmallBodies(Registry):
    """A registry that takes small bodies only: a layer of a few MiB goes in chunks of one MiB."""

    upload_limits = UploadLimits(max_body=MIB)


LAYER = 4 * MIB


@pytest.fixture
def chunked(plain_registry: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(plain_registry, second_registry, vendors=(Registry, SmallBodies))
    yield one
    one.close()


def leave_under_way(secondary: Secondary, place: Place, repository: str) -> tuple[Manifest, KeptUpload]:
    """Have an invocation end in the middle of a layer, with one chunk of it taken."""
    made, pushed = push(place, repository, LAYER)
    secondary.registries.pace.rate = MIB / 5
    secondary.secondary_proxy.add(Call(method="PATCH", after=lambda: secondary.deadline.set(5.0)))
    secondary.receive(pushed)
    secondary.deadline.clear()
    secondary.registries.pace.rate = ASSUMED
    (left,) = under_way(secondary, repository)
    assert left.offset == MIB
    assert left.offset == sum(sent for method, _, sent in chunks(secondary) if method == "PATCH")
    secondary.reset()
    return made, left


def finish(secondary: Secondary, repository: str, made: Manifest) -> int:
    """Let the next invocations finish; return the bytes that they sent in chunks."""
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.row(repository).state == SYNCED
    return sum(sent for method, _, sent in chunks(secondary) if method == "PATCH")


def edit(secondary: Secondary, repository: str, left: KeptUpload, **values: object) -> None:
    key = Key(repository, UPLOAD_PREFIX + left.digest)
    secondary.store.table[key] = {**secondary.store.table[key], **values}


def test_the_next_invocation_goes_on_with_the_rest(chunked: Secondary, plain_registry: Place, repository: str) -> None:
    made, left = leave_under_way(chunked, plain_registry, repository)

    assert finish(chunked, repository, made) == LAYER - left.offset

    reads = [one for one in chunked.primary_proxy.exchanges if one.kind == "blob" and left.digest in one.path]
    assert [(one.status, one.received) for one in reads] == [(206, LAYER - left.offset)]
    assert chunked.secondary_proxy.counts()["GET", "upload"] == 1


def test_an_upload_that_the_previous_release_began_is_gone_on_with(
    chunked: Secondary, plain_registry: Place, repository: str, tmp_path: Path
) -> None:
    """Its own code sends a chunk to the registry, and leaves the layer to the next holder: one of today's."""
    made, _ = push(plain_registry, repository, LAYER)
    (layer,) = [one for one in made.blobs if one.size == LAYER]
    content = requests.get(f"{plain_registry.url}/v2/{repository}/blobs/{layer.digest}", timeout=60).content
    (tmp_path / "chunk").write_bytes(content[:MIB])
    library = previous.library(tmp_path / "previous")
    url = chunked.secondary_proxy.url
    items = previous.under_way(library, url, repository, pushed=made.digest, blob=layer, chunk=tmp_path / "chunk")
    chunked.store.table.update(MemoryStore(items).table)
    chunked.secondary_proxy.reset()
    chunked.registries.pace.rate = ASSUMED

    assert finish(chunked, repository, made) == LAYER - MIB

    reads = [one for one in chunked.primary_proxy.exchanges if one.kind == "blob" and layer.digest in one.path]
    assert [(one.status, one.received) for one in reads] == [(206, LAYER - MIB)]


def test_a_source_that_knows_no_ranges_is_read_from_the_start(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    class NoRanges(VendorDouble):
        def answer(self, request: Request) -> Reply:
            headers = {name: value for name, value in request.headers.items() if name != "range"}
            return self.forward(replace(request, headers=headers))

    with NoRanges(plain_registry.url) as primary:
        secondary = Secondary(primary, second_registry, vendors=(Registry, SmallBodies))
        made, left = leave_under_way(secondary, plain_registry, repository)
        assert finish(secondary, repository, made) == LAYER - left.offset
        secondary.close()


def test_an_upload_that_died_is_begun_anew_and_is_no_failure(
    chunked: Secondary, plain_registry: Place, second_registry: Place, repository: str
) -> None:
    made, left = leave_under_way(chunked, plain_registry, repository)
    assert requests.delete(f"{second_registry.url}{left.path}", timeout=60).status_code == 204

    invoke(chunked, 10)

    assert chunked.digest(repository, "v1") == made.digest
    assert finish(chunked, repository, made) == LAYER


def test_an_upload_is_not_gone_on_with_after_a_take_over(
    chunked: Secondary, plain_registry: Place, repository: str
) -> None:
    made, left = leave_under_way(chunked, plain_registry, repository)
    short = SyncRegistry(chunked.store, timing=Timing.scaled_to(1.0, settle_s=2.0, suspect_s=2.0))
    dying = short.acquire(repository)
    assert dying is not None
    assert chunked.sync_registry.uploads.take(dying) == [left]  # and then it died

    assert finish(chunked, repository, made) == LAYER


@pytest.mark.parametrize("values", [{"path": "//example.com/v2/x"}, {"registry": "example.com"}])
def test_an_upload_that_is_somewhere_else_is_begun_anew(
    chunked: Secondary, plain_registry: Place, repository: str, values: dict[str, object]
) -> None:
    made, left = leave_under_way(chunked, plain_registry, repository)
    edit(chunked, repository, left, **values)
    assert finish(chunked, repository, made) == LAYER


def test_an_item_that_cannot_be_read_costs_its_upload_only(
    chunked: Secondary, plain_registry: Place, repository: str
) -> None:
    made, left = leave_under_way(chunked, plain_registry, repository)
    edit(chunked, repository, left, offset="nonsense")
    assert finish(chunked, repository, made) == LAYER


def test_bytes_that_are_not_the_layers_are_found_out_at_its_end(
    chunked: Secondary, plain_registry: Place, second_registry: Place, repository: str
) -> None:
    """What is gone on with was never hashed here: the destination's own check proves it, and the layer begins anew."""
    made, left = leave_under_way(chunked, plain_registry, repository)
    begun = requests.post(f"{second_registry.url}/v2/{repository}/blobs/uploads/", timeout=60)
    other = requests.patch(begun.headers["Location"], data=bytes(left.offset), timeout=60)
    edit(chunked, repository, left, path=other.headers["Location"].removeprefix(second_registry.url))

    assert finish(chunked, repository, made) == LAYER - left.offset + LAYER

    assert (400, "PUT") in [(status, method) for method, status, _ in chunks(chunked)]


# -------------------------------------------------------------------------------------- layers that never get anywhere


class InOnePiece(Registry):
    """A registry that takes a blob in one piece only, as Google's Artifact Registry."""

    upload_limits = UploadLimits(chunked=False)


@pytest.fixture
def whole(plain_registry: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(plain_registry, second_registry, vendors=(Registry, InOnePiece))
    yield one
    one.close()


def test_a_layer_that_does_not_fit_where_only_whole_ones_are_taken_is_a_failure_that_says_so(
    whole: Secondary, plain_registry: Place, repository: str
) -> None:
    made, pushed = push(plain_registry, repository, 24 * MIB)
    whole.secondary_proxy.add(Slow(method="PUT", kind="upload", times=1000, rate=4 * MIB))
    # The two seconds begin with the bytes: however busy this machine is, some of them are sent.
    begins = Call(method="PUT", kind="upload", times=1000, before=lambda: whole.deadline.set(2.0))
    whole.secondary_proxy.add(begins)

    invoke(whole, 600.0, pushed)

    (owed,) = whole.owed(repository)
    assert owed.attempts == 1
    assert re.search(rf"layer {made.blobs[-1].digest}: \d+ of {24 * MIB} bytes were sent in \d+ s", owed.failure or "")
    assert "only in one piece" in (owed.failure or "")
    assert whole.row(repository).state == PENDING, "released: another reference may be due"
    whole.reset()
    whole.sync_registry.mark(repository, Reference.tag("v1"))
    whole.sweep_until(lambda: not whole.owed(repository))
    assert whole.digest(repository, "v1") == made.digest
    assert whole.row(repository).last_sync_failure is None


def test_a_layer_in_chunks_that_gets_no_further_is_a_failure_that_says_so(
    chunked: Secondary, plain_registry: Place, repository: str
) -> None:
    made, left = leave_under_way(chunked, plain_registry, repository)
    chunked.secondary_proxy.add(Slow(method="PATCH", times=1000, rate=MIB / 4))
    chunked.registries.pace.rate = 8 * MIB

    invoke(chunked, 2.0)

    (owed,) = chunked.owed(repository)
    assert owed.attempts == 1
    expected = f"layer {left.digest} is no further than {left.offset} of {LAYER} bytes"
    assert (owed.failure or "").startswith(expected)
    chunked.reset()
    chunked.sync_registry.mark(repository, Reference.tag("v1"))
    finish(chunked, repository, made)


def test_layers_that_did_not_fit_side_by_side_go_one_after_the_other(
    whole: Secondary, plain_registry: Place, repository: str
) -> None:
    with plain_registry.maker(seed=7) as make:
        made = make.image(repository, "v1", layers=3, size=16 * MIB)
    lease = whole.sync_registry.acquire(repository)
    assert lease is not None
    name, config = whole.registries.secondary.name, json.loads(made.content)["config"]["digest"]
    marks = [KeptUpload(digest=digest, size=16 * MIB, registry=name) for digest in made.blobs if digest != config]
    whole.sync_registry.release(lease, marks)

    whole.receive(event("created", repository, tag="v1", digest=made.digest))

    assert whole.digest(repository, "v1") == made.digest
    large = [one for one in whole.secondary_proxy.exchanges if one.method == "PUT" and one.sent > 15 * MIB]
    assert len(large) == 3
    large.sort(key=lambda one: one.started)
    for earlier, later in pairwise(large):
        assert earlier.started + earlier.seconds <= later.started


def test_a_layer_larger_than_a_registry_takes_is_refused_before_it_is_sent(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    class Small(Registry):
        upload_limits = UploadLimits(max_blob=MIB)

    secondary = Secondary(plain_registry, second_registry, vendors=(Registry, Small))
    made, pushed = push(plain_registry, repository, 2 * MIB)
    secondary.receive(pushed)
    secondary.sweep_until(lambda: [one.parked for one in secondary.owed(repository)] == [True], passing=100)
    (owed,) = secondary.owed(repository)
    assert f"layer {made.blobs[-1].digest} of {2 * MIB} bytes" in (owed.failure or "")
    assert secondary.row(repository).state == FAILED
    assert not [sent for _, _, sent in chunks(secondary) if sent > MIB]
    secondary.close()
