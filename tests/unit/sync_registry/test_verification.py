"""GitLab's verification states: what each transition writes, and when it writes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.counts import verification_counts

from geosync.clock import DAY_MS
from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import ROW, SYNCED, Reference, Row, Seen
from geosync.sync_registry.measured import MeasuredTags
from geosync.sync_registry.site import counters
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import ConditionFailed, Key, TransactionFailed
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard, verification_shard
from geosync.sync_registry.transitions import verification as transitions
from geosync.sync_registry.transitions.marks import Mark
from geosync.sync_registry.transitions.verification import ABANDONED_AFTER_MS, MISMATCH, Round

REPOSITORY = "group/app"
NOW = 1_800_000_000_000
ROW_KEY = Key(REPOSITORY, ROW)
A = "sha256:" + "a" * 64


class Site:
    """A store in memory, a time that is set, and one synced repository."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.store = MemoryStore()
        self.sync_registry = SyncRegistry(self.store, clock=self.clock)
        lease = self.sync_registry.knock(REPOSITORY)
        assert lease is not None
        assert self.sync_registry.finish(lease)

    @property
    def item(self) -> dict[str, Any]:
        return dict(self.store.table[ROW_KEY])

    @property
    def row(self) -> Row:
        return Row.from_item(self.item)

    def start(self) -> Round:
        assert transitions.not_now(self.item, now_ms=self.clock.now, asked=False) is None
        return Round.of(self.store.write(transitions.start(self.item, now_ms=self.clock.now)) or {}, phase="tags")

    def fail(self, at: Round, **more: Any) -> None:
        given: dict[str, Any] = {"checksums": ("ours", "theirs"), "jitter": 0, "now_ms": self.clock.now, **more}
        self.store.transact(transitions.fail(at, MISMATCH, **given))


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_synced_row_is_pending_verification_and_due_at_once(site: Site) -> None:
    assert site.row.verification_state == "0"
    assert (site.item["due"], site.item["due_shard"]) == (NOW, verification_shard(REPOSITORY))
    assert transitions.not_now(site.item, now_ms=NOW - 1, asked=False) == "it is not due"
    assert transitions.not_now(site.item, now_ms=NOW - 1, asked=True) is None


def test_a_round_is_started_once_and_taken_over_when_it_is_abandoned(site: Site) -> None:
    before = site.item
    at = site.start()
    assert (site.row.verification_state, site.row.verification_started_at) == ("1", NOW)
    with pytest.raises(ConditionFailed):
        site.store.write(transitions.start(before, now_ms=NOW))
    assert transitions.not_now(site.item, now_ms=NOW, asked=True) == "a verification is at it"

    site.store.write(transitions.keep(at, NOW + ABANDONED_AFTER_MS))
    site.clock.now += ABANDONED_AFTER_MS
    assert Round.of(site.item, phase="tags").phase == "tags"
    again = site.start()
    assert site.row.verification_started_at == NOW, "the same round"
    with pytest.raises(ConditionFailed):
        site.store.write(transitions.keep(at, NOW))
    site.store.write(transitions.keep(again, NOW))


def test_the_row_keeps_the_position_and_the_cost_of_a_round(site: Site) -> None:
    at = site.start()
    kept = Round.of({**site.item}, phase="tags")
    assert kept == at
    moved = Round(
        repository=REPOSITORY,
        until=at.until,
        phase="listing",
        cursor="v7",
        day=NOW // DAY_MS,
        spent=12,
        retry_count=0,
        counted=Counted(state=SYNCED),
    )
    site.store.write(transitions.keep(moved, NOW + 5))
    read = Round.of(site.item, phase="tags")
    assert (read.phase, read.cursor, read.spent_on(NOW), read.spent_on(NOW + DAY_MS)) == ("listing", "v7", 12, 0)
    site.clock.now += 5
    site.store.write(transitions.keep(site.start(), NOW + 9, anew=True))
    assert site.row.verification_state == "0"
    assert Round.of(site.item, phase="tags").cursor == ""


