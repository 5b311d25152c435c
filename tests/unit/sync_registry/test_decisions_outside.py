"""What a holder does next with a reference that the site's selection does not have, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geosync.sync_registry.decisions import (
    Discharge,
    Fail,
    Look,
    LookAtSecondary,
    Postpone,
    Remove,
    Step,
    next_step,
    step_outside,
)
from geosync.sync_registry.items import ABSENT, ADOPT, KEEP, MISSING, OUTSIDE, Owed, Reference, Seen
from geosync.sync_registry.timing import Timing

MARKED = 1_000_000
LATER = MARKED + 3_600_000
A, B, C = "sha256:a", "sha256:b", "sha256:c"
SEEN = Seen(digest=A, looked_at=5, seen_at=5, outside_since=7)


def owed(
    *if_absent: str, seen: Seen | None = SEEN, expects: tuple[str, ...] = (), reference: Reference | None = None
) -> Owed:
    return Owed(
        repository="project/app",
        reference=reference or Reference.tag("v1"),
        mark="m",
        marked_at=MARKED,
        owed_since=MARKED,
        due=MARKED,
        expects=frozenset(expects),
        if_absent=frozenset(if_absent),
        seen=seen,
    )


def step(
    what: Owed,
    secondary: str | None = "not asked",
    *,
    suspect_until: int = 0,
    writes: int = 0,
    removes: bool = True,
    suspended: bool = False,
) -> Step:
    look = None if secondary == "not asked" else Look(secondary, MARKED)
    return step_outside(what, look, suspect_until=suspect_until, writes=writes, removes=removes, suspended=suspended)


def test_a_tag_of_ours_is_looked_at_removed_looked_at_and_forgotten() -> None:
    assert step(owed(OUTSIDE)) == LookAtSecondary()
    assert step(owed(OUTSIDE), A) == Remove()
    assert step(owed(OUTSIDE), writes=1) == LookAtSecondary()
    assert step(owed(OUTSIDE), None, writes=1) == Discharge(None)


@pytest.mark.parametrize("said", [(OUTSIDE,), (), (MISSING,), (OUTSIDE, KEEP)])
def test_under_the_policy_keep_it_is_forgotten_without_a_request(said: tuple[str, ...]) -> None:
    assert step(owed(*said), removes=False) == Discharge(None)


@pytest.mark.parametrize("said", [(), (MISSING,), (ADOPT,)])
def test_a_tag_that_no_comparison_found_outside_stays_and_is_remembered(said: tuple[str, ...]) -> None:
    assert step(owed(*said)) == Discharge(SEEN)
    assert step(owed(*said, expects=(ABSENT,))) == Discharge(SEEN), "a deletion at the primary is none of ours here"


def test_while_the_breaker_is_on_it_stays_and_is_remembered() -> None:
    assert step(owed(OUTSIDE), suspended=True) == Discharge(SEEN)


def test_a_tag_outside_that_an_operator_keeps_is_forgotten() -> None:
    assert step(owed(OUTSIDE, KEEP)) == Discharge(None)


def test_a_tag_that_somebody_wrote_over_stays_and_is_forgotten() -> None:
    assert step(owed(OUTSIDE), B) == Discharge(None)
    assert step(owed(OUTSIDE), B, suspect_until=MARKED + 1) == Postpone(MARKED + 1), "an old write of ours, perhaps"
    assert step(owed(OUTSIDE, seen=None), B) == Discharge(None)
    for said in ((), (ADOPT,)):
        named = owed(*said, expects=(C,))
        assert step(named) == LookAtSecondary()
        assert step(named, B) == Discharge(None), "recorded as seen, it would go the next time"
        assert step(named, A) == Discharge(SEEN), "nobody did"


def test_a_copy_that_nobody_recorded_is_ours_by_what_its_event_named() -> None:
    assert step(owed(OUTSIDE, expects=(B,)), B) == Remove()
    assert step(owed(expects=(B,), seen=None), B) == Discharge(Seen(digest=B, looked_at=0, seen_at=MARKED))


def test_an_answered_removal_needs_the_secondary_to_be_beyond_suspicion() -> None:
    assert step(owed(OUTSIDE), None, writes=1, suspect_until=MARKED + 1) == Postpone(MARKED + 1)
    assert step(owed(OUTSIDE), A, writes=1, suspect_until=MARKED + 1) == Postpone(MARKED + 1)
    assert step(owed(OUTSIDE), A, writes=1) == Fail("the secondary shows sha256:a after it accepted absent")


@pytest.mark.parametrize("reference", [Reference.digest(A), Reference.whole()])
def test_only_tags_are_removed(reference: Reference) -> None:
    assert step(owed(OUTSIDE, reference=reference)) == Discharge(None)


def test_for_a_tag_inside_the_selection_a_mark_as_outside_has_no_effect() -> None:
    absent = Look(None, LATER)
    assert next_step(owed(OUTSIDE), absent, None, suspect_until=0, timing=Timing()) == Discharge(
        replace(SEEN, gone_since=LATER)
    )
