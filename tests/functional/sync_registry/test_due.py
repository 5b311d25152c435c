"""What is due in a repository, in which order, and what puts it off."""

from __future__ import annotations

from dataclasses import replace

from tests.functional.sync_registry.parts import REPOSITORY, V1, V2, A, B, Beforehand
from tests.support.clock import START, FakeClock

from geosync.sync_registry.items import ABSENT, Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.transitions.marks import Mark


def test_newest_first_and_no_more_than_asked_for(
    sync_registry: SyncRegistry, clock: FakeClock, beforehand: Beforehand
) -> None:
    def mark(sync_registry: SyncRegistry) -> None:
        for number in range(120):
            clock.pass_(0.001)
            sync_registry.mark(REPOSITORY, Reference.tag(f"t{number}"))

    beforehand(mark)
    assert [owed.reference.value for owed in sync_registry.due(REPOSITORY, 3)] == ["t119", "t118", "t117"]
    clock.pass_(60)
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    assert sync_registry.due(REPOSITORY, 1)[0].reference == V1


def test_tags_marked_for_a_whole_repository_are_as_old_as_its_mark(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    whole = sync_registry.mark(REPOSITORY, Reference.whole())
    clock.pass_(10)
    sync_registry.mark(REPOSITORY, V2, Mark(expects=B))
    clock.pass_(10)
    found = sync_registry.mark(REPOSITORY, V1, Mark(since=whole.marked_at))

    assert (found.marked_at, found.due, found.owed_since) == (START + 20_000, START, START)
    assert not found.worked_on
    assert [owed.reference for owed in sync_registry.due(REPOSITORY, 1)] == [V2]

    assert sync_registry.postpone(found, START + 30_000)
    clock.pass_(10)
    assert next(owed.worked_on for owed in sync_registry.due(REPOSITORY))


def test_what_a_push_marked_keeps_its_place_when_its_repository_is_compared(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    before = sync_registry.mark(REPOSITORY, V2)
    clock.pass_(1)
    whole = sync_registry.mark(REPOSITORY, Reference.whole())
    clock.pass_(1)
    pushed = sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    clock.pass_(1)

    again = sync_registry.mark(REPOSITORY, V1, Mark(since=whole.marked_at))
    deleted = sync_registry.mark(REPOSITORY, V1, Mark(expects=ABSENT, since=whole.marked_at))
    older = sync_registry.mark(REPOSITORY, V2, Mark(since=whole.marked_at))

    assert (again.due, again.expects, again.owed_since) == (clock.now, frozenset({A}), pushed.owed_since)
    assert (deleted.due, deleted.expects) == (clock.now, frozenset({A, ABSENT}))
    assert (older.due, older.owed_since) == (whole.marked_at, before.owed_since)


def test_a_failed_or_parked_reference_is_tried_with_the_rest_of_its_repository(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    whole = sync_registry.mark(REPOSITORY, Reference.whole())
    clock.pass_(1)
    for reference, parked in ((V1, False), (V2, True)):
        assert sync_registry.fail(sync_registry.mark(REPOSITORY, reference, Mark(expects=A)), "broken", parked=parked)
        again = sync_registry.mark(REPOSITORY, reference, Mark(since=whole.marked_at))
        assert (again.due, again.parked, again.attempts, again.failure) == (whole.marked_at, False, 0, None)


def test_a_postponed_or_failed_reference_is_not_due_and_the_row_says_why(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    for reference in (V1, V2):
        sync_registry.mark(REPOSITORY, reference, Mark(expects=A))
    lease = sync_registry.knock(REPOSITORY)
    assert lease is not None
    due = {owed.reference: owed for owed in sync_registry.due(REPOSITORY)}
    assert sync_registry.postpone(due[V1], START + 30_000)
    failed = sync_registry.fail(due[V2], "secondary:5000: PUT /v2/…: 400 MANIFEST_INVALID")
    assert failed is not None

    assert sync_registry.due(REPOSITORY) == []
    assert V1 in {owed.reference for owed in sync_registry.due(REPOSITORY, ahead_s=30)}
    assert sync_registry.finish(lease)

    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert (row.state, row.retry_count, row.retry_at) == ("3", 1, failed.due)
    assert row.last_sync_failure == (
        "Container repository sync failed: v2: secondary:5000: PUT /v2/…: 400 MANIFEST_INVALID"
    )
    assert failed.due is not None
    assert START + 16_000 <= failed.due <= START + (1 + 15 + 29 * 2) * 1000
    clock.pass_(29)
    assert REPOSITORY not in sync_registry.due_repositories() or failed.due <= clock.now
    clock.pass_(60)
    assert sync_registry.due_repositories() == [REPOSITORY]


def test_a_postponement_without_a_failure_leaves_the_row_pending(sync_registry: SyncRegistry) -> None:
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    lease = sync_registry.knock(REPOSITORY)
    assert lease is not None
    (owed,) = sync_registry.due(REPOSITORY)
    sync_registry.postpone(owed, START + 30_000)

    assert sync_registry.finish(lease)

    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert row.state == "0"


def test_attempts_grow_until_the_reference_is_parked_and_a_new_event_starts_afresh(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.timing = replace(sync_registry.timing, max_attempts=3)
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    attempts = []
    for attempt in (1, 2, 3):
        (owed,) = sync_registry.due(REPOSITORY)
        failed = sync_registry.fail(owed, f"failure {attempt}")
        assert failed is not None
        attempts.append((failed.attempts, failed.parked, failed.due is None))
        clock.pass_(3600)

    assert attempts == [(1, False, False), (2, False, False), (3, True, True)]
    assert sync_registry.due(REPOSITORY) == []
    assert [owed.failure for owed in sync_registry.owed(REPOSITORY)] == ["failure 3"]
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    assert sync_registry.finish(lease)
    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert (row.state, row.retry_count, row.retry_at) == ("3", 3, None)

    sync_registry.mark(REPOSITORY, V1, Mark(expects=B))
    (owed,) = sync_registry.due(REPOSITORY)
    assert (owed.attempts, owed.failure, owed.parked, owed.expects) == (0, None, False, frozenset({A, B}))
    assert owed.owed_since == START


def test_the_whole_repository_is_done_behind_its_cursor(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.mark(REPOSITORY, Reference.whole())
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    (owed,) = sync_registry.due(REPOSITORY)
    moved = sync_registry.advance(owed, "v100")
    assert moved is not None

    (owed,) = sync_registry.due(REPOSITORY)
    assert owed.cursor == "v100"
    assert sync_registry.advance(owed, "v200") is not None
    sync_registry.mark(REPOSITORY, Reference.whole())
    (owed,) = sync_registry.due(REPOSITORY)
    assert owed.cursor is None, "asked for anew: from the start"
    assert sync_registry.discharge(lease, owed, None)
    assert sync_registry.finish(lease)
