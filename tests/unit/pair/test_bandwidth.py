"""Workers share the site's bandwidth: one alone has all of it, and together they have no more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from io import BytesIO

import pytest
from botocore.exceptions import ClientError
from tests.support.clock import FakeClock
from tests.unit.copying.sites import Site

from geosync.copying.route import Route
from geosync.errors import OutOfTime
from geosync.oci.deadline import Deadline
from geosync.pair.bandwidth import LASTING_S, PERIOD_S, Bandwidth
from geosync.pair.pace import Pace
from geosync.sync_registry.items import SITE as SITE_PARTITION
from geosync.sync_registry.items import Item
from geosync.sync_registry.site.bandwidth import BandwidthShares
from geosync.sync_registry.table.changes import Delete, Update
from geosync.sync_registry.table.memory import MemoryStore

MB = 1_000_000
SITE, WORKERS, BLOCK = 10 * MB, 5, 256 * 1024


class Table(MemoryStore):
    """Counts the writes, and refuses them while `is_down`."""

    writes, is_down = 0, False

    def write(self, change: Update | Delete) -> Item | None:
        self.writes += 1
        if self.is_down:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "UpdateItem")
        return super().write(change)


class Sized(BytesIO):
    def __len__(self) -> int:
        return self.getbuffer().nbytes


class Worker:
    """An invocation that moves blocks from `begins_s` to `ends_s`, on a clock of its own."""

    def __init__(self, store: Table, begins_s: float = 0, ends_s: float = math.inf, *, workers: int = WORKERS) -> None:
        self.clock = FakeClock()
        self.clock.pass_(begins_s)
        self.ends_s = ends_s
        self.deadline = Deadline(self.clock)
        self.bandwidth = Bandwidth(BandwidthShares(store, self.clock), SITE, workers=workers, deadline=self.deadline)

    @property
    def now_s(self) -> float:
        return self.clock.monotonic_s()


def run(until_s: float, *workers: Worker, at: Callable[[float], None] = lambda _: None) -> Counter[int]:
    """Have the worker whose clock is behind move the next block. The bytes of each second."""
    moved: Counter[int] = Counter()
    while going := [one for one in workers if one.now_s < min(until_s, one.ends_s)]:
        worker = min(going, key=lambda one: one.now_s)
        at(worker.now_s)
        worker.bandwidth.spend(BLOCK)
        moved[int(worker.now_s)] += BLOCK
        worker.clock.pass_(0.001)
    return moved


def rate(moved: Counter[int], start_s: int, end_s: int) -> float:
    return sum(moved[second] for second in range(start_s, end_s)) / (end_s - start_s)


@pytest.fixture
def table() -> Table:
    return Table()


def test_a_worker_alone_begins_with_its_share_and_gets_the_whole_rate(table: Table) -> None:
    moved = run(60, Worker(table))
    assert rate(moved, 0, 5) == pytest.approx(SITE / WORKERS, rel=0.15)
    assert rate(moved, 15, 60) == pytest.approx(SITE, rel=0.05)


@pytest.mark.parametrize("count", [2, 3, WORKERS])
def test_workers_that_begin_together_soon_use_the_whole_rate_and_never_more(table: Table, count: int) -> None:
    moved = run(60, *(Worker(table) for _ in range(count)))
    for second in range(58):
        assert rate(moved, second, second + 2) <= SITE * 1.1, second
    assert rate(moved, 15, 60) == pytest.approx(SITE, rel=0.05)


def test_a_later_worker_adds_its_small_share_until_the_others_know(table: Table) -> None:
    newcomers = 2
    moved = run(60, Worker(table), *(Worker(table, begins_s=30) for _ in range(newcomers)))
    for second in range(58):
        assert rate(moved, second, second + 2) <= SITE * (1 + newcomers / WORKERS) * 1.1, second
    assert rate(moved, 30 + int(2 * PERIOD_S) + 1, 60) <= SITE * 1.05
    assert rate(moved, 45, 60) == pytest.approx(SITE, rel=0.05)


def test_a_worker_with_a_share_of_one_block_a_minute_gets_the_whole_rate(table: Table) -> None:
    moved = run(120, Worker(table, workers=SITE // 4000))
    assert rate(moved, 75, 120) == pytest.approx(SITE, rel=0.05)


def test_no_more_than_a_second_s_bytes_are_read_at_a_time(table: Table) -> None:
    worker = Worker(table, workers=SITE // 4000)
    route = Route(pair=Site().pair, bandwidth=worker.bandwidth)
    reader = Sized(bytes(10_000))
    blocks = list(iter(lambda: route.read(reader, BLOCK), b""))
    assert [len(block) for block in blocks] == [4000, 4000, 2000]
    assert worker.now_s == pytest.approx(2, abs=0.01)


def test_the_bound_decides_how_long_a_layer_is_expected_to_take(table: Table) -> None:
    bandwidth = Worker(table).bandwidth
    layer = 200 * MB
    assert Pace().fits(layer, 60)
    assert not bandwidth.pace.fits(layer, 60), "before anything was measured"
    assert bandwidth.pace.fits(layer, 2 * layer / (SITE / WORKERS))
    bandwidth.pace.note(layer, 1)
    assert not bandwidth.pace.fits(layer, 60)


def test_the_share_of_a_worker_that_ended_goes_to_the_others(table: Table) -> None:
    stays = Worker(table)
    alone = run(90, stays, Worker(table, ends_s=30))
    assert rate(alone, 30 + int(LASTING_S + PERIOD_S) + 1, 90) == pytest.approx(SITE, rel=0.05)


def test_a_worker_that_comes_back_after_a_pause_begins_with_its_share(table: Table) -> None:
    worker = Worker(table)
    run(30, worker)
    assert worker.bandwidth.rate == SITE
    worker.clock.pass_(LASTING_S + 1)
    worker.bandwidth.spend(BLOCK)
    assert worker.bandwidth.rate == SITE / WORKERS


def test_a_table_that_does_not_answer_leaves_each_its_share(table: Table) -> None:
    workers = [Worker(table) for _ in range(2)]

    def at(now_s: float) -> None:
        table.is_down = 20 <= now_s < 40

    moved = run(80, *workers, at=at)
    assert rate(moved, 26, 40) == pytest.approx(2 * SITE / WORKERS, rel=0.15)
    assert rate(moved, 55, 80) == pytest.approx(SITE, rel=0.05)


def test_a_worker_writes_at_most_once_in_five_seconds_and_never_for_a_shorter_transfer(table: Table) -> None:
    run(PERIOD_S - 0.5, Worker(table))
    assert table.writes == 0
    run(100, Worker(table))
    assert table.writes <= 100 / PERIOD_S


def test_an_item_ends_by_itself(table: Table) -> None:
    run(20, Worker(table))
    (item,) = table.table.values()
    assert item["expire_at"] > item["until"] // 1000


def test_a_counting_worker_deletes_items_of_ended_workers_and_none_of_the_sites_partition(table: Table) -> None:
    run(150, Worker(table), *(Worker(table, ends_s=30) for _ in range(3)))
    (key,) = table.table
    assert key.repository != SITE_PARTITION


def test_nobody_waits_longer_than_the_invocation_lasts(table: Table) -> None:
    worker = Worker(table)
    worker.deadline.set(3)
    with pytest.raises(OutOfTime):
        run(60, worker)
    assert worker.now_s <= 4
