"""The transitions as data: GitLab's numbers, the console's fields, and values that older and newer versions wrote."""

from __future__ import annotations

from typing import Any

import pytest

from geosync.errors import ConfigurationError, CorruptItem
from geosync.sync_registry.failures import cut, retry_at
from geosync.sync_registry.items import Lease, Owed, Reference, Row
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard, verification_shard
from geosync.sync_registry.timing import Timing, ms
from geosync.sync_registry.transitions import leases
from geosync.sync_registry.transitions.attempts import fail, fail_in_doubt
from geosync.sync_registry.transitions.leases import Remaining, finish

NOW = 1_800_000_000_000
LEASE = Lease(repository="project/app", token="t", revision=3, suspect_until=0, renewed_at=0.0, expires=NOW)
OWED = {"repository": "project/app", "item": "owed#tag#v1", "mark": "m", "marked_at": NOW, "due": NOW}


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"),
    [
        (1, 0, 16),
        (1, 29, 16 + 58),
        (2, 10, 16 + 15 + 30),
        (5, 3, 625 + 15 + 18),
        (7, 0, 2401 + 15),
        (8, 0, 3600 + 16),
        (8, 29, 3600 + 16 + 58),
        (49, 29, 3600 + 16 + 58),
    ],
)
def test_backoff_is_gitlabs_and_an_hour_at_the_longest(attempts: int, jitter: int, seconds: int) -> None:
    assert retry_at(attempts, now_ms=NOW, jitter=jitter) == NOW + seconds * 1000


def test_failures_are_cut_to_255_characters() -> None:
    assert cut("x" * 255) == "x" * 255
    assert cut("x" * 256) == "x" * 252 + "..."


def test_too_many_failures_park() -> None:
    owed = Owed.from_item({**OWED, "attempts": 49})
    change = fail(owed, "no", now_ms=NOW, jitter=0, timing=Timing())
    assert change.set["parked"] is True
    again = fail(Owed.from_item({**OWED, "attempts": 48}), "no", now_ms=NOW, jitter=0, timing=Timing())
    assert "parked" not in again.set


def test_five_findings_of_wrong_content_park_whatever_failed_beside_them() -> None:
    def find(**more: int) -> Update:
        return fail_in_doubt(Owed.from_item({**OWED, **more}), "no", now_ms=NOW, jitter=0, timing=Timing())

    for first in (find(), find(attempts=30)):
        assert "parked" not in first.set, "one wrong answer parks nothing, nor after other failures"
        assert first.set["doubts"] == 1
    assert "parked" not in find(attempts=3, doubts=3).set
    assert find(attempts=4, doubts=4).set["parked"] is True
    assert find(attempts=49).set["parked"] is True


def test_a_mark_forgets_what_was_found_wrong() -> None:
    sync_registry = SyncRegistry(MemoryStore())
    owed = sync_registry.mark("project/app", Reference.tag("v1"))
    assert sync_registry.fail_in_doubt(owed, "no", child_absent=True)
    assert [(one.doubts, one.absences) for one in sync_registry.owed("project/app")] == [(1, 1)]
    again = sync_registry.mark("project/app", Reference.tag("v1"))
    assert (again.doubts, again.absences) == (0, 0)


def test_the_doubts_of_a_former_version_all_count_for_an_absent_child() -> None:
    """It kept no other number, and put an index without its child after three of them."""
    assert Owed.from_item({**OWED, "doubts": 2}).absences == 2
    assert Owed.from_item({**OWED, "doubts": 2, "absences": 1}).absences == 1


def failed(tag: str, **more: Any) -> dict[str, Any]:
    return {**OWED, "item": f"owed#tag#{tag}", "failure": f"{tag} failed", "failed_at": NOW, "attempts": 1, **more}


def test_a_failed_row_tells_the_latest_failure_the_most_attempts_and_the_earliest_retry() -> None:
    change = finish(
        LEASE,
        Remaining.of(
            [
                failed("a", due=NOW + 50, attempts=4),
                failed("b", due=NOW + 20, failed_at=NOW + 9),
                failed("c", parked=True, attempts=2),
                OWED,
            ]
        ),
        now_ms=NOW,
    )

    assert change.set == {
        "state": "3",
        "retry_count": 4,
        "retry_at": NOW + 20,
        "last_sync_failure": "Container repository sync failed: b: b failed",
    }


def test_a_long_failure_is_cut_in_the_row_as_well() -> None:
    change = finish(LEASE, Remaining.of([failed("a", failure="x" * 255)]), now_ms=NOW)

    assert len(change.set["last_sync_failure"]) == 255
    assert change.set["last_sync_failure"].endswith("...")


def test_a_row_whose_failures_are_all_parked_has_no_retry() -> None:
    change = finish(LEASE, Remaining.of([failed("a", parked=True)]), now_ms=NOW)

    assert "retry_at" not in change.set
    assert "retry_at" in change.remove


def test_a_synced_row_forgets_its_failures_and_waits_for_its_verification() -> None:
    change = finish(LEASE, Remaining.of([]), now_ms=NOW)

    assert change.set == {"state": "2", "retry_count": 0, "due_shard": verification_shard("project/app")}
    assert change.set_once == {"verification_state": "0"}
    assert change.set_from == {"due": ("verification_due", NOW)}
    assert set(change.remove) >= {"retry_at", "last_sync_failure", "lease_token", "lease_expires"}


