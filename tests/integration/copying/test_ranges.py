"""A large layer over several connections, on the wire between real registries: requests, bytes, memory."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from threading import Barrier

import pytest
from bench.images import MIB, push_large
from bench.ours import writer
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event
from tests.integration.ways import Way
from tests.support.proxy import Call, Cut, Exchange, Slow, Status

from geosync.clock import Clock
from geosync.copying import readers
from geosync.copying.readers import AHEAD, BUFFERED, LARGE, STRETCH
from geosync.copying.ring import PIECE, ROOM, Ring
from geosync.oci.manifests import Descriptor
from geosync.oci.uploads import UploadLimits
from geosync.pair.connections import FAST, MOST, Connections

SIZE = 44 * MIB
Ways = Callable[..., Way]


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[Ring]:
    """The rings that are made."""
    made: list[Ring] = []

    class Noted(Ring):
        def __init__(self, *arguments: object, **more: object) -> None:
            super().__init__(*arguments, **more)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(readers, "Ring", Noted)
    return made


def several_paid() -> Connections:
    connections = Connections()
    assert connections.are_worth(MIB, 1.0, 0.0)
    connections.note(MOST * MIB, 1.0)
    return connections


def push(way: Way, size: int = SIZE) -> Descriptor:
    """Push an image of one layer of `size` bytes, past the proxies; returns the layer."""
    client = writer(way.source_place.url)
    made = push_large(client, way.repository, size, "v1")
    client.close()
    layer = json.loads(made.content)["layers"][0]
    return Descriptor(media_type=layer["mediaType"], digest=layer["digest"], size=layer["size"])


def reads(way: Way, layer: Descriptor) -> list[Exchange]:
    return [one for one in way.source.exchanges if one.kind == "blob" and layer.digest in one.path]


def assert_brought(way: Way, layer: Descriptor) -> None:
    """Check that the layer is there with a checked digest, and that the ring is freed."""
    assert way.writer.head_blob(way.repository, layer.digest) == layer.size
    assert way.reader.memory.rings.held == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("range-")]


def test_one_slow_connection_is_joined_by_three_and_no_byte_is_asked_for_twice(way: Way, rings: list[Ring]) -> None:
    layer = push(way)
    way.source.add(Slow(kind="blob", times=10**9, rate=8 * MIB))

    way.copy("v1")

    first, *ranges = sorted(reads(way, layer), key=lambda one: one.started)
    assert (first.status, {one.status for one in ranges}) == (200, {206})
    (ring,) = rings
    assert sum(one.received for one in ranges) == ring.length
    assert (SIZE - ring.length) % STRETCH == 0, "the first stopped where they began"
    assert SIZE - ring.length >= BUFFERED + STRETCH + AHEAD
    assert len(ranges) == -(-ring.length // PIECE)
    assert way.source.connections > MOST
    assert MIB < ring.most_held <= ROOM
    assert_brought(way, layer)


class Still(Clock):
    """A clock by which nothing takes time, however busy the machine is."""

    def monotonic_s(self) -> float:
        return 0.0


def test_a_connection_that_is_fast_is_left_alone(way: Way) -> None:
    way.clock = Still()
    layer = push(way)
    way.copy("v1")
    assert [one.status for one in reads(way, layer)] == [200]
    assert_brought(way, layer)


@pytest.mark.parametrize("others", [0, FAST])
def test_a_slow_connection_is_joined_by_none_where_other_layers_take_the_line(way: Way, others: int) -> None:
    rates: list[tuple[float, bool]] = []

    class Noted(Connections):
        def note_rate(self, layer: object, rate: float, *, several: bool) -> None:
            rates.append((rate, several))
            super().note_rate(layer, rate, several=several)

    way.connections = Noted()
    way.connections.note_rate("others", others, several=False)
    layer = push(way)
    way.source.add(Slow(kind="blob", times=10**9, rate=8 * MIB))
    way.copy("v1")
    assert {one.status for one in reads(way, layer)} == ({200} if others else {200, 206})
    assert {several for _, several in rates} == ({False} if others else {False, True})
    assert 1 < len(rates) <= 1 + (SIZE - BUFFERED) // STRETCH
    way.connections.leave("others")
    assert not way.connections._rates, "it is read no more"
    assert_brought(way, layer)


def test_where_several_paid_four_are_asked_at_once_and_each_byte_once(way: Way, rings: list[Ring]) -> None:
    """No range is answered before four were asked for."""
    way.connections = several_paid()
    layer = push(way)
    way.source.add(
        Call(method="GET", target=re.compile(layer.digest), times=MOST, before=Barrier(MOST, timeout=60).wait)
    )
    way.copy("v1")
    assert {one.status for one in reads(way, layer)} == {206}
    assert len(reads(way, layer)) == SIZE // PIECE
    assert sum(one.received for one in reads(way, layer)) == SIZE
    assert sum(one.sent for one in way.destination.exchanges if one.sent > MIB) == SIZE
    assert [one.most_held <= ROOM for one in rings] == [True]
    assert_brought(way, layer)


def test_a_smaller_layer_goes_over_one_connection(way: Way) -> None:
    way.connections = several_paid()
    layer = push(way, LARGE - MIB)
    way.copy("v1")
    assert [one.status for one in reads(way, layer)] == [200]


def test_a_layer_for_which_there_is_no_memory_goes_over_one_connection(way: Way) -> None:
    way.connections = several_paid()
    layer = push(way)
    assert way.reader.memory.rings.take_if_free(ROOM + 1)
    way.copy("v1")
    assert [one.status for one in reads(way, layer)] == [200]
    way.reader.memory.rings.give_back(ROOM + 1)
    assert_brought(way, layer)


def test_a_connection_that_is_cut_costs_the_rest_of_its_range(way: Way) -> None:
    way.connections = several_paid()
    layer = push(way)
    way.source.add(Cut(method="GET", target=re.compile(layer.digest), nth=3, response_bytes=MIB))
    way.copy("v1")
    done = reads(way, layer)
    assert len(done) == SIZE // PIECE + 1
    assert sum(one.received for one in done) == SIZE
    assert sorted(one.received for one in done)[:2] == [MIB, PIECE - MIB]
    assert_brought(way, layer)


@pytest.mark.parametrize("nth", [6, 9])
def test_a_range_for_which_the_registry_fails_costs_what_was_read_ahead_and_no_upload(way: Way, nth: int) -> None:
    way.connections = several_paid()
    layer = push(way)
    way.source.add(Status(status=502, method="GET", target=re.compile(layer.digest), nth=nth))
    way.copy("v1")
    assert {one.status for one in reads(way, layer)} == {206, 502}
    assert SIZE <= sum(one.received for one in reads(way, layer)) <= SIZE + ROOM + PIECE
    assert sum(one.sent for one in way.destination.exchanges if one.sent > MIB) == SIZE
    assert not way.connections.is_refused
    assert_brought(way, layer)


def test_behind_a_redirect_each_range_has_a_signature_of_its_own(
    ways: Ways, s3_registry: Place, second_registry: Place, repository: str
) -> None:
    way = ways(s3_registry, second_registry, repository)
    way.connections = several_paid()
    layer = push(way, LARGE)
    way.copy("v1")
    assert [one.status for one in reads(way, layer)] == [307] * (LARGE // PIECE)
    assert_brought(way, layer)


def test_a_layer_in_chunks_is_read_over_several_connections(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(way.writer), "upload_limits", UploadLimits(max_body=16 * MIB))
    way.connections = several_paid()
    layer = push(way)
    way.copy("v1")
    assert {one.status for one in reads(way, layer)} == {206}
    assert sum(one.received for one in reads(way, layer)) == SIZE
    assert way.destination.counts()["PATCH", "upload"] == 3
    assert_brought(way, layer)


def test_an_upload_that_the_destination_lost_is_no_reason_to_read_over_one(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(way.writer), "upload_limits", UploadLimits(max_body=16 * MIB))
    way.connections = several_paid()
    layer = push(way)
    way.destination.add(
        Status(status=404, method="PATCH", nth=2, body=b'{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}')
    )
    way.copy("v1")
    assert way.destination.counts()["PATCH", "upload"] == 2 + 3
    assert {one.status for one in reads(way, layer)} == {206}
    assert way.connections.begin(), "the next layer, too"
    assert_brought(way, layer)


def test_a_registry_that_refuses_a_range_is_named_in_the_log_once(
    secondary: Secondary, plain_registry: Place, repository: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    client = writer(plain_registry.url)
    for number in range(2):
        secondary.registries.connections.note(MOST * MIB, 1.0)
        made = push_large(client, f"{repository}/{number}", LARGE, "v1")
        if not number:
            secondary.primary_proxy.add(Status(status=416, method="GET", target=re.compile(made.blobs[-1].digest)))
        secondary.receive(event("created", f"{repository}/{number}", tag="v1", digest=made.digest))
        assert secondary.digest(f"{repository}/{number}", "v1") == made.digest
    client.close()
    (said,) = [one for one in caplog.records if one.message == "ranges_not_used"]
    assert said.registry == secondary.registries.primary.name  # type: ignore[attr-defined]
    assert "it answers 416 to a range" in said.reason  # type: ignore[attr-defined]
    last = [
        one for one in secondary.primary_proxy.exchanges if one.kind == "blob" and made.blobs[-1].digest in one.path
    ]
    assert [one.status for one in last] == [200]
