"""The sync sync_registry as the rest of Geosync uses it, on both stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.functional.sync_registry.conftest import Make
from tests.support.clock import START, FakeClock

from geosync.errors import CorruptItem, LeaseLost
from geosync.sync_registry.decisions import superseded
from geosync.sync_registry.discharges import Discharges
from geosync.sync_registry.items import ABSENT, UNNAMED, Reference, Seen
from geosync.sync_registry.site.counters import Counters, RowCounts
from geosync.sync_registry.site.outbox import Outbox
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Store, Update
from geosync.sync_registry.transitions.discharge import Payment
from geosync.sync_registry.transitions.marks import Mark

REPOSITORY = "project/app"
V1, V2 = Reference.tag("v1"), Reference.tag("v2")
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


Beforehand = Callable[[Make], None]


def seen(digest: str, at: int) -> Seen:
    return Seen(digest=digest, looked_at=at, seen_at=at)


def test_a_push_from_its_event_to_synced(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    glance = sync_registry.look(REPOSITORY, V1, holds=["primary:5000"])
    assert not sync_registry.is_already_seen(glance, A, START)
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A, correlation_id="c-1"))
    lease = sync_registry.knock(REPOSITORY, believed=glance.row)
    assert lease is not None

    (owed,) = sync_registry.due(REPOSITORY)
    assert (owed.reference, owed.expects, owed.correlation_id, owed.seen) == (V1, frozenset({A}), "c-1", None)
    started = sync_registry.row(REPOSITORY)
    assert started is not None
    assert (started.state, started.last_synced_at, started.created_at) == ("1", START, START)

    clock.pass_(1)
    assert sync_registry.discharge(lease, owed, seen(A, clock.now))
    assert sync_registry.due(REPOSITORY) == []
    assert sync_registry.finish(lease)

    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert (row.state, row.id, row.container_repository_id, row.lease_token) == ("2", 1, 1, None)
    assert (row.verification_state, row.retry_count, row.retry_at, row.last_sync_failure) == ("0", 0, None, None)
    after = sync_registry.look(REPOSITORY, V1)
    assert after.seen == seen(A, clock.now)
    assert sync_registry.is_already_seen(after, A, START)
    assert not sync_registry.is_already_seen(after, A, clock.now + 1), "the look is older than that event"
    assert not sync_registry.is_already_seen(after, B, START)
    assert sync_registry.due_repositories() == []


def test_a_hundred_events_of_one_tag_are_its_item_with_a_bounded_set_and_an_item_for_each_further_digest(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    digests = {f"sha256:{number:064x}" for number in range(100)}
    for digest in sorted(digests):
        clock.pass_(0.01)
        last = sync_registry.mark(REPOSITORY, V1, Mark(expects=digest))

    owed, *others = sync_registry.due(REPOSITORY)
    assert owed == last, "the newest goes first"
    assert owed.owed_since == START + 10
    assert owed.marked_at == START + 1000
    assert len(owed.expects) == 17
    assert UNNAMED in owed.expects
    assert owed.named | {other.reference.value for other in others} == digests
    assert len(others) == 100 - 16
    assert {(other.due, other.pushed_at, other.pushed_as) for other in others} == {(START + 10, START + 10, "v1")}


def test_a_deletion_is_kept_in_a_full_item(sync_registry: SyncRegistry) -> None:
    for number in range(20):
        sync_registry.mark(REPOSITORY, V1, Mark(expects=f"sha256:{number:064x}"))
    assert ABSENT in sync_registry.mark(REPOSITORY, V1, Mark(expects=ABSENT)).expects


def test_a_full_item_keeps_no_digest_where_superseded_images_are_skipped(sync_registry: SyncRegistry) -> None:
    for number in range(20):
        said = Mark(expects=f"sha256:{number:064x}", keeps_superseded=False)
        sync_registry.mark(REPOSITORY, V1, said)
    assert [owed.reference for owed in sync_registry.due(REPOSITORY)] == [V1]


def test_what_a_discharge_leaves_owed_is_owed_in_the_same_transaction(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    """As old as the tag's first mark, for the recovery point and in the order of work; marked now."""
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A, pushed_at=START - 5, correlation_id="c-1"))
    clock.pass_(1)
    owed = sync_registry.mark(REPOSITORY, V1, Mark(expects=B, pushed_at=START + 900))
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    clock.pass_(1)

    assert sync_registry.discharge(lease, owed, seen(B, START), superseded=superseded(owed, seen(B, START)))

    (left,) = sync_registry.due(REPOSITORY)
    assert (left.reference, left.pushed_as) == (Reference.digest(A), "v1")
    assert left.expects == {A}
    assert (left.pushed_at, left.owed_since, left.due, left.marked_at) == (START - 5, START, START, START + 2000)
    assert left.correlation_id == "c-1"