def test_a_row_in_which_something_is_owed_is_not_verified() -> None:
    change = finish(LEASE, Remaining.of([OWED]), now_ms=NOW)

    assert set(change.remove) >= {"due", "due_shard", "verification_state", "verification_due"}


def test_a_knock_is_gitlabs_pending_and_a_wake_keeps_the_retry_count() -> None:
    knocked = leases.knock(None, "project/app", now_ms=NOW, token="t", timing=Timing())
    assert knocked.set["retry_count"] == 0
    assert "verification_state" in knocked.remove, "disabled"
    assert knocked.set["last_synced_at"] == NOW
    assert "retry_at" in knocked.remove

    woken = leases.acquire(None, "project/app", now_ms=NOW, token="t", timing=Timing())
    assert isinstance(woken, Update)
    assert "retry_count" not in woken.set
    assert not woken.add


def test_repositories_are_spread_over_all_shards() -> None:
    assert {due_shard(f"project/{number}") for number in range(100)} == set("01234567")


def test_a_row_of_an_older_version_takes_defaults() -> None:
    row = Row.from_item({"repository": "project/app", "item": "row"})

    assert (row.state, row.revision, row.suspect_until, row.leased(NOW)) == ("0", 0, 0, False)


def test_attributes_of_a_newer_version_are_ignored() -> None:
    row = Row.from_item({"repository": "project/app", "item": "row", "state": "2", "invented": {"later": True}})
    owed = Owed.from_item({**OWED, "invented": 1})

    assert row.state == "2"
    assert owed.reference == Reference.tag("v1")
    assert owed.owed_since == NOW


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("state", "7"),
        ("state", ""),
        ("state", 2),
        ("revision", "many"),
        ("lease_expires", "soon"),
        ("lease_expires", 1.5),
        ("retry_count", True),
        ("missing_on_primary", "no"),
        ("lease_token", 5),
    ],
)
def test_an_unreadable_row_is_named_in_its_error(attribute: str, value: Any) -> None:
    item = {"repository": "project/app", "item": "row", "lease_token": "t", "lease_expires": NOW, attribute: value}

    with pytest.raises(CorruptItem, match=rf"^sync registry: repository project/app: item row: {attribute} "):
        Row.from_item(item)


def test_an_incomplete_lease_is_refused_by_name() -> None:
    with pytest.raises(CorruptItem, match="lease_expires is missing"):
        Row.from_item({"repository": "project/app", "item": "row", "lease_token": "t"})


@pytest.mark.parametrize(
    ("attribute", "value"), [("mark", None), ("marked_at", "x"), ("expects", "x"), ("due", "x"), ("parked", 1)]
)
def test_an_unreadable_owed_item_is_named_in_its_error(attribute: str, value: Any) -> None:
    with pytest.raises(CorruptItem, match=rf"project/app: item owed#tag#v1: {attribute} "):
        Owed.from_item({**OWED, attribute: value})


def test_a_failed_reference_is_brought_forward_unless_it_was_parked_or_marked_again() -> None:
    sync_registry = SyncRegistry(MemoryStore(), timing=Timing(max_attempts=3))
    v1 = Reference.tag("v1")
    read = sync_registry.fail(sync_registry.mark("project/app", v1), "403")
    assert read is not None
    assert sync_registry.due("project/app") == []
    assert sync_registry.bring_forward(read)
    (due,) = sync_registry.due("project/app")
    assert (due.mark, due.attempts, due.failure) == (read.mark, 1, "403")
    assert not sync_registry.bring_forward(read), "somebody else did"

    failed = sync_registry.fail(due, "403")
    assert failed is not None
    parked = sync_registry.fail(failed, "403")
    assert parked is not None
    assert not sync_registry.bring_forward(failed), "it was parked meanwhile"
    assert not sync_registry.bring_forward(parked)
    assert [owed.parked for owed in sync_registry.owed("project/app")] == [True]

    sync_registry.mark("project/app", v1)
    assert not sync_registry.bring_forward(failed), "it is due already, by a mark of its own"


@pytest.mark.parametrize("reference", [Reference.tag("v1"), Reference.digest("sha256:a"), Reference.whole()])
def test_references_are_read_back_from_their_keys(reference: Reference) -> None:
    assert Reference.from_key(reference.owed_key) == reference


@pytest.mark.parametrize("key", ["row", "owed#", "owed#tag#", "owed#x#y", "hold#a"])
def test_other_keys_are_no_references(key: str) -> None:
    assert Reference.from_key(key) is None


def test_times_that_would_not_be_safe_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="stale_renewal"):
        Timing(lease_s=50)
    with pytest.raises(ConfigurationError, match="renewal"):
        Timing(renewal_s=40)


def test_scaled_times_keep_their_proportions() -> None:
    timing = Timing.scaled_to(2.0, settle_s=2.0, suspect_s=2.0)

    assert timing.stale_renewal_s + timing.tag_write_timeout_s <= timing.lease_s
    assert ms(timing.renewal_s) == 167
