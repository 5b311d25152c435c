"""Who holds a repository: knocks, wakes, leases that ran out, tag writes of unknown outcome."""

from __future__ import annotations

import pytest
from tests.functional.sync_registry.parts import REPOSITORY, V1, V2, A, B, Beforehand, seen
from tests.support.clock import START, FakeClock

from geosync.errors import LeaseLost
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.transitions.marks import Mark


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


def test_a_wake_takes_only_a_free_repository(sync_registry: SyncRegistry, clock: FakeClock) -> None:
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


def test_untried_references_are_woken_before_failed_ones(
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