def test_a_round_that_ends_well(site: Site) -> None:
    site.fail(site.start())
    site.clock.now = site.item["due"]
    site.store.transact(transitions.succeed(site.start(), "equal", now_ms=site.clock.now, due=site.clock.now + 1000))

    row = site.row
    assert (row.verification_state, row.verified_at, row.verification_checksum) == ("2", site.clock.now, "equal")
    assert (row.verification_retry_count, row.verification_retry_at, row.verification_failure) == (0, None, None)
    assert (row.checksum_mismatch, row.verification_checksum_mismatched) == (False, None)
    assert site.item["due"] == site.clock.now + 1000
    assert (verification_counts(site.sync_registry).verified, verification_counts(site.sync_registry).failed) == (1, 0)


def test_a_round_that_ends_well_notes_what_it_counted_and_no_other_does(site: Site) -> None:
    assert site.row.measured is None
    known = MeasuredTags(tags=2, size_bytes=1_030, at=NOW)
    for measured in (known, MeasuredTags(tags=3, size_bytes=None, at=NOW + 1), known):
        at = site.start()
        changes = transitions.succeed(at, "equal", now_ms=NOW, due=NOW, measured=measured)
        without = transitions.succeed(at, "equal", now_ms=NOW, due=NOW)
        assert len(changes) == len(without), "in the write with which it ends"
        site.store.transact(changes)
        assert site.row.measured == measured
    site.fail(site.start())
    assert site.row.measured == known


def test_a_round_that_ends_badly_is_tried_again_with_gitlabs_backoff(site: Site) -> None:
    for count, seconds in ((1, 16), (2, 31), (3, 96)):
        site.fail(site.start())
        row = site.row
        assert (row.verification_state, row.verification_failure, row.verified_at) == ("3", MISMATCH, site.clock.now)
        assert (row.verification_checksum, row.verification_checksum_mismatched) == ("ours", "theirs")
        assert row.checksum_mismatch
        assert row.verification_retry_count == count
        assert row.verification_retry_at == site.clock.now + seconds * 1000 == site.item["due"]
        site.clock.now = site.item["due"]
    assert verification_counts(site.sync_registry).failed == 1


def test_a_round_that_fails_before_its_checksum_records_none(site: Site) -> None:
    site.fail(site.start())
    site.clock.now = site.item["due"]
    site.fail(site.start(), checksums=None)

    assert (site.row.verification_checksum, site.row.checksum_mismatch) == (None, False)
    counts = verification_counts(site.sync_registry)
    assert (counts.failed, counts.checksummed, counts.checksum_failed) == (1, 0, 1)


def test_a_row_with_a_new_mark_is_not_synced_and_its_verification_waits(site: Site) -> None:
    at = site.start()
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    site.fail(at, owed=True)

    assert (site.row.state, site.row.verification_state) == ("0", "3")
    assert "due" not in site.item
    assert site.sync_registry.due_repositories() == [REPOSITORY]


def test_after_a_repair_the_row_is_pending_and_due_at_its_retry(site: Site) -> None:
    at = site.start()
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(distrust=frozenset({A})))
    site.fail(at, owed=True)
    lease = site.sync_registry.acquire(REPOSITORY)
    assert lease is not None
    (owed,) = site.sync_registry.due(REPOSITORY)
    assert owed.distrust == {A}
    assert site.sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=NOW, seen_at=NOW))
    assert site.sync_registry.finish(lease)

    assert (site.row.state, site.row.verification_state) == ("2", "0")
    assert site.item["due"] == NOW
    assert transitions.retry_at(site.item, now_ms=NOW, asked=False) == NOW + 16_000
    assert transitions.retry_at(site.item, now_ms=NOW, asked=True) is None
    assert transitions.retry_at(site.item, now_ms=NOW + 16_000, asked=False) is None


