"""A lease in a holder's hand: what its renewing thread must not do."""

from __future__ import annotations

import threading
import time

import pytest
from tests.support.patience import PATIENCE_S

from geosync.errors import LeaseLost, OutcomeUnknown, OutOfTime, SyncRegistryError
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Lease, Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.timing import Timing

TIMING = Timing(renewal_s=0.05, suspect_s=3600.0)  # a lease of 60 s, renewed every 0.05 s; a suspicion outlasts a test
REPOSITORY = "group/app"


class Hand:
    """A held lease, and what its thread told."""

    def __init__(self) -> None:
        self.sync_registry = SyncRegistry(MemoryStore(), timing=TIMING)
        lease = self.sync_registry.acquire(REPOSITORY)
        assert lease is not None
        self.moved = threading.Event()
        self.lost: list[LeaseLost] = []
        self.told = threading.Event()
        self.held = HeldLease(self.sync_registry, lease, on_moved=self.moved.set, on_lost=self._tell)

    def _tell(self, lost: LeaseLost) -> None:
        self.lost.append(lost)
        self.told.set()


def renewing_threads() -> set[threading.Thread]:
    """Those that renew a lease, whoever else begins or ends one beside this test."""
    return {thread for thread in threading.enumerate() if thread.name == "lease-renewal"}


def test_a_lease_lives_on_while_it_is_held() -> None:
    hand = Hand()
    with hand.held:
        end = time.monotonic() + PATIENCE_S
        for _ in range(3):
            expires = hand.held.lease.expires
            while hand.held.lease.expires == expires and time.monotonic() < end:
                time.sleep(TIMING.renewal_s)
            assert hand.held.lease.expires > expires, "not renewed any more"
        assert hand.sync_registry.acquire(REPOSITORY) is None
        hand.held.check_tag_write()
    assert not hand.lost


def test_a_held_lease_learns_of_new_references() -> None:
    hand = Hand()
    with hand.held:
        hand.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
        assert hand.sync_registry.knock(REPOSITORY) is None
        assert hand.moved.wait(PATIENCE_S)


def test_a_lease_that_somebody_took_is_lost_and_writes_no_tag() -> None:
    hand = Hand()
    with hand.held:
        hand.sync_registry.release(hand.held.lease)
        assert hand.sync_registry.acquire(REPOSITORY) is not None
        assert hand.told.wait(PATIENCE_S)
        with pytest.raises(LeaseLost):
            hand.held.check_tag_write()
    assert len(hand.lost) == 1


def test_a_lease_that_is_being_released_does_not_count_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand()
    finish = hand.sync_registry.finish

    def slow(lease: Lease, leaving: object = ()) -> bool:
        finished = finish(lease)
        time.sleep(4 * TIMING.renewal_s)
        return finished

    monkeypatch.setattr(hand.sync_registry, "finish", slow)
    with hand.held:
        assert hand.held.finish(hand.held.lease)
        time.sleep(2 * TIMING.renewal_s)
    assert not hand.lost
    assert hand.sync_registry.acquire(REPOSITORY) is not None


def test_a_released_lease_is_not_renewed_and_does_not_count_as_lost() -> None:
    hand = Hand()
    with hand.held:
        hand.held.release()
        assert hand.sync_registry.acquire(REPOSITORY) is not None
        time.sleep(4 * TIMING.renewal_s)
    assert not hand.lost


def test_a_renewal_by_hand_is_the_lease_from_then_on() -> None:
    hand = Hand()
    hand.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    assert hand.sync_registry.knock(REPOSITORY) is None
    before = hand.held.lease
    assert hand.held.renew() == hand.held.lease
    assert hand.held.lease.revision == before.revision + 1


def test_no_write_goes_through_a_lease_that_somebody_took() -> None:
    hand = Hand()
    hand.sync_registry.release(hand.held.lease)
    assert hand.sync_registry.acquire(REPOSITORY) is not None
    seen = Seen(digest="sha256:" + "a" * 64, looked_at=1, seen_at=1)
    owed = hand.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    for write in (
        lambda: hand.held.discharge(owed, seen),
        lambda: hand.held.record([(Reference.tag("v2"), seen)]),
        lambda: hand.held.note_missing_on_primary(missing=True),
        hand.held.renew,
        hand.held.suspect,
        lambda: write_a_tag_without_an_answer(hand.held),
        hand.held.release,
    ):
        with pytest.raises(LeaseLost):
            write()
    assert len(hand.sync_registry.owed(REPOSITORY)) == 1


def write_a_tag_without_an_answer(held: HeldLease) -> None:
    with held.tag_write():
        raise OutcomeUnknown("registry:5000", "PUT /v2/group/app/manifests/v1")


class Busy(SyncRegistryError):
    """The table takes no write."""


def refuse(*_: object) -> Lease:
    raise Busy


@pytest.mark.parametrize("how", ["release", "finish", "forget", "renew"])
def test_a_holder_that_lets_go_writes_the_suspicion_that_the_table_had_refused(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand()
    before = hand.held.lease
    with monkeypatch.context() as patch:
        patch.setattr(hand.sync_registry, "renew", refuse)
        with pytest.raises(Busy):
            write_a_tag_without_an_answer(hand.held)
    until = hand.held.lease.suspect_until
    assert until > before.suspect_until, "the holder knows at once"
    match how:
        case "release":
            hand.held.release()
        case "finish":
            assert hand.held.finish(before), "the lease from before the look that found nothing due"
        case "forget":
            assert not hand.held.forget(check=lambda: None), "nothing is forgotten while a write may land"
        case "renew":
            hand.held.renew()
            hand.sync_registry.release(before)
    taken = hand.sync_registry.acquire(REPOSITORY)
    assert taken is not None
    assert taken.suspect_until == until


def test_no_row_is_dropped_over_a_suspicion_that_the_table_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand()
    before = hand.held.lease
    with monkeypatch.context() as patch:
        patch.setattr(hand.sync_registry, "renew", refuse)
        with pytest.raises(Busy):
            write_a_tag_without_an_answer(hand.held)
    assert not hand.held.drop(before)


def test_a_tag_write_that_was_answered_is_not_suspected() -> None:
    hand = Hand()
    with hand.held.tag_write():
        pass
    with pytest.raises(LookupError), hand.held.tag_write():
        raise LookupError
    assert hand.held.lease.suspect_until == 0


def test_a_tag_write_whose_answer_took_the_rest_of_the_time_is_suspected() -> None:
    hand = Hand()
    with pytest.raises(OutOfTime), hand.held.tag_write():
        raise OutOfTime("in the middle of an answer")
    assert hand.held.lease.suspect_until > 0


def test_no_thread_is_left() -> None:
    before = renewing_threads()  # an earlier test's may end meanwhile
    with Hand().held:
        (renewing,) = renewing_threads() - before
    assert not renewing.is_alive()
    assert renewing_threads() <= before
