"""What fits into the time that is left, and in which chunks."""

from __future__ import annotations

import pytest

from geosync.oci.deadline import Deadline
from geosync.oci.uploads import Upload, UploadLimits
from geosync.pair.pace import ASSUMED, CHUNK_SECONDS, MAX_CHUNK, MIB, MIN_CHUNK, Pace

UPLOAD = Upload(repository="app", location="http://registry/upload")
GIB = 1024 * MIB


def deadline(seconds: float) -> Deadline:
    one = Deadline()
    one.set(seconds)
    return one


def test_nothing_is_in_chunks_without_an_end() -> None:
    assert Pace().fits(1024 * GIB, Deadline().left_s())


def test_20_gib_do_not_fit_into_an_invocation_and_4_do() -> None:
    left = 900 - 15
    assert not Pace().fits(20 * GIB, left)
    assert Pace().fits(4 * GIB, left)


def test_measured_rates_count_and_the_latest_most() -> None:
    pace = Pace()
    assert pace.rate == ASSUMED
    pace.note(100 * MIB, 10)
    assert pace.rate == 10 * MIB
    pace.note(100 * MIB, 5)
    assert pace.rate == 15 * MIB
    pace.note(1000, 0.0001)
    assert pace.rate == 15 * MIB, "a small thing says nothing about the pace"


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(20 * MIB, int(20 * MIB * CHUNK_SECONDS)), (1000 * MIB, MAX_CHUNK), (1000, MIN_CHUNK)],
)
def test_a_chunk_is_a_few_seconds_within_bounds(rate: float, expected: int) -> None:
    assert Pace(rate).chunk(20 * GIB, Deadline(), UploadLimits(), UPLOAD) == expected


def test_a_chunk_keeps_the_registrys_bounds() -> None:
    pace = Pace()
    assert pace.chunk(GIB, Deadline(), UploadLimits(max_chunk=4 * MIB), UPLOAD) == 4 * MIB
    assert pace.chunk(GIB, Deadline(), UploadLimits(max_body=20 * MIB), UPLOAD) == 20 * MIB
    wants_more = Upload(repository="app", location="http://registry/upload", min_chunk=200 * MIB)
    assert pace.chunk(GIB, Deadline(), UploadLimits(), wants_more) == 200 * MIB


@pytest.mark.parametrize("rest", [5 * MIB, 9 * MIB, 16 * MIB + 1, 21 * MIB, 28 * MIB, 41 * MIB, 100 * MIB + 3])
def test_only_a_small_rest_is_smaller_than_the_least_chunk(rest: int) -> None:
    limits = UploadLimits(min_chunk=5 * MIB, max_chunk=20 * MIB)
    pace = Pace()
    sizes = []
    while rest:
        size = pace.chunk(rest, Deadline(), limits, UPLOAD)
        assert size is not None
        sizes.append(size)
        rest -= size
    assert max(sizes) <= 20 * MIB
    assert len(sizes) == 1 or min(sizes) >= 5 * MIB


def test_chunks_get_smaller_towards_the_end_and_then_there_is_none() -> None:
    pace = Pace()
    full = pace.chunk(GIB, deadline(885), UploadLimits(), UPLOAD)
    short = pace.chunk(GIB, deadline(5), UploadLimits(), UPLOAD)
    assert full is not None
    assert short is not None
    assert MIN_CHUNK <= short < full
    assert pace.chunk(GIB, deadline(0.7), UploadLimits(), UPLOAD) is None


class Clock(Deadline):
    """The end of an invocation, with a time of its own."""

    def __init__(self, given: float) -> None:
        super().__init__()
        self._given_s = self.remaining = given

    def left_s(self) -> float:
        return self.remaining


def invocations(size: int, rate: float) -> tuple[int, int, float]:
    """How many invocations of 15 minutes a layer takes, in how many chunks, and the seconds that the last has left."""
    pace, clock = Pace(), Clock(900 - 15)
    count, chunks = 1, 0
    while size:
        chunk = pace.chunk(size, clock, UploadLimits(), UPLOAD)
        if chunk is None:
            count, clock = count + 1, Clock(900 - 15)
            continue
        size, chunks = size - chunk, chunks + 1
        clock.remaining -= chunk / rate
        assert clock.remaining > 0, "every chunk ends before the invocation does"
        pace.note(chunk, chunk / rate)
    return count, chunks, clock.remaining


@pytest.mark.parametrize(
    ("gib", "mib_a_second", "expected"),
    [(20, 20, 2), (20, 100, 1), (20, 5, 5), (52, 20, 4), (200, 100, 3)],
)
def test_the_arithmetic_of_the_operations_page(gib: int, mib_a_second: int, expected: int) -> None:
    count, _, left = invocations(gib * GIB, mib_a_second * MIB)
    assert count == expected
    assert left > 0
