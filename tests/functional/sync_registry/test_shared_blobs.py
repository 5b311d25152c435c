"""Hints and claims on both tables: who has a blob, who copies it, and for how long."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock

from geosync.sync_registry.shared_blobs import CLAIM_MS, SharedBlob, SharedBlobItems
from geosync.sync_registry.table.changes import Store

A, B = (f"sha256:{letter * 64}" for letter in "ab")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def items(store: Store, clock: FakeClock) -> SharedBlobItems:
    return SharedBlobItems(store, clock)


def test_up_to_three_repositories_are_kept_the_newest_first(items: SharedBlobItems) -> None:
    items.note({A: ["four", "three", "two", "one"], B: ["one"]})
    assert items.read([A, B, f"sha256:{'c' * 64}"]) == {
        A: SharedBlob(repositories=("four", "three", "two")),
        B: SharedBlob(repositories=("one",)),
    }
    items.forget([A])
    assert items.read([A, B]) == {A: SharedBlob(), B: SharedBlob(repositories=("one",))}


def test_a_claim_keeps_others_out_until_it_ends(items: SharedBlobItems, clock: FakeClock) -> None:
    mine = items.claim(A, "mine")
    assert mine.copied_by == "mine"
    theirs = items.claim(A, "theirs")
    assert theirs == mine
    assert theirs.is_copied_by_another("theirs", clock.now_ms())
    assert not theirs.is_copied_by_another("mine", clock.now_ms())
    clock.pass_(CLAIM_MS / 2000)
    renewed = items.claim(A, "mine")
    assert renewed.copied_until == mine.copied_until + CLAIM_MS // 2
    clock.pass_(CLAIM_MS / 1000)
    assert items.claim(A, "theirs").copied_by == "theirs"


def test_giving_up_a_claim_leaves_the_claims_of_others(items: SharedBlobItems) -> None:
    items.claim(A, "mine")
    items.give_up(A, "theirs")
    assert items.read([A])[A].copied_by == "mine"
    items.give_up(A, "mine")
    assert items.read([A])[A] == SharedBlob()
    items.give_up(B, "mine")
    assert items.read([B]) == {}


def test_a_claim_keeps_the_hint_and_a_hint_ends_the_claim(items: SharedBlobItems) -> None:
    items.note({A: ["one"]})
    assert items.claim(A, "mine").repositories == ("one",)
    items.note({A: ["two", "one"]})
    assert items.read([A])[A] == SharedBlob(repositories=("two", "one"))


def test_a_claim_from_a_clock_far_ahead_keeps_nobody_out(items: SharedBlobItems, clock: FakeClock) -> None:
    clock.pass_(3600)
    items.claim(A, "theirs")
    clock.pass_(-3600)
    assert not items.read([A])[A].is_copied_by_another("mine", clock.now_ms())
    assert items.claim(A, "mine").copied_by == "mine"
