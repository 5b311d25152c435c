"""The bounded ring: order, room, and an end for whoever waits."""

from __future__ import annotations

import threading

import pytest
from tests.support.clock import FakeClock
from tests.support.patience import PATIENCE_S

from geosync.copying.ring import Ring
from geosync.errors import OutOfTime, RegistryUnavailable
from geosync.oci.deadline import Deadline
from geosync.oci.ranges import Range


def ring(end: int = 40, *, start: int = 0, room: int = 16, piece: int = 4) -> Ring:
    return Ring(Range(start, end), deadline=Deadline(), room=room, piece=piece)


def test_ranges_are_given_out_one_after_the_other_and_the_last_is_what_is_left() -> None:
    one = ring(10, start=1)
    assert [one.claim(), one.claim(), one.claim(), one.claim()] == [Range(1, 5), Range(5, 9), Range(9, 10), None]


def test_bytes_come_out_in_order_whatever_order_they_came_in() -> None:
    one = ring(8)
    for offset, block in ((4, b"efgh"), (0, b"abcd")):
        assert one.reserve(offset, 4)
        one.put(offset, block, reserved=4)
    assert [one.read(3), one.read(9), one.read(4), one.read(1)] == [b"abc", b"d", b"efgh", b""]
    assert (one.held, one.most_held) == (0, 8)


def test_no_reader_is_further_ahead_than_there_is_room_and_the_next_bytes_always_fit() -> None:
    one = ring(32, room=8, piece=4)
    got = bytearray()
    held: list[int] = []

    def fill() -> None:
        while (wanted := one.claim()) is not None:
            for at in range(wanted.start, wanted.end, 2):
                assert one.reserve(at, 2)
                held.append(one.held)
                one.put(at, bytes((at, at + 1)), reserved=2)

    threads = [threading.Thread(target=fill, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    while block := one.read(3):
        got += block
    for thread in threads:
        thread.join(PATIENCE_S)
    assert bytes(got) == bytes(range(32))
    assert one.most_held <= 8
    assert max(held) <= 8


def test_a_reader_that_waits_for_room_ends_when_the_bytes_are_not_wanted() -> None:
    one = ring(room=4)
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(one.reserve(4, 4)), daemon=True)
    thread.start()
    one.close()
    thread.join(PATIENCE_S)
    assert ended == [False]
    assert one.claim() is None


def test_an_error_is_raised_after_the_bytes_that_came_before_it() -> None:
    one = ring()
    one.reserve(0, 2)
    one.put(0, b"ab", reserved=2)
    one.fail(RegistryUnavailable("registry:5000", "GET", status=503))
    assert one.read(2) == b"ab"
    with pytest.raises(RegistryUnavailable):
        one.read(1)
    assert not one.wait_for_proof(PATIENCE_S)


def test_a_wait_for_bytes_ends_at_the_deadline() -> None:
    deadline = Deadline(FakeClock())
    deadline.set(0)
    one = Ring(Range(0, 4), deadline=deadline)
    with pytest.raises(OutOfTime):
        one.read(1)
    with pytest.raises(OutOfTime):
        one.wait_for_proof(1)