@pytest.mark.parametrize("end", ["keep", "succeed", "fail"])
def test_a_push_overtakes_a_round(site: Site, end: str) -> None:
    at = site.start()
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=A))
    site.sync_registry.knock(REPOSITORY, take=False)
    before = site.item

    with pytest.raises((ConditionFailed, TransactionFailed)):
        if end == "keep":
            site.store.write(transitions.keep(at, NOW))
        elif end == "succeed":
            site.store.transact(transitions.succeed(at, "equal", now_ms=NOW, due=NOW))
        else:
            site.fail(at)
    assert site.item == before
    assert site.row.verification_state == "4"
    assert transitions.not_now(site.item, now_ms=NOW, asked=True) == "something is owed in it"
    assert verification_counts(site.sync_registry).failed == 0


def test_a_push_while_somebody_holds_the_repository_overtakes_too(site: Site) -> None:
    at = site.start()
    assert site.sync_registry.acquire(REPOSITORY) is not None
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=A))
    assert site.sync_registry.knock(REPOSITORY) is None

    for leased in (False, True):
        with pytest.raises(ConditionFailed):
            site.store.write(
                transitions.keep(
                    Round(
                        repository=REPOSITORY,
                        until=at.until,
                        phase="tags",
                        cursor="",
                        day=0,
                        spent=0,
                        retry_count=0,
                        counted=Counted(state=SYNCED),
                        leased=leased,
                    ),
                    NOW,
                )
            )


def test_a_leased_row_stays_in_the_index_that_the_sweep_reads(site: Site) -> None:
    at = site.start()
    lease = site.sync_registry.acquire(REPOSITORY)
    assert lease is not None
    with pytest.raises(TransactionFailed):
        site.store.transact(transitions.succeed(at, "equal", now_ms=NOW, due=NOW + 1000))
    held = Round(
        repository=REPOSITORY,
        until=at.until,
        phase="",
        cursor="",
        day=0,
        spent=0,
        retry_count=0,
        counted=Counted(state=SYNCED),
        leased=True,
    )
    site.store.transact(transitions.succeed(held, "equal", now_ms=NOW, due=NOW + 1000))

    assert (site.item["due"], site.item["due_shard"]) == (lease.expires, due_shard(REPOSITORY))
    assert site.sync_registry.finish(lease)
    assert (site.item["due"], site.item["due_shard"]) == (NOW + 1000, verification_shard(REPOSITORY))
    assert site.row.verification_state == "2", "nothing was copied: it is as it was verified"


def test_a_comparison_that_copied_something_leads_to_another_verification(site: Site) -> None:
    site.store.transact(transitions.succeed(site.start(), "equal", now_ms=NOW, due=NOW + DAY_MS))
    whole = site.sync_registry.mark(REPOSITORY, Reference.whole())
    lease = site.sync_registry.acquire(REPOSITORY)
    assert lease is not None
    assert site.sync_registry.discharge(lease, whole, None)
    assert site.row.verification_state == "2", "a comparison alone changes nothing"
    tag = site.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    assert site.sync_registry.discharge(lease, tag, Seen(digest=A, looked_at=NOW, seen_at=NOW))
    assert site.sync_registry.finish(lease)

    assert site.row.verification_state == "0"
    assert site.item["due"] == NOW


def test_a_row_of_an_older_version_can_be_asked_for_and_joins(site: Site) -> None:
    old = {"repository": REPOSITORY, "item": ROW, "state": "2", "verification_state": "0", "revision": 3}
    site.store.table[ROW_KEY] = old
    assert transitions.not_now(site.item, now_ms=NOW, asked=False) == "it is not due"
    assert transitions.not_now(site.item, now_ms=NOW, asked=True) is None
    at = Round.of(site.store.write(transitions.start(site.item, now_ms=NOW)) or {}, phase="tags")
    site.store.transact(transitions.succeed(at, "equal", now_ms=NOW, due=NOW + DAY_MS))
    assert site.item["due_shard"] == verification_shard(REPOSITORY)
    assert (
        counters.moved(REPOSITORY, Counted(verification=counters.VERIFIED), Counted(verification=counters.VERIFIED))
        == []
    )
