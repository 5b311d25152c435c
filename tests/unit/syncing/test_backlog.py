"""What a holder takes next, and for what it waits."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock

from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.sweep import FAILED_SHARE
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.backlog import COOLDOWNS_S, LINGER_S, PATIENCE_S, TAKE, Backlog

REPOSITORY = "team/app"
CHILD = Reference.digest("sha256:" + "a" * 64)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sync_registry(clock: FakeClock) -> SyncRegistry:
    return SyncRegistry(MemoryStore(), clock=clock)


@pytest.fixture
def backlog(sync_registry: SyncRegistry, clock: FakeClock) -> Backlog:
    return Backlog(sync_registry, REPOSITORY, clock)


def mark(sync_registry: SyncRegistry, name: str) -> Owed:
    return sync_registry.mark(REPOSITORY, Reference.tag(name))


def taken(backlog: Backlog, *, idle: bool = True) -> str | None:
    owed = backlog.take(idle=idle)
    return owed.reference.value if owed is not None else None


def test_with_nothing_owed_there_is_nothing_to_wait_for(backlog: Backlog) -> None:
    assert backlog.refill({}) is None


def test_the_newest_is_taken_first(backlog: Backlog, sync_registry: SyncRegistry, clock: FakeClock) -> None:
    for name in ("old", "new"):
        mark(sync_registry, name)
        clock.pass_(0.1)
    assert backlog.refill({}) == 0
    assert [taken(backlog), taken(backlog), taken(backlog)] == ["new", "old", None]


def test_failed_references_come_after_untried_ones(
    backlog: Backlog, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    failed = mark(sync_registry, "failed")
    sync_registry.fail(failed, "dublin: GET /v2/: 503")
    for name in ("old", "new"):
        mark(sync_registry, name)
        clock.pass_(0.1)
    clock.pass_(90)  # it is due again, and became so after the others
    assert backlog.refill({}) == 0
    assert [taken(backlog), taken(backlog), taken(backlog)] == ["new", "old", "failed"]


def test_many_failed_references_hide_no_untried_one(
    backlog: Backlog, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    fresh = [f"fresh-{number:03}" for number in range(2 * TAKE)]
    for name in fresh:
        mark(sync_registry, name)
    for number in range(2 * TAKE):
        sync_registry.fail(mark(sync_registry, f"failed-{number}"), "dublin: GET /v2/: 503")
    clock.pass_(90)
    backlog.refill({})

    page = list(iter(lambda: taken(backlog), None))

    assert page[:TAKE] == fresh[: TAKE - 1 : -1]
    assert len(page) == TAKE + TAKE // FAILED_SHARE
    assert all(name is not None and name.startswith("failed-") for name in page[TAKE:])


def test_failed_references_fill_the_page_where_few_are_untried(
    backlog: Backlog, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    for number in range(2 * TAKE):
        sync_registry.fail(mark(sync_registry, f"failed-{number}"), "dublin: GET /v2/: 503")
    clock.pass_(90)
    mark(sync_registry, "fresh")
    backlog.refill({})

    page = list(iter(lambda: taken(backlog), None))

    assert (page[0], len(page)) == ("fresh", TAKE)


def test_a_reference_in_flight_is_not_taken_again(backlog: Backlog, sync_registry: SyncRegistry) -> None:
    owed = mark(sync_registry, "v1")
    assert backlog.refill({owed.reference}) is None
    assert taken(backlog) is None


def test_a_digest_waits_for_the_index_that_may_bring_it(
    backlog: Backlog, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.mark(REPOSITORY, CHILD, Mark(expects=CHILD.value))
    assert backlog.refill({}) == pytest.approx(PATIENCE_S)
    assert taken(backlog) is None
    clock.pass_(PATIENCE_S)
    assert taken(backlog) == CHILD.value


def test_a_reference_due_soon_is_waited_for_and_one_due_later_is_not(
    backlog: Backlog, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    soon, later = mark(sync_registry, "soon"), mark(sync_registry, "later")
    sync_registry.postpone(soon, clock.now + 2_000)
    sync_registry.postpone(later, clock.now + round(LINGER_S * 1000) + 1)
    assert backlog.refill({}) == pytest.approx(2.0)
    clock.pass_(2.0)
    assert [taken(backlog), taken(backlog)] == ["soon", None]


def test_a_reference_that_is_marked_again_and_again_is_taken_less_and_less_often(
    backlog: Backlog, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    for pause in (*COOLDOWNS_S, COOLDOWNS_S[-1]):
        mark(sync_registry, "v1")
        backlog.ask_again()
        backlog.refill({})
        owed = backlog.take(idle=True)
        assert owed is not None
        backlog.note_ended(owed, marked_again=True)
        assert backlog.refill({}) == pytest.approx(pause)
        assert taken(backlog) is None
        clock.pass_(pause)


def test_the_whole_repository_is_taken_after_all_other_references(
    backlog: Backlog, sync_registry: SyncRegistry
) -> None:
    sync_registry.mark(REPOSITORY, Reference.whole())
    mark(sync_registry, "v1")
    backlog.refill({})
    assert taken(backlog) == "v1"
    assert taken(backlog, idle=False) is None
    assert taken(backlog, idle=True) == "*"


def test_while_the_whole_repository_waits_its_turn_no_later_reference_is_waited_for(
    backlog: Backlog, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.mark(REPOSITORY, Reference.whole())
    soon = mark(sync_registry, "soon")
    sync_registry.postpone(soon, clock.now + 2_000)
    assert backlog.refill({}) == pytest.approx(2.0)
    clock.pass_(2.0)
    assert taken(backlog) == "soon"
    assert backlog.refill({soon.reference}) is None
    assert backlog.refill({}) == 0
