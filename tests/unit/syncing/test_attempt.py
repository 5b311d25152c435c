"""A question that finds all as it was leaves a repository's verification as it was; anything else does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from geosync.copying.outcome import CopyResult
from geosync.sync_registry.items import ABSENT, MISSING, UNNAMED, Owed, Reference, Seen
from geosync.syncing.attempt import Attempt

A, B = ("sha256:" + letter * 64 for letter in "ab")
NOW = 1_800_000_000_000
SEEN = Seen(digest=A, looked_at=NOW - 5, seen_at=NOW - 4)
FOUND = Seen(digest=A, looked_at=NOW, seen_at=NOW + 1)
ASKED = Owed(
    repository="app",
    reference=Reference.tag("v1"),
    mark="m",
    marked_at=NOW,
    owed_since=NOW,
    due=NOW,
    asked=True,
    seen=SEEN,
)
COPIED = CopyResult(bytes_copied=0, blobs_copied=0, blobs_there=3, manifests_put=0, seconds=0.1)


def test_a_question_that_finds_what_was_seen_before_changes_nothing() -> None:
    assert Attempt(ASKED).is_unchanged(FOUND)
    assert Attempt(replace(ASKED, seen=None)).is_unchanged(None)


@pytest.mark.parametrize("found", [None, replace(FOUND, digest=B), replace(FOUND, gone_since=NOW)])
def test_a_question_that_finds_something_else_does(found: Seen | None) -> None:
    assert not Attempt(ASKED).is_unchanged(found)


@pytest.mark.parametrize(
    "said",
    [
        {"asked": False},
        {"expects": frozenset({A}), "named": frozenset({A})},
        {"expects": frozenset({ABSENT})},
        {"expects": frozenset({UNNAMED})},
        {"named": frozenset({A})},
        {"if_absent": frozenset({MISSING})},
        {"distrust": frozenset({B})},
        {"walk": NOW},
        {"due": NOW + 1},
        {"deaths": 1},
        {"seen": None},
        {"seen": replace(SEEN, gone_since=NOW - 1)},
    ],
    ids="-".join,
)
def test_what_is_more_than_a_question_does(said: dict[str, Any]) -> None:
    assert not Attempt(replace(ASKED, **said)).is_unchanged(FOUND)


@pytest.mark.parametrize("done", [{"writes": 1}, {"referrers_copied": 1}, {"copied": COPIED}], ids=str)
def test_a_question_for_which_something_was_written_does(done: dict[str, Any]) -> None:
    attempt = Attempt(ASKED)
    for name, value in done.items():
        setattr(attempt, name, value)
    assert not attempt.is_unchanged(FOUND)
