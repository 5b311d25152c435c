"""The counters of rows against a count of the rows, at every step of what becomes of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.filled import more_synced

from geosync.operating import status
from geosync.operating.geo_site_status import percentage
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import FAILED, PENDING, ROW, STARTED, SYNCED, Item, Lease, Reference, Row, Seen
from geosync.sync_registry.site import counters
from geosync.sync_registry.site.counters import RowCounts
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Comparison, Mark

NOW = 1_700_000_000_000
TAG = Reference.tag("v1")


class Site:
    """A sync registry in memory, and what its rows sum up to."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock(NOW)
        self.sync_registry = SyncRegistry(self.store, clock=self.clock)

    def row(self, name: str) -> Row:
        row = self.sync_registry.row(name)
        assert row is not None
        return row

    def truth(self) -> tuple[int, int, int]:
        """Rows, rows in state synced, rows in state failed: counted one by one."""
        states = [item["state"] for key, item in self.store.table.items() if key.item == ROW and "id" in item]
        return len(states), states.count(SYNCED), states.count(FAILED)

    def said(self) -> tuple[int, int, int] | None:
        rows = status.read(self.sync_registry, clock=self.clock).rows
        return (rows.rows, rows.synced, rows.failed) if rows is not None else None

    def push(self, name: str) -> Lease:
        self.sync_registry.mark(name, TAG, Mark(expects="sha256:a"))
        self.sync_registry.tell(name)
        lease = self.sync_registry.acquire(name, believed=self.sync_registry.row(name))
        assert lease is not None
        return lease

    def settle(self, lease: Lease) -> None:
        for owed in self.sync_registry.owed(lease.repository):
            assert self.sync_registry.discharge(lease, owed, None)
        assert self.sync_registry.finish(lease)

    def synced(self, name: str) -> None:
        self.settle(self.push(name))

    def compare(self, name: str) -> HeldLease:
        """Take a repository as for a comparison: nobody knocked."""
        self.sync_registry.mark(name, Reference.whole(), Mark(comparison=Comparison(walk=NOW)))
        lease = self.sync_registry.acquire(name, believed=self.sync_registry.row(name))
        assert lease is not None
        return HeldLease(self.sync_registry, lease)


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_push_takes_its_repository_out_of_the_synced_ones_until_it_is_seen(site: Site) -> None:
    for number in range(3):
        site.synced(f"group/app-{number}")
    assert site.said() == (3, 3, 0)
    site.sync_registry.mark("group/app-0", TAG)
    site.sync_registry.tell("group/app-0")
    assert site.said() == site.truth() == (3, 2, 0)
    lease = site.sync_registry.acquire("group/app-0", believed=site.sync_registry.row("group/app-0"))
    assert lease is not None
    assert site.said() == site.truth() == (3, 2, 0)
    site.settle(lease)
    assert site.said() == site.truth() == (3, 3, 0)


def test_a_push_to_a_synced_repository_writes_no_counter(site: Site) -> None:
    site.synced("group/app")
    before = {key: site.store.table.get(key) for key in counters.KEYS}
    site.synced("group/app")
    assert {key: site.store.table.get(key) for key in counters.KEYS} == before


def test_a_comparison_that_finds_nothing_leaves_every_row_synced(site: Site) -> None:
    names = [f"group/app-{number}" for number in range(20)]
    for name in names:
        site.synced(name)
    holders = [site.compare(name) for name in names]
    assert site.said() == site.truth() == (20, 20, 0)
    assert {site.row(name).state for name in names} == {SYNCED}
    for held in holders[:10]:
        held.release()  # its time is short
    assert site.said() == site.truth() == (20, 20, 0)
    for held in holders[10:]:
        site.settle(held.lease)
    assert site.said() == site.truth() == (20, 20, 0)


def test_what_a_comparison_finds_is_owed_before_it_is_marked(site: Site) -> None:
    site.synced("group/app")
    held = site.compare("group/app")
    held.owe()
    assert (site.row("group/app").state, site.said()) == (STARTED, (1, 0, 0))
    held.owe()
    assert site.said() == (1, 0, 0)
    site.sync_registry.mark("group/app", TAG)
    held.release()
    assert (site.row("group/app").state, site.said()) == (PENDING, (1, 0, 0))


def test_a_push_while_a_comparison_looks_makes_the_row_pending_also_if_the_holder_stops(site: Site) -> None:
    site.synced("group/app")
    held = site.compare("group/app")
    site.sync_registry.mark("group/app", TAG)
    assert site.sync_registry.tell("group/app"), "somebody holds it"
    assert site.said() == site.truth() == (1, 0, 0)
    held.release()  # as it was acquired: the holder does not know of the push yet
    assert (site.row("group/app").state, site.said()) == (PENDING, (1, 0, 0))


def test_a_comparisons_find_is_taken_over_as_a_look(site: Site) -> None:
    site.synced("group/app")
    site.compare("group/app")
    site.clock.now += 61_000
    assert site.said() == site.truth() == (1, 1, 0)
    site.compare("group/app")
    assert site.said() == site.truth() == (1, 1, 0)


