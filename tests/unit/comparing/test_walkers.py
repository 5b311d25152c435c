"""Two invocations at one comparison, as EventBridge and SQS may start them: one goes on, and everything counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.unit.minute.secondary import MINUTE, START, Secondary, park

from geosync.comparing.catalogue import Catalogue, is_due
from geosync.comparing.marking import mark_of
from geosync.comparing.missing import Removals
from geosync.comparing.progress import progress_of
from geosync.comparing.rows import Rows
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.catalogue import Walk, WalkTakenUp
from geosync.sync_registry.sync_registry import SyncRegistry

UNLISTED = "team/unlisted"


class TwoPages:
    """A primary whose catalogue has two pages; `between` is called after the first."""

    name = "primary"

    def __init__(self, between: Callable[[], object] = int) -> None:
        self.between = between

    def repositories(self, *, last: str | None) -> Iterator[list[str]]:
        if last is None:
            yield ["team/a"]
            self.between()
        yield ["team/b"]


@pytest.fixture
def secondary() -> Secondary:
    """A site with a row that the primary's catalogue does not list, and with an earlier, complete comparison."""
    one = Secondary()
    one.sync_registry.mark(UNLISTED, Reference.tag("v1"))
    discharge(one.sync_registry, UNLISTED)
    one.clock.now += MINUTE
    one.compared(START - 30 * MINUTE)
    return one


def rows(sync_registry: SyncRegistry) -> Rows:
    removals = Removals(breaker=sync_registry.breaker)
    return Rows(sync_registry, Selection(), removals, check=lambda: None, on_death=lambda _: None)


def catalogue(secondary: Secondary, primary: TwoPages) -> Catalogue:
    registry: Registry = primary  # type: ignore[assignment]
    at = secondary.sync_registry
    return Catalogue(at, registry, rows(at), Selection(), clock=secondary.clock)


def discharge(sync_registry: SyncRegistry, *repositories: str) -> None:
    for repository in repositories:
        lease = sync_registry.acquire(repository)
        assert lease is not None
        for owed in sync_registry.due(repository, 10):
            assert sync_registry.discharge(lease, owed, None)
        sync_registry.finish(lease)


def latest(secondary: Secondary) -> Walk:
    walk = secondary.sync_registry.catalogue.latest()
    assert walk is not None
    return walk


def compared_of(secondary: Secondary) -> tuple[int, int]:
    far = progress_of(secondary.sync_registry, latest(secondary), now_ms=secondary.clock.now)
    return far.compared, far.repositories


def test_of_two_at_one_walk_the_later_goes_on(secondary: Secondary) -> None:
    assert catalogue(secondary, TwoPages(between=catalogue(secondary, TwoPages()).walk)).walk() is None
    done = latest(secondary)
    assert (done.repositories, done.last, done.walker) == (2, "team/b", 1)
    assert done.finished_at is not None
    secondary.clock.now += 1000
    discharge(secondary.sync_registry, "team/a", "team/b", UNLISTED)
    assert compared_of(secondary) == (3, 3)
    assert [secondary.minute().comparison for _ in range(2)][-1].is_proved  # type: ignore[union-attr]


def test_two_do_not_begin_at_once(secondary: Secondary) -> None:
    notes, before = secondary.sync_registry.catalogue, latest(secondary)
    notes.begin(now_ms=secondary.clock.now, after=before)
    with pytest.raises(WalkTakenUp):
        notes.begin(now_ms=secondary.clock.now + 5, after=before)
    assert notes.begin(now_ms=secondary.clock.now, after=before), "a request that is repeated as its answer was lost"


def test_a_repository_that_two_find_unlisted_counts_once(secondary: Secondary, monkeypatch: pytest.MonkeyPatch) -> None:
    at = secondary.sync_registry
    walk = at.catalogue.begin(now_ms=secondary.clock.now, after=latest(secondary))
    mark, others = at.mark_unlisted, [rows(at)]

    def mark_after_another(*args: object) -> None:
        for other in [others.pop() for _ in others[:]]:
            other.walk(walk)
        mark(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(at, "mark_unlisted", mark_after_another)
    rows(at).walk(walk)
    assert compared_of(secondary) == (0, 1)


def test_a_walk_that_was_taken_up_is_not_due_before_a_page_had_time(secondary: Secondary) -> None:
    at, now = secondary.sync_registry.catalogue, secondary.clock.now
    walk = at.begin(now_ms=now, after=latest(secondary))
    at.note_out_of_time(walk)
    at.ask()
    assert is_due(latest(secondary), now_ms=now, every_s=0)
    taken = at.take_up(latest(secondary), now_ms=now)
    assert not is_due(latest(secondary), now_ms=now + MINUTE, every_s=0)
    at.note_page(taken, ["team/a"], selected=1, now_ms=now + 2 * MINUTE)


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_repository_that_is_parked_as_a_whole_was_not_compared(secondary: Secondary, *, is_listed: bool) -> None:
    """What of it is missing here stands nowhere: the recovery point must not pass it."""
    at = secondary.sync_registry
    walk = at.catalogue.begin(now_ms=secondary.clock.now, after=latest(secondary))
    if is_listed:
        at.mark(UNLISTED, Reference.whole(), mark_of(walk))
        walk = at.catalogue.note_page(walk, [UNLISTED], selected=1, now_ms=secondary.clock.now)
    rows(at).walk(walk)
    at.catalogue.note_finished(walk, now_ms=secondary.clock.now)
    park(secondary, at.due(UNLISTED, 10)[0])
    for _ in range(3):
        comparison = secondary.minute().comparison
    assert comparison is not None
    assert not comparison.complete
