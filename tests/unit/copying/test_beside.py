"""The reader of a large layer that reads ahead: when it begins, how far it goes, and how it ends."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.unit.copying.fakes import FakeReader, FakeRegistry

from geosync.copying import beside
from geosync.copying.beside import BesideReader
from geosync.copying.route import Route
from geosync.errors import DigestMismatch
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair

CONTENT = bytes(range(250)) * 8


class Reader(FakeReader):
    """Gives blocks of 64 bytes, and finds the last of them wrong if it `lies`."""

    def __init__(self, *, lies: bool = False) -> None:
        descriptor = Descriptor(media_type="x", digest="sha256:" + "0" * 64, size=len(CONTENT))
        super().__init__(descriptor, CONTENT, lambda: None)
        self.lies = lies
        self.is_closed = False

    def read(self, size: int = 64, /) -> bytes:
        if self.lies and len(CONTENT) - self._position <= 64:
            raise DigestMismatch("wrong")
        return super().read(size)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "ALONE", 128)
    monkeypatch.setattr(beside, "BESIDE_ROOM", 512)
    monkeypatch.setattr("geosync.copying.ring.BLOCK", 64)


@pytest.fixture
def route() -> Route:
    return Route(pair=Pair(Repository(FakeRegistry("a"), "app"), Repository(FakeRegistry("b"), "app")))


def alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "beside"]


def test_the_bytes_come_in_order(route: Route) -> None:
    got = b""
    with BesideReader(route, 0, lambda _: Reader()) as reader:
        while block := reader.read(50):
            got += block
        assert reader.read(50) == b""
    assert got == CONTENT
    assert not alive()
    assert route.source.client.memory.beside.held == 0


def test_closing_the_reader_early_ends_its_reading_and_returns_the_memory(route: Route) -> None:
    inner = Reader()
    with BesideReader(route, 0, lambda _: inner) as reader:
        for _ in range(4):
            reader.read(64)
        assert route.source.client.memory.beside.held == 512
    assert inner.is_closed
    assert not alive()
    assert route.source.client.memory.beside.held == 0


def test_an_error_of_the_other_reader_comes_after_the_bytes_before_it(route: Route) -> None:
    got = b""

    def read_all(reader: BesideReader) -> None:
        nonlocal got
        while block := reader.read(64):
            got += block

    with BesideReader(route, 0, lambda _: Reader(lies=True)) as reader, pytest.raises(DigestMismatch):
        read_all(reader)
    assert 0 < len(got) < len(CONTENT)
    assert CONTENT.startswith(got)
    assert not alive()


def test_a_reader_that_cannot_be_opened_leaves_nothing(route: Route) -> None:
    def fail(_: Any) -> Any:
        raise DigestMismatch("no")

    with pytest.raises(DigestMismatch):
        BesideReader(route, 0, fail)
    assert route.source.client.memory.beside.held == 0