def test_a_forgotten_repository_is_counted_no_more(site: Site) -> None:
    for name in ("group/app", "group/other"):
        site.synced(name)
    lease = site.sync_registry.acquire("group/app", believed=site.row("group/app"))
    assert lease is not None
    assert site.sync_registry.forget(lease, check=lambda: None)
    assert site.said() == site.truth() == (1, 1, 0)


class Anything:
    """Random steps at a few repositories."""

    def __init__(self, seed: int) -> None:
        self.site = Site()
        self.chance = random.Random(seed)  # noqa: S311 - a test's own
        self.held: dict[str, HeldLease] = {}
        self.steps = (
            *(self.push, self.take, self.take, self.fail, self.discharge),
            *(self.let_go, self.compare, self.owe, self.recount),
        )

    def step(self) -> None:
        self.site.clock.now += 1000
        self.renew()
        self.chance.choice(self.steps)(f"group/app-{self.chance.randrange(6)}")

    def renew(self) -> None:
        for one in self.held.values():
            one.renew()

    def push(self, name: str) -> None:
        self.site.sync_registry.mark(name, TAG, Mark(expects="sha256:a"))
        self.site.sync_registry.tell(name)

    def take(self, name: str) -> None:
        lease = self.site.sync_registry.acquire(name, believed=self.site.sync_registry.row(name))
        if lease is not None:
            self.held[name] = HeldLease(self.site.sync_registry, lease)

    def fail(self, name: str) -> None:
        for owed in self.site.sync_registry.owed(name):
            self.site.sync_registry.fail(owed, "500", parked=self.chance.random() < 0.5)

    def discharge(self, name: str) -> None:
        if name in self.held:
            for owed in self.site.sync_registry.owed(name):
                self.held[name].discharge(owed, Seen(digest="sha256:a", looked_at=NOW, seen_at=NOW))

    def let_go(self, name: str) -> None:
        one = self.held.pop(name, None)
        if one is not None and not (self.chance.random() < 0.7 and one.finish()):
            one.release()

    def compare(self, name: str) -> None:
        self.site.sync_registry.mark(name, Reference.whole(), Mark(comparison=Comparison(walk=NOW)))

    def owe(self, name: str) -> None:
        if name in self.held:
            self.held[name].owe()

    def recount(self, _: str) -> None:
        self.site.clock.now += 3_600_000
        self.site.sync_registry.recount.go_on()
        self.renew()


@pytest.mark.parametrize("seed", range(10))
def test_the_counters_match_the_rows_whatever_happens(seed: int) -> None:
    world = Anything(seed)
    for _ in range(300):
        world.step()
        assert world.site.said() == world.site.truth()


# ------------------------------------------------------------------------------------------------------------- drift


@pytest.mark.parametrize("value", [-3, 5000, "many", None])
@pytest.mark.parametrize("name", ["rows", "synced", "failed", "verified", "changes"])
def test_an_edited_counter_is_never_beyond_the_rows_and_the_next_recount_mends_it(
    site: Site, name: str, value: object
) -> None:
    for number in range(5):
        site.synced(f"group/app-{number}")
    key = counters.key(counters.number_of("group/app-0"))
    site.sync_registry.recount.go_on()
    edited = dict(site.store.table[key])
    edited[name] = value
    site.store.table[key] = {kept: one for kept, one in edited.items() if one is not None}
    found = status.read(site.sync_registry, clock=site.clock).rows
    assert found is not None
    assert 0 <= found.synced + found.failed <= found.rows
    assert 0 <= float(percentage(found.synced, found.rows).rstrip("%")) <= 100
    site.sync_registry.recount.go_on()  # the next minute
    site.clock.now += 3_600_000
    site.sync_registry.recount.go_on()
    assert site.said() == site.truth() == (5, 5, 0)
    site.synced("group/app-0")
    assert site.said() == (5, 5, 0)


def test_impossible_counters_are_mended_by_the_next_minute_and_reported(site: Site) -> None:
    site.synced("group/app")
    site.sync_registry.recount.go_on()
    assert site.sync_registry.recount.go_on() is None
    site.store.write(Update(key=counters.key(counters.number_of("group/app")), add={"synced": 40}))
    mended = site.sync_registry.recount.go_on()
    assert mended is not None
    assert (mended.wrong, site.said()) == ({"synced": 40}, (1, 1, 0))


def test_a_finished_comparison_brings_the_next_recount(site: Site) -> None:
    assert site.sync_registry.recount.go_on() is not None
    site.clock.now += 60_000
    assert site.sync_registry.recount.go_on() is None
    walk = site.sync_registry.catalogue.begin(now_ms=site.clock.now, after=site.sync_registry.catalogue.latest())
    site.sync_registry.catalogue.note_finished(walk, now_ms=site.clock.now)
    assert site.sync_registry.recount.go_on() is not None
    assert site.sync_registry.recount.go_on() is None


def test_a_clock_that_was_set_back_keeps_no_recount_from_coming(site: Site) -> None:
    assert site.sync_registry.recount.go_on() is not None
    site.clock.now -= 86_400_000
    assert site.sync_registry.recount.go_on() is not None


