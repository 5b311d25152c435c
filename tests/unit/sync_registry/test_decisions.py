"""What a look proves, and what a holder does next, case by case. That the whole is safe is the model's business."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geosync.sync_registry.decisions import (
    Discharge,
    Fail,
    Look,
    LookAgain,
    LookAtSecondary,
    Postpone,
    Remove,
    Step,
    Write,
    half_copied_if_postponed,
    is_already_seen,
    is_to_be_noted,
    may_be_half_copied,
    may_write_tag,
    next_step,
    proves_primary,
)
from geosync.sync_registry.items import ABSENT, ADOPT, KEEP, MISSING, UNNAMED, Owed, Reference, Seen
from geosync.sync_registry.timing import Timing

TIMING = Timing()
MARKED = 1_000_000
SETTLED = MARKED + 30_000
A, B, C = "sha256:a", "sha256:b", "sha256:c"


def owed(
    *expects: str,
    reference: Reference | None = None,
    due: int = MARKED,
    seen: Seen | None = None,
    if_absent: tuple[str, ...] = (),
) -> Owed:
    return Owed(
        repository="project/app",
        reference=reference or Reference.tag("v1"),
        mark="m",
        expects=frozenset(expects),
        marked_at=MARKED,
        owed_since=MARKED,
        due=due,
        seen=seen,
        if_absent=frozenset(if_absent),
    )


def seen(digest: str, at: int) -> Seen:
    return Seen(digest=digest, looked_at=at, seen_at=at)


LONG_AGO = MARKED - 3_600_000


def gone(digest: str, at: int = LONG_AGO, *, seen_at: int = LONG_AGO) -> Seen:
    """A tag that stays, and that a look at SETTLED proved to be gone from the primary."""
    return Seen(digest=digest, looked_at=at, seen_at=seen_at, gone_since=SETTLED)


def step(  # noqa: PLR0913 - those of next_step
    what: Owed,
    primary: tuple[str | None, int],
    secondary: tuple[str | None, int] | None = None,
    *,
    suspect_until: int = 0,
    polls: int = 0,
    writes: int = 0,
    removals: bool = True,
    suspended: bool = False,
    timing: Timing = TIMING,
) -> Step:
    return next_step(
        what,
        Look(*primary),
        Look(*secondary) if secondary else None,
        suspect_until=suspect_until,
        timing=timing,
        polls=polls,
        writes=writes,
        removals=removals,
        suspended=suspended,
    )


NOW = MARKED + 100


def test_a_push_is_written_seen_and_discharged_in_three_requests() -> None:
    assert step(owed(A), (A, NOW)) == Write()
    assert step(owed(A), (A, NOW), writes=1) == LookAtSecondary()
    assert step(owed(A), (A, NOW), (A, NOW + 50), writes=1) == Discharge(
        Seen(digest=A, looked_at=NOW, seen_at=NOW + 50)
    )


def test_the_digest_is_polled_for_and_then_waited_for() -> None:
    old = owed(B, seen=seen(A, LONG_AGO))
    assert [step(old, (A, NOW), polls=polls) for polls in range(4)] == [
        LookAgain(0.2),
        LookAgain(0.5),
        LookAgain(1.0),
        LookAgain(2.0),
    ]
    assert step(old, (A, NOW), polls=4) == Postpone(SETTLED)
    assert step(old, (None, NOW), polls=4) == Postpone(SETTLED)


def test_after_settle_the_primarys_digest_is_believed_whatever_was_expected() -> None:
    late = owed(B, due=SETTLED, seen=seen(A, LONG_AGO))
    assert step(late, (A, SETTLED)) == LookAtSecondary()
    assert step(late, (A, SETTLED), (A, SETTLED + 5)) == Discharge(
        Seen(digest=A, looked_at=SETTLED, seen_at=SETTLED + 5)
    )
    assert step(late, (C, SETTLED), (A, SETTLED + 5)) == Write()


def test_one_of_several_expected_is_copied_at_once_and_discharged_later() -> None:
    several = owed(A, B)
    assert step(several, (B, NOW)) == Write()
    assert step(several, (B, NOW), (B, NOW), writes=1) == Postpone(SETTLED)
    assert isinstance(step(several, (B, SETTLED), (B, SETTLED)), Discharge)


def test_an_event_that_named_no_digest_is_copied_at_once_and_discharged_later() -> None:
    assert step(owed(UNNAMED), (B, NOW)) == Write()
    assert step(owed(UNNAMED), (B, NOW), (B, NOW), writes=1) == Postpone(SETTLED)


def test_a_look_that_was_only_asked_for_does_not_delay_the_proof_of_a_push() -> None:
    asked = replace(owed(seen=seen(B, LONG_AGO)), asked=True)
    found = step(asked, (A, NOW), (A, NOW), writes=1)
    assert found == Discharge(replace(seen(A, NOW), announced_at=0))
    assert isinstance(found, Discharge)
    pushed = owed(C, seen=found.seen)
    assert isinstance(step(pushed, (C, NOW + 500), (C, NOW + 500), writes=1), Discharge)
    # An event that came before that look is not skipped: it would be answered by an older write.
    assert not is_already_seen(None, found.seen, A, NOW - 100)


def test_a_look_that_was_asked_for_leaves_what_an_earlier_one_answered() -> None:
    asked = replace(owed(seen=seen(A, MARKED - 50)), asked=True)
    found = step(asked, (A, NOW), (A, NOW))
    assert found == Discharge(replace(seen(A, NOW), announced_at=MARKED - 50))
    assert isinstance(found, Discharge)
    again = step(replace(asked, seen=found.seen), (A, NOW + 70), (A, NOW + 70))
    assert again == Discharge(replace(seen(A, NOW + 70), announced_at=MARKED - 50))
    assert step(owed(B, seen=found.seen), (B, NOW + 500), (B, NOW + 500), writes=1) == Postpone(MARKED - 50 + 30_000)
    assert is_already_seen(None, found.seen, A, MARKED - 50)
    # What an event announced meanwhile is answered by it as well.
    assert step(replace(asked, expects=frozenset({A})), (A, NOW), (A, NOW)) == Discharge(seen(A, NOW))


def test_an_unannounced_tag_is_compared_first_and_discharged_without_waiting() -> None:
    assert step(owed(), (A, NOW)) == LookAtSecondary()
    assert step(owed(), (A, NOW), (A, NOW)) == Discharge(seen(A, NOW))
    assert step(owed(), (A, NOW), (B, NOW)) == Write()


def test_a_repeated_push_is_compared_first() -> None:
    assert step(owed(A, seen=seen(A, LONG_AGO)), (A, NOW)) == LookAtSecondary()


def test_a_second_attempt_looks_before_it_writes() -> None:
    assert step(owed(A, due=MARKED + 20_000), (A, NOW)) == LookAtSecondary()


def test_what_was_seen_a_moment_ago_counts_as_announced() -> None:
    recent = owed(B, seen=seen(A, NOW - 10_000))
    assert not proves_primary(recent, Look(B, NOW), TIMING)
    assert step(recent, (B, NOW)) == Write(), "it is copied at once"
    assert step(recent, (B, NOW), (B, NOW), writes=1) == Postpone(NOW - 10_000 + 30_000), "and believed a little later"
    assert proves_primary(recent, Look(B, NOW + 20_000), TIMING)
    assert proves_primary(owed(A, seen=seen(A, NOW - 10_000)), Look(A, NOW), TIMING), "the same again is exact"


def test_a_suspect_secondary_proves_nothing() -> None:
    suspect_until = NOW + 40_000
    assert step(owed(A), (A, NOW), (A, NOW), writes=1, suspect_until=suspect_until) == Postpone(suspect_until)
    late = (A, suspect_until)
    assert isinstance(step(owed(A), late, late, suspect_until=suspect_until), Discharge)


def test_a_postponement_for_two_reasons_lasts_until_the_later_moment() -> None:
    both = owed(A, B)
    assert step(both, (B, NOW), (B, NOW), writes=1, suspect_until=SETTLED + 9) == Postpone(SETTLED + 9)
    assert step(both, (B, NOW), (B, NOW), writes=1, suspect_until=SETTLED - 9) == Postpone(SETTLED)


def test_a_secondary_that_does_not_show_what_it_accepted_is_a_failure() -> None:
    assert step(owed(A), (A, NOW), (B, NOW), writes=1) == Fail(
        "the secondary shows sha256:b after it accepted sha256:a"
    )
    assert step(owed(A), (A, NOW), (B, NOW), writes=1, suspect_until=NOW + 5) == Postpone(NOW + 5), "an old write's"


@pytest.mark.parametrize(
    ("expects", "if_absent"), [((ABSENT,), ()), ((A, ABSENT), ()), ((), (MISSING,)), ((A,), (MISSING,)), ((), (ADOPT,))]
)
def test_nothing_is_removed_before_settle(expects: tuple[str, ...], if_absent: tuple[str, ...]) -> None:
    ours = owed(*expects, seen=seen(A, LONG_AGO), if_absent=if_absent)
    assert step(ours, (None, SETTLED - 1), polls=4) == Postpone(SETTLED)
    assert step(ours, (None, SETTLED)) == LookAtSecondary()
    assert step(ours, (None, SETTLED), (A, SETTLED)) == Remove()
    assert step(ours, (None, SETTLED), (None, SETTLED + 1), writes=1) == Discharge(None)


def test_a_deletion_that_shows_is_not_polled_for() -> None:
    assert step(owed(ABSENT, seen=seen(A, LONG_AGO)), (None, NOW)) == Postpone(SETTLED)


def test_the_deletion_delay_comes_on_top() -> None:
    slow = Timing(deletion_delay_s=600)
    ours = owed(ABSENT, seen=seen(A, LONG_AGO))
    assert step(ours, (None, SETTLED), timing=slow) == Postpone(SETTLED + 600_000)
    assert step(ours, (None, SETTLED + 600_000), timing=slow) == LookAtSecondary()
    assert isinstance(step(ours, (A, SETTLED), (A, SETTLED), timing=slow), Discharge), "pushed again: no delay"


def test_a_tag_that_is_not_ours_stays() -> None:
    assert step(owed(ABSENT), (None, SETTLED), (C, SETTLED)) == Discharge(None)
    assert step(owed(A, ABSENT), (None, SETTLED), (A, SETTLED)) == Remove(), "an event named it: our own copy"


def test_the_policy_keep_removes_nothing_and_remembers() -> None:
    ours = owed(ABSENT, seen=seen(A, LONG_AGO))
    assert step(ours, (None, SETTLED), removals=False) == Discharge(gone(A))
    again = owed(ABSENT, seen=gone(A))
    assert step(again, (None, SETTLED + 60_000), removals=False) == Discharge(gone(A)), "since the first look"
    assert step(again, (A, SETTLED), (A, SETTLED)) == Discharge(seen(A, SETTLED)), "pushed again"


@pytest.mark.parametrize("expects", [(), (A,)])
def test_a_tag_that_nobody_missed_before_stays_and_is_remembered(expects: tuple[str, ...]) -> None:
    ours = owed(*expects, seen=seen(A, LONG_AGO))
    assert step(ours, (None, SETTLED)) == Discharge(gone(A))


def test_a_copy_that_nobody_recorded_is_remembered_as_ours_when_it_stays() -> None:
    copied = owed(A)
    assert step(copied, (None, SETTLED)) == LookAtSecondary()
    assert step(copied, (None, SETTLED), (A, SETTLED), suspect_until=SETTLED + 1) == Postpone(SETTLED + 1)
    assert step(copied, (None, SETTLED), (A, SETTLED)) == Discharge(gone(A, 0, seen_at=SETTLED))
    assert step(copied, (None, SETTLED), (C, SETTLED)) == Discharge(None), "somebody else's"
    assert step(copied, (None, SETTLED), (None, SETTLED)) == Discharge(None)


def test_a_copy_that_no_event_named_is_ours_from_its_beginning() -> None:
    begun = replace(owed(), copied=frozenset({A}))
    assert step(begun, (None, SETTLED)) == LookAtSecondary()
    assert step(begun, (None, SETTLED), (A, SETTLED)) == Discharge(gone(A, 0, seen_at=SETTLED))
    assert step(begun, (None, SETTLED), (C, SETTLED)) == Discharge(None), "somebody else's"
    deleted = replace(owed(ABSENT), copied=frozenset({A}))
    assert step(deleted, (None, SETTLED), (A, SETTLED)) == Remove()
    assert step(deleted, (None, SETTLED), (C, SETTLED)) == Discharge(None), "somebody else's"


def test_an_unproved_copy_takes_the_place_of_the_digest_seen_before_it() -> None:
    moved = owed(B, seen=seen(A, LONG_AGO))
    assert step(moved, (None, SETTLED)) == LookAtSecondary()
    assert step(moved, (None, SETTLED), (B, SETTLED)) == Discharge(gone(B, 0, seen_at=SETTLED))
    assert step(moved, (None, SETTLED), (A, SETTLED)) == Discharge(gone(A)), "it was not copied"
    assert step(moved, (None, SETTLED), (C, SETTLED)) == Discharge(gone(A)), "somebody else's is never what was seen"


def test_the_breaker_stops_removals_of_missing_tags_and_no_other_removal() -> None:
    missed = owed(seen=seen(A, LONG_AGO), if_absent=(MISSING,))
    assert step(missed, (None, SETTLED)) == LookAtSecondary()
    assert step(missed, (None, SETTLED), suspended=True) == Discharge(gone(A))
    for other in (owed(ABSENT, if_absent=(MISSING,)), owed(if_absent=(MISSING, ADOPT))):
        assert step(other, (None, SETTLED), suspended=True) == LookAtSecondary()


def test_an_adopted_tag_is_ours_whatever_it_is() -> None:
    adopted = owed(if_absent=(ADOPT,))
    assert step(adopted, (None, SETTLED), (C, SETTLED)) == Remove()
    assert step(adopted, (None, SETTLED), removals=False) == Discharge(None)
    assert step(adopted, (A, SETTLED), (C, SETTLED)) == Write()


@pytest.mark.parametrize("said", [(KEEP,), (KEEP, ADOPT), (KEEP, MISSING)])
def test_a_tag_that_is_kept_stays_whatever_else_was_said_and_is_forgotten(said: tuple[str, ...]) -> None:
    slow = Timing(deletion_delay_s=600)
    kept = owed(ABSENT, seen=seen(A, LONG_AGO), if_absent=said)
    assert step(kept, (None, SETTLED - 1), timing=slow) == Postpone(SETTLED), "the delay is not waited for"
    assert step(kept, (None, SETTLED), timing=slow) == Discharge(None)
    assert isinstance(step(kept, (A, SETTLED), (A, SETTLED), timing=slow), Discharge), "pushed again"


def test_a_push_by_digest_is_given_up_only_after_the_deletion_delay() -> None:
    """A primary that came up on an empty disk may have it again; no event told that it was deleted."""
    pushed = owed(A, reference=Reference.digest(A))
    slow = Timing(deletion_delay_s=600)
    assert not isinstance(step(pushed, (None, SETTLED + 599_999), timing=slow), Discharge)
    assert step(pushed, (None, SETTLED + 600_000), timing=slow) == Discharge(None)


def test_a_manifest_that_is_gone_by_digest_is_left_to_the_registry() -> None:
    gone = owed(ABSENT, reference=Reference.digest(A), seen=seen(A, LONG_AGO))
    assert step(gone, (None, SETTLED - 1)) == Postpone(SETTLED)
    assert step(gone, (None, SETTLED)) == Discharge(None)
    assert step(gone, (None, SETTLED), timing=Timing(deletion_delay_s=600)) == Discharge(None), "its tags wait"


def test_an_answered_removal_needs_the_secondary_to_be_beyond_suspicion_too() -> None:
    ours = owed(ABSENT, seen=seen(A, LONG_AGO))
    assert step(ours, (None, SETTLED), (None, SETTLED), suspect_until=SETTLED + 5) == Postpone(SETTLED + 5)


def test_tags_are_written_only_within_the_stale_renewal() -> None:
    assert may_write_tag(100.0, 140.0, TIMING)
    assert not may_write_tag(100.0, 140.001, TIMING)


@pytest.mark.parametrize(
    ("what", "known", "digest", "received_at", "skipped"),
    [
        (None, seen(A, 50), A, 50, True),
        (None, seen(A, 50), A, 51, False),
        (None, seen(A, 50), B, 40, False),
        (None, seen(A, 50), None, 40, False),
        (None, None, A, 40, False),
        (owed(A), seen(A, 50), A, 40, False),
    ],
)
def test_an_event_is_skipped_only_when_its_digest_was_seen_since(
    what: Owed | None, known: Seen | None, digest: str | None, received_at: int, skipped: bool
) -> None:
    assert is_already_seen(what, known, digest, received_at) is skipped


def test_a_distrusted_digest_below_an_equal_tag_is_copied_again() -> None:
    distrusted = replace(owed(seen=seen(A, LONG_AGO)), distrust=frozenset({B}))

    assert step(distrusted, (A, SETTLED)) == Write()
    assert step(replace(distrusted, distrust=frozenset()), (A, SETTLED)) == LookAtSecondary()
    assert step(distrusted, (A, SETTLED), writes=1) == LookAtSecondary()
    assert isinstance(step(distrusted, (A, SETTLED), (A, SETTLED), writes=1), Discharge)


@pytest.mark.parametrize(
    ("before", "half"),
    [
        ({}, False),
        ({"due": SETTLED}, False),  # postponed: what breaks off after that was noted before it began
        ({"failure": "503"}, True),
        ({"deaths": 1}, True),
        ({"copied": frozenset({A})}, True),
        ({"copied": frozenset({B})}, False),
    ],
)
def test_an_attempt_that_broke_off_may_have_left_a_manifest_without_its_parts(
    before: dict[str, object], *, half: bool
) -> None:
    assert may_be_half_copied(replace(owed(A), **before), A) == half  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "noted"),
    [
        (owed(A), False),  # the next attempt writes, and looks below
        (owed(A, B), False),
        (owed(A, seen=seen(B, LONG_AGO)), False),
        (owed(A, due=SETTLED), True),  # the next one would find it equal
        (owed(A, seen=seen(A, LONG_AGO)), True),
        (owed(), True),
        (owed(seen=seen(B, LONG_AGO)), True),
        (owed(reference=Reference.digest(A)), True),
        (owed(UNNAMED), True),
        (owed(B), True),
        (replace(owed(), copied=frozenset({A})), False),  # it is
    ],
)
def test_a_copy_is_noted_unless_the_next_attempt_writes_in_any_case(before: Owed, *, noted: bool) -> None:
    assert is_to_be_noted(before, A) == noted
    if not noted and not before.copied:
        assert step(before, (A, SETTLED)) == Write()
        assert (
            step(replace(before, marked_at=SETTLED, due=SETTLED, expects=before.expects | {C}), (A, SETTLED)) == Write()
        )


@pytest.mark.parametrize(
    ("before", "noted"),
    [
        (owed(A), {A}),
        (owed(A, B, ABSENT, UNNAMED, seen=seen(B, LONG_AGO)), {A}),
        (owed(A, due=SETTLED), set()),  # every copy of it was noted before it began
        (owed(), set()),
        (replace(owed(A), copied=frozenset({A})), set()),
    ],
)
def test_a_reference_postponed_before_its_write_may_be_half_copied_by_an_earlier_attempt(
    before: Owed, noted: set[str]
) -> None:
    assert half_copied_if_postponed(before) == noted
