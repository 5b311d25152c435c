"""A large layer that goes alone is read while its upload is busy: on the wire between real registries."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest
from bench.images import MIB, push_large
from bench.ours import writer
from tests.integration.ways import Way
from tests.support.patience import PATIENCE_S
from tests.support.proxy import Cut, Stores

from geosync.copying import beside
from geosync.copying.beside import ALONE
from geosync.copying.ring import Ring
from geosync.oci.memory import BESIDE_ROOM
from geosync.oci.uploads import UploadLimits
from geosync.pair.connections import Connections

SIZE = 44 * MIB


@pytest.fixture
def rings(way: Way, monkeypatch: pytest.MonkeyPatch) -> list[Ring]:
    """The rings that are made; the layer is read over one connection, however slow the machine is."""
    way.connections = Connections(most=1)
    made: list[Ring] = []

    class Noted(Ring):
        def __init__(self, *arguments: object, **more: object) -> None:
            super().__init__(*arguments, **more)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(beside, "Ring", Noted)
    return made


def push(way: Way, size: int = SIZE) -> str:
    """Push an image of one layer past the proxies; returns the layer's digest."""
    client = writer(way.source_place.url)
    made = push_large(client, way.repository, size, "v1")
    client.close()
    return str(json.loads(made.content)["layers"][0]["digest"])


def becomes(is_so: Callable[[], bool]) -> bool:
    """Wait for a condition that another thread makes true."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < end_s:
        time.sleep(0.01)
    return is_so()


def assert_brought(way: Way, layer: str, size: int = SIZE) -> None:
    """Check that the layer is there, took the usual requests, and left nothing read ahead."""
    assert way.writer.head_blob(way.repository, layer) == size
    assert [one.received for one in way.source.exchanges if layer in one.path] == [size]
    assert [one.sent for one in way.destination.exchanges if one.sent > MIB] == [size]
    assert way.reader.memory.beside.held == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "beside"]


def test_reading_goes_on_while_the_destination_takes_nothing_as_far_as_there_is_room(
    way: Way, rings: list[Ring]
) -> None:
    layer = push(way)
    ahead: list[bool] = []

    def store() -> None:
        if not ahead:
            ahead.append(becomes(lambda: bool(rings) and rings[0].held > BESIDE_ROOM - MIB))

    # More than what is read before it is seen that the layer goes alone, and than sockets hold.
    way.destination.add(Stores(kind="upload", method="PUT", nth=1, times=9, piece=ALONE + 4 * MIB, store=store))
    way.copy("v1")
    assert set(ahead) == {True}
    (ring,) = rings
    assert ring.most_held <= BESIDE_ROOM
    assert ring.length == SIZE - ALONE
    assert_brought(way, layer)


def test_beside_another_layer_it_is_read_and_sent_in_turns(way: Way, rings: list[Ring]) -> None:
    way.connections.note_rate("another", 1.0, several=False)
    layer = push(way)
    way.copy("v1")
    assert not rings
    assert_brought(way, layer)


def test_once_the_other_layer_is_there_the_rest_is_read_ahead(way: Way, rings: list[Ring]) -> None:
    way.connections.note_rate("another", 1.0, several=False)
    layer = push(way)
    way.destination.add(
        Stores(
            kind="upload", method="PUT", piece=ALONE + 8 * MIB, store=lambda: way.connections.leave("another"), times=9
        )
    )
    way.copy("v1")
    (ring,) = rings
    assert ring.length < SIZE - ALONE
    assert_brought(way, layer)


def test_without_memory_it_is_read_and_sent_in_turns(way: Way, rings: list[Ring]) -> None:
    assert way.reader.memory.beside.take_if_free(1)
    layer = push(way)
    way.copy("v1")
    way.reader.memory.beside.give_back(1)
    assert not rings
    assert_brought(way, layer)


def test_bytes_read_ahead_are_not_read_again_when_the_connection_breaks(way: Way, rings: list[Ring]) -> None:
    layer = push(way)
    way.source.add(Cut(kind="blob", nth=1, times=9, response_bytes=30 * MIB))
    way.copy("v1")
    assert len(rings) == 1
    reads = [one.received for one in way.source.exchanges if layer in one.path]
    assert reads == [30 * MIB, SIZE - 30 * MIB]
    assert way.reader.memory.beside.held == 0


def test_a_chunk_is_read_while_the_one_before_is_stored(
    way: Way, rings: list[Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(way.writer), "upload_limits", UploadLimits(max_body=16 * MIB))
    layer = push(way)
    way.copy("v1")
    assert len(rings) == 1
    assert way.destination.counts()["PATCH", "upload"] == 3
    assert [one.received for one in way.source.exchanges if layer in one.path] == [SIZE]
    assert way.writer.head_blob(way.repository, layer) == SIZE
