"""The sync registry as the rest of Geosync uses it, on both stores."""

from __future__ import annotations

from dataclasses import replace

from tests.functional.sync_registry.parts import REPOSITORY, V1, V2, A, B, Beforehand, seen
from tests.support.clock import START, FakeClock

from geosync.sync_registry.decisions import superseded
from geosync.sync_registry.discharges import Discharges
from geosync.sync_registry.items import ABSENT, UNNAMED, Reference
from geosync.sync_registry.site.counters import Counters, RowCounts
from geosync.sync_registry.site.outbox import Outbox
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Store, Update
from geosync.sync_registry.transitions.discharge import Discharged
from geosync.sync_registry.transitions.marks import Mark


def test_only_the_first_that_holds_a_repository_is_the_first(sync_registry: SyncRegistry, clock: FakeClock) -> None:
    sync_registry.mark(REPOSITORY, V1)
    sync_registry.tell(REPOSITORY)
    clock.pass_(1)
    first = sync_registry.acquire(REPOSITORY)
    assert first is not None
    assert first.is_first
    assert sync_registry.renew(first).is_first
    clock.pass_(1)
    sync_registry.release(first)
    second = sync_registry.acquire(REPOSITORY)
    assert second is not None
    assert not second.is_first


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


def test_a_look_that_was_only_asked_for_is_noted_until_another_one_is_made(
    sync_registry: SyncRegistry, store: Store, clock: FakeClock
) -> None:
    lease = None
    for asked in (True, False, True):
        clock.pass_(1)
        sync_registry.mark(REPOSITORY, V1, Mark(asked=asked))
        lease = lease or sync_registry.knock(REPOSITORY)
        assert lease is not None
        what = replace(seen(A, clock.now), announced_at=START if asked else None)
        (owed,) = sync_registry.due(REPOSITORY)
        assert sync_registry.discharge(lease, owed, what)
        assert sync_registry.look(REPOSITORY, V1).seen == what
    # A release that does not know the attributes leaves them, and looks later.
    store.write(Update(key=Key(REPOSITORY, V1.seen_key), set={"looked_at": clock.now + 1}))
    found = sync_registry.look(REPOSITORY, V1).seen
    assert found is not None
    assert found.answered_at == clock.now + 1


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


def test_a_discharge_marks_the_digests_that_it_leaves_owed_in_one_transaction(
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


def test_a_digest_left_owed_is_marked_again_where_it_is_owed_already(
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
    discharged = [
        Discharged(later, seen(B, START), frozenset({A})),
        Discharged(earlier, seen(B, START), frozenset({A})),
        Discharged(digest, seen(A, START)),
    ]

    discharges = Discharges(store, clock, None, names=lambda: "another mark", outbox=Outbox(store, clock, str))
    assert discharges.discharge(lease, discharged) == {V1, V2}

    (left,) = sync_registry.due(REPOSITORY)
    assert (left.reference, left.pushed_at) == (Reference.digest(A), START + 1)


def test_many_discharges_that_leave_much_owed_take_as_many_transactions_as_they_need(
    store: Store, sync_registry: SyncRegistry, clock: FakeClock
) -> None:
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    discharged = []
    for number in range(14):
        owed = sync_registry.mark(REPOSITORY, Reference.tag(f"t{number:02}"), Mark(expects=A))
        left = frozenset(f"sha256:{16 * number + one:064x}" for one in range(16))
        discharged.append(Discharged(owed, seen(A, START), left))

    names = iter(range(1000))
    discharges = Discharges(store, clock, None, names=lambda: f"mark {next(names)}", outbox=Outbox(store, clock, str))

    assert len(discharges.discharge(lease, discharged)) == 14
    assert len(sync_registry.due(REPOSITORY, 1000)) == 14 * 16  # and a transaction takes 100


def test_a_tag_that_leaves_more_owed_than_a_transaction_takes_is_discharged(sync_registry: SyncRegistry) -> None:
    """A tag that was pushed a hundred times, and never rested for the settle time."""
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    owed = sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    left = frozenset(f"sha256:{number:064x}" for number in range(250))
    later = Reference.digest(min(left)), Reference.digest(max(left))
    for reference in later:
        sync_registry.mark(REPOSITORY, reference, Mark(expects=reference.value, pushed_at=owed.pushed_at + 1))

    assert sync_registry.discharge(lease, owed, seen(A, START), superseded=left, half=left)

    found = sync_registry.due(REPOSITORY, 1000)
    assert {one.reference.value for one in found} == left
    assert {one.pushed_at for one in found} == {owed.pushed_at}
    assert {one.digest for one in sync_registry.half_copies.of(REPOSITORY, limit=1000)} == left


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
    done = discharges.discharge(lease, [Discharged(one, seen(A, START)) for one in owed])

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