def test_rows_of_the_version_before_are_not_known_until_they_are_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(120):
        site.synced(f"group/app-{number}")
    site.push("group/app-7")
    for key in [key for key in site.store.table if key.item.startswith("counter#rows")]:
        del site.store.table[key]
    for key, item in list(site.store.table.items()):
        if key.item == ROW:
            site.store.table[key] = {name: value for name, value in item.items() if name != "state_counted"}
    site.store.write(Update(key=counters.FORMER_ROWS, set={"value": 120}))
    assert site.said() is None
    monkeypatch.setattr("geosync.sync_registry.recount.MOST_ROWS", 50)
    runs = 0
    while site.said() is None:
        assert site.sync_registry.recount.go_on() is not None
        runs += 1
    assert runs > 1, "a few at a time"
    assert site.said() == site.truth() == (120, 119, 0)


def test_a_row_that_changes_during_its_recount_is_counted_in_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.synced("group/app")
    original = site.store.batch_get
    pushed: list[str] = []

    def read(keys: Any) -> Any:
        keys = list(keys)
        found = original(keys)
        if Key("group/app", ROW) in keys and not pushed:
            pushed.append("group/app")
            lease = site.push("group/app")
            (owed,) = site.sync_registry.owed("group/app")
            site.sync_registry.fail(owed, "500")
            assert site.sync_registry.finish(lease)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(site.store, "batch_get", read)
        site.sync_registry.recount.go_on()
    assert site.said() == site.truth() == (1, 0, 1)
    site.sync_registry.recount.go_on()
    assert site.said() == (1, 0, 1)


def test_a_row_that_is_pushed_to_in_a_pause_is_not_counted_as_synced(site: Site) -> None:
    """In a pause nobody takes what was pushed; a status need not have read it to know."""
    for number in range(30):
        site.synced(f"group/app-{number}")
        site.sync_registry.mark(f"group/app-{number}", TAG)
        site.sync_registry.tell(f"group/app-{number}")
    site.sync_registry.recount.go_on()
    assert site.sync_registry.counters.read() == RowCounts(rows=30)
    assert site.said() == site.truth() == (30, 0, 0)


@pytest.mark.parametrize(("rows", "full"), [(20, 0), (200, 8), (500, 8)])
def test_a_status_makes_the_same_number_of_reads_at_any_site(
    rows: int, full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads once more what is parked in partitions that hold more than is read of them."""
    site = Site()
    for number in range(rows):
        site.synced(f"group/app-{number}")
        site.sync_registry.mark(f"group/app-{number}", Reference.whole(), Mark(comparison=Comparison(walk=NOW)))
    reads: list[str] = []

    def counted(name: str) -> Any:
        original = getattr(site.store, name)

        def read(*args: Any, **kwargs: Any) -> Any:
            reads.append(name)
            return original(*args, **kwargs)

        return read

    for name in ("get", "batch_get", "items", "due_keys", "first_due"):
        monkeypatch.setattr(site.store, name, counted(name))
    found = status.read(site.sync_registry, most=10, clock=site.clock)
    assert found.rows == RowCounts(rows=rows, synced=rows)
    assert found.more_owed
    assert (reads.count("first_due"), reads.count("due_keys")) == (16, 8 + full)
    assert (reads.count("batch_get"), len(reads)) == (4 + 8, 24 + full + 12 + 12)


class _Counting(MemoryStore):
    """Counts the requests, and the items that they read."""

    def __init__(self, items: Iterable[Item]) -> None:
        super().__init__(items)
        self.requests: Counter[str] = Counter()
        self.items_read = 0

    def _read(self, request: str, found: list[Any]) -> list[Any]:
        self.requests[request] += 1
        self.items_read += len(found)
        return found

    def get(self, key: Key) -> Item | None:
        self._read("get", [key])
        return super().get(key)

    def batch_get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        return super().batch_get(self._read("batch_get", [*keys]))

    def items(self, *asked: Any, **more: Any) -> list[Item]:
        return self._read("items", super().items(*asked, **more))

    def due(self, *asked: Any, **more: Any) -> list[Item]:
        return self._read("due", super().due(*asked, **more))

    def due_keys(self, *asked: Any, **more: Any) -> Iterator[Key]:
        return iter(self._read("due_keys", [*super().due_keys(*asked, **more)]))

    def first_due(self, *asked: Any, **more: Any) -> list[tuple[Key, int]]:
        return self._read("first_due", super().first_due(*asked, **more))


def test_a_status_reads_the_same_amount_for_any_number_of_rows(site: Site) -> None:
    read = []
    for number in range(100):
        site.synced(f"group/app-{number}")
    for rows, more in ((100, 0), (100_000, 99_900)):
        more_synced(site.store, "group/app-0", more)
        store = _Counting(site.store.table.values())
        found = status.read(SyncRegistry(store, clock=site.clock), clock=site.clock)
        assert found.rows is not None
        assert (found.rows.rows, found.rows.synced) == (rows, rows)
        read.append((store.requests, store.items_read))
    assert read[0] == read[1]
