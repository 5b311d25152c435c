"""The lag from push to synced: measured where it ends, written now and then, read as a median and a percentile."""

from __future__ import annotations

import random

import pytest
from tests.support.clock import FakeClock

from geosync.errors import Contended
from geosync.sync_registry.items import ABSENT, Item, Owed, Reference
from geosync.sync_registry.site.lags import BINS, NO_LAGS, SLOT_MS, Lags, bin_of, bound_ms
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Delete, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.syncing.lags import EVERY_S, LagRecorder

NOW = 1_700_000_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def sync_registry(store: MemoryStore, clock: FakeClock) -> SyncRegistry:
    return SyncRegistry(store, clock=clock)


@pytest.fixture
def recorder(sync_registry: SyncRegistry, clock: FakeClock) -> LagRecorder:
    return LagRecorder(sync_registry.lags, clock)


def owed(lag_ms: int, *expects: str) -> Owed:
    return Owed(
        repository="group/app",
        reference=Reference.tag("v1"),
        mark="m",
        expects=frozenset(expects or ("sha256:a",)),
        marked_at=NOW,
        owed_since=NOW,
        due=NOW,
        pushed_at=NOW - lag_ms,
    )


@pytest.mark.parametrize("lag_ms", [0, 1, 100, 101, 120, 121, 999, 60_000, 3_600_000, 10**12])
def test_a_bin_holds_what_took_at_most_its_bound(lag_ms: int) -> None:
    number = bin_of(lag_ms)
    assert lag_ms <= bound_ms(number) or number == BINS - 1
    assert number == 0 or lag_ms > bound_ms(number - 1) * 0.99


def test_the_median_and_the_99th_percentile_are_right_within_a_fifth(sync_registry: SyncRegistry) -> None:
    chance = random.Random(3)  # noqa: S311 - a test's own
    lags = sorted(round(1000 * chance.lognormvariate(0, 1)) for _ in range(1000))
    for lag_ms in lags:
        sync_registry.lags.add({bin_of(lag_ms): 1}, now_ms=NOW)
    found = sync_registry.lags.read(now_ms=NOW)
    assert found.measured == 1000
    for said, true in ((found.median_ms, lags[499]), (found.p99_ms, lags[989])):
        assert said is not None
        assert true <= said <= 1.21 * true


def test_what_is_older_than_the_last_hour_counts_no_more(sync_registry: SyncRegistry) -> None:
    sync_registry.lags.add({bin_of(5000): 3}, now_ms=NOW)
    assert sync_registry.lags.read(now_ms=NOW + 3_000_000).measured == 3
    assert sync_registry.lags.read(now_ms=NOW + 3_600_000 + 2 * SLOT_MS) == NO_LAGS


def test_nothing_measured_is_not_known_and_no_zero() -> None:
    assert Lags.of({}) == Lags(measured=0, median_ms=None, p99_ms=None)


def test_pushes_are_measured_and_neither_deletes_nor_what_nobody_announced(
    recorder: LagRecorder, sync_registry: SyncRegistry
) -> None:
    for one in (owed(1000), owed(1000, ABSENT), owed(3000, ABSENT, "sha256:b"), owed(-5000)):
        recorder.note(one)
    recorder.note(Owed(repository="a", reference=Reference.tag("b"), mark="m", marked_at=0, owed_since=0, due=0))
    recorder.write()
    assert sync_registry.lags.read(now_ms=NOW) == Lags(
        measured=3, median_ms=bound_ms(bin_of(1000)), p99_ms=bound_ms(bin_of(3000))
    )


def test_an_environment_writes_once_a_minute_whatever_is_pushed(
    recorder: LagRecorder,
    sync_registry: SyncRegistry,
    clock: FakeClock,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writes: list[Update | Delete] = []
    original = store.write

    def counted(change: Update | Delete) -> Item | None:
        writes.append(change)
        return original(change)

    monkeypatch.setattr(store, "write", counted)
    for _ in range(50):
        recorder.note(owed(1000))
        recorder.write()
    assert len(writes) == 1
    clock.now += round(EVERY_S * 1000)
    recorder.write()
    assert (len(writes), sync_registry.lags.read(now_ms=clock.now).measured) == (2, 50)
    clock.now += round(EVERY_S * 1000)
    recorder.write()
    assert len(writes) == 2, "nothing new"


def test_what_could_not_be_written_is_written_later(
    recorder: LagRecorder,
    sync_registry: SyncRegistry,
    clock: FakeClock,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_: object) -> None:
        raise Contended("busy")

    recorder.note(owed(1000))
    with monkeypatch.context() as patched:
        patched.setattr(store, "write", refused)
        recorder.write()
    clock.now += round(EVERY_S * 1000)
    recorder.write()
    assert sync_registry.lags.read(now_ms=clock.now).measured == 1