def test_a_discharge_that_is_refused_leaves_nothing_owed(sync_registry: SyncRegistry) -> None:
    owed = sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    again = sync_registry.mark(REPOSITORY, V1, Mark(expects=B))

    assert not sync_registry.discharge(lease, owed, seen(B, START), superseded=frozenset({A}))

    assert sync_registry.due(REPOSITORY) == [again]


def test_what_is_left_owed_is_marked_anew_where_it_is_owed_already(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    """So that a look from before it was named again discharges nothing; the earlier push of the two is kept."""
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    clock.pass_(1)
    before = sync_registry.mark(REPOSITORY, Reference.digest(A), Mark(expects=ABSENT, pushed_at=START + 1000))
    owed = sync_registry.mark(REPOSITORY, V1, Mark(expects=A, pushed_at=START))

    assert sync_registry.discharge(lease, owed, seen(B, START), superseded=frozenset({A}))

    assert not sync_registry.discharge(lease, before, None)
    (left,) = sync_registry.due(REPOSITORY)
    assert left.expects == {A, ABSENT}
    assert left.pushed_at == START


def test_a_digest_that_two_tags_leave_owed_and_one_that_is_paid_beside_them_are_no_conflict(
    store: Store, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    digest = sync_registry.mark(REPOSITORY, Reference.digest(A), Mark(expects=A, pushed_at=START + 3))
    later = sync_registry.mark(REPOSITORY, V1, Mark(expects=A, pushed_at=START + 2))
    earlier = sync_registry.mark(REPOSITORY, V2, Mark(expects=A, pushed_at=START + 1))
    payments = [
        Payment(later, seen(B, START), frozenset({A})),
        Payment(earlier, seen(B, START), frozenset({A})),
        Payment(digest, seen(A, START)),
    ]

    discharges = Discharges(store, clock, None, names=lambda: "another mark", outbox=Outbox(store, clock, str))
    assert discharges.pay(lease, payments) == {V1, V2}

    (left,) = sync_registry.due(REPOSITORY)
    assert (left.reference, left.pushed_at) == (Reference.digest(A), START + 1)


def test_many_discharges_that_leave_much_owed_take_as_many_transactions_as_they_need(
    store: Store, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    payments = []
    for number in range(40):
        owed = sync_registry.mark(REPOSITORY, Reference.tag(f"t{number:02}"), Mark(expects=A))
        left = frozenset(f"sha256:{16 * number + one:064x}" for one in range(16))
        payments.append(Payment(owed, seen(A, START), left))

    names = iter(range(1000))
    discharges = Discharges(store, clock, None, names=lambda: f"mark {next(names)}", outbox=Outbox(store, clock, str))

    assert len(discharges.pay(lease, payments)) == 40
    assert len(sync_registry.due(REPOSITORY, 1000)) == 40 * 16


def test_a_knock_while_somebody_holds_it_is_seen_by_the_holder(sync_registry: SyncRegistry) -> None:
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    lease = sync_registry.knock(REPOSITORY)
    assert lease is not None
    (owed,) = sync_registry.due(REPOSITORY)
    sync_registry.discharge(lease, owed, seen(A, START))

    sync_registry.mark(REPOSITORY, V2, Mark(expects=B))
    assert sync_registry.knock(REPOSITORY) is None

    assert not sync_registry.finish(lease), "something is due"
    renewed = sync_registry.renew(lease)
    assert renewed.revision == lease.revision + 1
    (owed,) = sync_registry.due(REPOSITORY)
    assert owed.reference == V2
    sync_registry.discharge(renewed, owed, seen(B, START))
    assert not sync_registry.finish(lease), "the lease from before the knock does not let go"
    assert sync_registry.finish(renewed)


def test_a_wake_takes_what_is_free_only(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.mark(REPOSITORY, V1)
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    assert sync_registry.acquire(REPOSITORY) is None
    assert sync_registry.due_repositories() == []

    clock.pass_(59)
    lease = sync_registry.renew(lease)
    clock.pass_(59)
    assert sync_registry.acquire(REPOSITORY) is None


def test_over_an_expired_lease_the_secondary_is_suspect(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.mark(REPOSITORY, V1)
    lost = sync_registry.acquire(REPOSITORY)
    assert lost is not None
    clock.pass_(61)
    assert sync_registry.due_repositories() == [REPOSITORY]

    lease = sync_registry.knock(REPOSITORY)

    assert lease is not None
    assert lease.token != lost.token
    assert lease.suspect_until == lost.expires + 60_000
    assert sync_registry.renew(lease).suspect_until == lease.suspect_until
    (owed,) = sync_registry.due(REPOSITORY)
    with pytest.raises(LeaseLost):
        sync_registry.renew(lost)
    with pytest.raises(LeaseLost):
        sync_registry.discharge(lost, owed, seen(A, START))
    with pytest.raises(LeaseLost):
        sync_registry.release(lost)
    with pytest.raises(LeaseLost):
        sync_registry.record(lost, [(V2, seen(A, START))])
    assert sync_registry.discharge(lease, owed, seen(A, clock.now))
    with pytest.raises(LeaseLost):
        sync_registry.finish(lost)
    assert sync_registry.finish(lease)


def test_a_lease_that_ran_out_and_that_nobody_took_can_still_be_renewed(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    clock.pass_(300)

    assert sync_registry.renew(lease).expires == clock.now + 60_000


def test_a_write_without_an_answer_makes_the_secondary_suspect(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    clock.pass_(10)

    suspecting = sync_registry.renew(sync_registry.suspect(lease))

    assert suspecting.suspect_until == clock.now + 60_000
    assert suspecting.expires == clock.now + 60_000, "it renews as well"
    sync_registry.release(suspecting)
    again = sync_registry.acquire(REPOSITORY)
    assert again is not None
    assert again.suspect_until == suspecting.suspect_until


def test_a_tag_is_written_only_under_a_lease_renewed_lately(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    clock.pass_(40)
    assert sync_registry.may_write_tag(lease)
    clock.pass_(0.001)
    assert not sync_registry.may_write_tag(lease)
    assert sync_registry.may_write_tag(sync_registry.renew(lease))


def test_what_was_marked_again_is_not_discharged(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    (owed,) = sync_registry.due(REPOSITORY)
    sync_registry.mark(REPOSITORY, V1, Mark(expects=B))

    assert not sync_registry.discharge(lease, owed, seen(A, START))
    assert not sync_registry.postpone(owed, START + 5000)
    assert sync_registry.fail(owed, "no") is None
    assert sync_registry.advance(owed, "v1") is None

    (owed,) = sync_registry.due(REPOSITORY)
    assert owed.expects == {A, B}
    assert owed.failure is None
    assert sync_registry.look(REPOSITORY, V1).seen is None


def test_many_are_discharged_at_once_but_for_those_marked_again(
    store: Store, sync_registry: SyncRegistry, beforehand: Beforehand
) -> None:
    references = [Reference.tag(f"t{number}") for number in range(70)]
    beforehand(
        lambda sync_registry: [sync_registry.mark(REPOSITORY, reference, Mark(expects=A)) for reference in references]
    )
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    owed = sync_registry.due(REPOSITORY, 100)
    for reference in references[:3]:
        sync_registry.mark(REPOSITORY, reference, Mark(expects=B))

    discharges = Discharges(store, FakeClock(), None, names=lambda: "a mark", outbox=Outbox(store, FakeClock(), str))
    done = discharges.pay(lease, [Payment(one, seen(A, START)) for one in owed])

    assert done == set(references[3:])
    assert {one.reference for one in sync_registry.due(REPOSITORY)} == set(references[:3])


def test_a_reference_that_is_gone_leaves_nothing(sync_registry: SyncRegistry) -> None:
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    sync_registry.record(lease, [(V1, seen(A, START))])
    sync_registry.mark(REPOSITORY, V1, Mark(expects=ABSENT))
    (owed,) = sync_registry.due(REPOSITORY)
    assert owed.seen == seen(A, START)

    assert sync_registry.discharge(lease, owed, None)

    glance = sync_registry.look(REPOSITORY, V1)
    assert (glance.owed, glance.seen) == (None, None)


def test_a_comparison_records_only_what_nobody_owes(sync_registry: SyncRegistry) -> None:
    sync_registry.mark(REPOSITORY, V2, Mark(expects=B))
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None

    assert sync_registry.record(lease, [(V1, seen(A, START)), (V2, seen(A, START))]) == {V1}

    assert sync_registry.seen(REPOSITORY, [V1, V2]) == {V1: seen(A, START)}
    assert sync_registry.seen_tags(REPOSITORY, limit=10) == [(V1, seen(A, START))]


def test_a_digest_is_remembered_for_a_month(sync_registry: SyncRegistry, store: Store) -> None:
    sync_registry.mark(REPOSITORY, Reference.digest(A), Mark(expects=A))
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    (owed,) = sync_registry.due(REPOSITORY)
    sync_registry.discharge(lease, owed, seen(A, START))

    item = store.get(Key(REPOSITORY, f"digest#{A}"))

    assert item is not None
    assert item["expire_at"] == START // 1000 + 30 * 86_400


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


def test_what_a_whole_repository_brings_is_as_old_as_its_mark(sync_registry: SyncRegistry, clock: FakeClock) -> None:
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


def test_what_failed_or_is_parked_is_tried_with_the_rest_of_its_repository(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    whole = sync_registry.mark(REPOSITORY, Reference.whole())
    clock.pass_(1)
    for reference, parked in ((V1, False), (V2, True)):
        assert sync_registry.fail(sync_registry.mark(REPOSITORY, reference, Mark(expects=A)), "broken", parked=parked)
        again = sync_registry.mark(REPOSITORY, reference, Mark(since=whole.marked_at))
        assert (again.due, again.parked, again.attempts, again.failure) == (whole.marked_at, False, 0, None)


def test_what_is_postponed_or_failed_is_not_due_and_the_row_says_why(
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
    assert V1 in {owed.reference for owed in sync_registry.due(REPOSITORY, ahead=30)}
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


def test_what_is_put_off_without_a_failure_leaves_the_row_pending(sync_registry: SyncRegistry) -> None:
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
    assert sync_registry.advance(owed, "v200", due=START + 1000) is not None
    assert sync_registry.due(REPOSITORY) == []
    sync_registry.mark(REPOSITORY, Reference.whole())
    (owed,) = sync_registry.due(REPOSITORY)
    assert owed.cursor is None, "asked for anew: from the start"
    assert sync_registry.discharge(lease, owed, None)
    assert sync_registry.finish(lease)


def test_a_holder_that_vanished_is_found_even_when_nothing_is_owed_any_more(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    lease = sync_registry.knock(REPOSITORY)
    assert lease is not None
    (owed,) = sync_registry.due(REPOSITORY)
    sync_registry.discharge(lease, owed, seen(A, START))
    clock.pass_(60)

    assert sync_registry.due_repositories() == [REPOSITORY]
    taken = sync_registry.acquire(REPOSITORY)
    assert taken is not None
    assert sync_registry.finish(taken)
    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert row.state == "2"


def test_the_sweep_takes_from_every_shard_in_turn(
    sync_registry: SyncRegistry, clock: FakeClock, beforehand: Beforehand
) -> None:
    names = [f"project/{number}" for number in range(30)]

    def mark(sync_registry: SyncRegistry) -> None:
        for name in names:
            clock.pass_(0.001)
            for tag in range(3):
                sync_registry.mark(name, Reference.tag(f"t{tag}"))

    beforehand(mark)
    held = sync_registry.acquire("project/0")
    assert held is not None

    assert sorted(sync_registry.due_repositories()) == sorted(names[1:])
    few = sync_registry.due_repositories(8)
    assert len(few) == len(set(few)) == 8


def test_a_knock_that_may_not_take_leaves_the_repository_free(sync_registry: SyncRegistry) -> None:
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))

    assert sync_registry.knock(REPOSITORY, take=False) is None

    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert (row.state, row.revision, row.lease_token, row.id) == ("0", 1, None, 1)
    assert sync_registry.due_repositories() == [REPOSITORY]


def test_ids_count_up_per_site_and_rows_are_counted(sync_registry: SyncRegistry, store: Store) -> None:
    for number in range(3):
        sync_registry.knock(f"project/{number}")
        sync_registry.knock(f"project/{number}")

    assert [row.id for number in range(3) if (row := sync_registry.row(f"project/{number}"))] == [1, 2, 3]
    assert Counters(store).read() == RowCounts(rows=3)


def test_pause_is_seen_at_a_glance(sync_registry: SyncRegistry) -> None:
    assert not sync_registry.look(REPOSITORY, V1).paused
    sync_registry.pause("maintenance")
    assert sync_registry.is_paused()
    assert sync_registry.look(REPOSITORY, V1).paused
    sync_registry.resume()
    assert not sync_registry.is_paused()


def test_holds_grow_when_they_follow_each_other_and_are_forgotten_on_success(
    sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    lengths = []
    for _ in range(8):
        hold = sync_registry.hold("secondary:5000", reason="503")
        lengths.append((hold.until - clock.now) // 1000)
        assert sync_registry.hold("secondary:5000", reason="503").until == hold.until, "one outage, many who see it"
        assert sync_registry.held(["primary:5000", "secondary:5000"]) == hold
        clock.pass_((hold.until - clock.now) / 1000)
        assert sync_registry.held(["secondary:5000"]) is None

    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300]
    assert [hold.registry for hold in sync_registry.look(REPOSITORY, V1, holds=["secondary:5000"]).holds] == [
        "secondary:5000"
    ]
    sync_registry.clear_hold("secondary:5000")
    assert sync_registry.hold("secondary:5000", reason="503").until == clock.now + 5000


def test_a_hold_lasts_at_least_what_the_registry_asked_for(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    assert sync_registry.hold("primary:5000", reason="429", retry_after=90).until == clock.now + 90_000
    assert sync_registry.hold("primary:5000", reason="429", retry_after=120).until == clock.now + 120_000
    assert sync_registry.hold("primary:5000", reason="429", retry_after=10**9).until == clock.now + 3_600_000
    assert [hold.registry for hold in sync_registry.holds()] == ["primary:5000"]


def test_a_row_edited_into_nonsense_says_which_and_stops_nobody_else(sync_registry: SyncRegistry, store: Store) -> None:
    sync_registry.mark(REPOSITORY, V1)
    store.write(Update(key=Key(REPOSITORY, "row"), set={"revision": "many"}))
    sync_registry.mark("project/other", V1)

    with pytest.raises(CorruptItem, match=r"project/app.*row.*revision"):
        sync_registry.knock(REPOSITORY)
    with pytest.raises(CorruptItem, match=r"project/app.*row.*revision"):
        sync_registry.row(REPOSITORY)
    assert "project/other" in sync_registry.due_repositories()
    assert sync_registry.acquire("project/other") is not None


def test_an_owed_item_edited_into_nonsense_is_parked_with_the_reason(sync_registry: SyncRegistry, store: Store) -> None:
    sync_registry.mark(REPOSITORY, V1)
    sync_registry.mark(REPOSITORY, V2)
    store.write(Update(key=Key(REPOSITORY, V1.owed_key), set={"marked_at": "yesterday"}))
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None

    (owed,) = sync_registry.due(REPOSITORY)

    assert owed.reference == V2
    sync_registry.discharge(lease, owed, seen(A, START))
    assert sync_registry.due(REPOSITORY) == []
    assert sync_registry.finish(lease)
    row = sync_registry.row(REPOSITORY)
    assert row is not None
    assert row.state == "3"
    assert row.last_sync_failure is not None
    assert "owed#tag#v1: marked_at is not a whole number" in row.last_sync_failure


def test_a_mark_heals_what_cannot_be_added_to(sync_registry: SyncRegistry, store: Store) -> None:
    store.write(Update(key=Key(REPOSITORY, V1.owed_key), set={"expects": "everything"}))

    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))

    owed = {one.reference: one.expects for one in sync_registry.due(REPOSITORY)}
    assert owed == {V1: {UNNAMED}, Reference.digest(A): {A}}


def test_a_mark_of_what_cannot_be_read_keeps_the_digests_that_can(sync_registry: SyncRegistry, store: Store) -> None:
    key = Key(REPOSITORY, V1.owed_key)
    store.write(Update(key=key, set={"expects": frozenset({A}), "due": START, "marked_at": "noon"}))

    sync_registry.mark(REPOSITORY, V1, Mark(if_absent=frozenset({"missing"}), distrust=frozenset({B})))
    store.write(Update(key=key, set={"expects": frozenset({A}), "attempts": "many", "pushed_at": "noon"}))
    sync_registry.mark(REPOSITORY, V1, Mark(expects=B))

    assert {one.reference for one in sync_registry.due(REPOSITORY)} == {V1, *map(Reference.digest, (A, B))}


def test_what_was_never_tried_is_woken_before_what_failed(
    sync_registry: SyncRegistry, clock: FakeClock, beforehand: Beforehand
) -> None:
    def mark(sync_registry: SyncRegistry) -> None:
        for number in range(30):
            failed = sync_registry.mark(f"project/failed-{number}", V1)
            assert sync_registry.fail(failed, "500") is not None
        clock.pass_(3600)
        for number in range(30):
            sync_registry.mark(f"project/fresh-{number}", V1)

    beforehand(mark)
    first = sync_registry.due_repositories(20)
    # One in ten is kept for what failed, so that a long backfill does not keep it for days.
    assert [name.split("/")[1].startswith("fresh") for name in first] == [True] * 18 + [False] * 2
    rest = sync_registry.due_repositories(100)
    assert (len(rest), len(set(rest))) == (60, 60)
    assert all("fresh" in name for name in rest[:30])
    sync_registry.mark("project/failed-7", V1)  # marked again: it was never tried since
    assert "project/failed-7" in sync_registry.due_repositories(100)[:31]
