"""The age of a tag here: by what is accounted, by what a holder saw, and by what is owed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import pytest

from geosync.pair.selection import EVERYTHING, Selection
from geosync.reading.freshness import Known, accounted_ms, is_unheard_of, may_be_served, tag_point_ms
from geosync.reading.line import RETRY_MS, WAKE_MS, Line, LinePlace, place_of
from geosync.sync_registry.items import ABSENT, Owed, Reference, Row, Seen
from geosync.sync_registry.overview import Accounting
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.recovery import Recovery
from geosync.sync_registry.site.subscription import Subscription
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

A, B = (f"sha256:{letter * 64}" for letter in "ab")
NOW = 1_800_000_000_000
MINUTE = 60_000
SEEN = Seen(digest=A, looked_at=NOW - 60 * MINUTE, seen_at=NOW - 60 * MINUTE)
SELECTED = Selection.parse(include_tags="v*")
KNOWN = Known(accounted_ms=NOW - 2 * MINUTE, seen=SEEN)


def owed(**changes: Any) -> Owed:
    about: dict[str, Any] = {
        "mark": "m",
        "marked_at": NOW,
        "owed_since": NOW,
        "due": NOW,
        "pushed_at": NOW - 100,
    } | changes
    return Owed(repository="app", reference=Reference.tag("v1"), **about)


def serves(known: Known, digest: str | None = A, *, minutes: int = 5) -> bool:
    return may_be_served(known, digest, now_ms=NOW, max_staleness_ms=minutes * MINUTE)


def test_a_tag_that_is_not_owed_is_as_recent_as_the_accounted_moment() -> None:
    assert tag_point_ms(KNOWN, A) == NOW - 2 * MINUTE
    assert serves(KNOWN)
    assert not serves(KNOWN, minutes=1)


def test_a_tag_is_as_recent_as_its_holders_look_whatever_is_accounted() -> None:
    looked = replace(KNOWN, accounted_ms=None, seen=replace(SEEN, looked_at=NOW - 1000))
    assert tag_point_ms(looked, A) == NOW - 1000
    assert serves(looked, minutes=1)
    assert not serves(replace(looked, seen=SEEN))


def test_a_tag_that_is_owed_is_not_served_however_new_it_is() -> None:
    pushed = replace(KNOWN, owed=owed())
    assert not serves(pushed)
    assert tag_point_ms(pushed, A) == NOW - 2 * MINUTE
    assert tag_point_ms(replace(pushed, owed=owed(pushed_at=NOW - 3 * MINUTE)), A) == NOW - 3 * MINUTE


@pytest.mark.parametrize("known", [KNOWN, replace(KNOWN, accounted_ms=NOW)])
def test_a_tag_that_was_never_seen_equal_has_no_known_moment(known: Known) -> None:
    assert tag_point_ms(replace(known, seen=None), A) is None
    assert tag_point_ms(known, B) is None
    assert tag_point_ms(known, None) is None
    assert not serves(known, B)


def test_a_tag_missing_at_the_primary_has_the_moment_of_its_last_look() -> None:
    # Its deletion may be older than the find: an event that was sent before the site subscribed never came.
    missed = replace(KNOWN, accounted_ms=NOW, seen=replace(SEEN, missing_since=NOW - 10 * MINUTE))
    assert tag_point_ms(missed, A) == SEEN.looked_at
    assert not serves(missed)


def test_a_tag_that_was_outside_the_selection_has_the_moment_of_its_last_look() -> None:
    # Its events were dropped from when the selection changed, and that was before a comparison found it outside.
    back = replace(KNOWN, accounted_ms=NOW, seen=replace(SEEN, outside_since=NOW - MINUTE))
    assert tag_point_ms(back, A) == SEEN.looked_at
    assert not serves(back)


def accounting(*, settled_at: int, **about: Any) -> Accounting:
    subscribed: dict[str, Any] = {
        "arn": "arn",
        "since": 1,
        "gapless_from": 1,
        "selection": SELECTED.fingerprint,
    } | about
    return Accounting(
        comparison=Walk(started_at=settled_at, touched_at=settled_at, settled_at=settled_at),
        recovery=Recovery(sent_at=NOW),
        lost=None,
        subscription=Subscription(**subscribed) if about else None,
    )


def test_nothing_is_accounted_before_a_comparison_of_the_selection_by_which_events_are_marked() -> None:
    former = accounting(settled_at=NOW - 10, selected_from=NOW - 9)
    assert accounted_ms(former, SELECTED) is accounted_ms(former, None) is None
    of_this_one = accounting(settled_at=NOW - 9, selected_from=NOW - 9)
    assert accounted_ms(of_this_one, SELECTED) == accounted_ms(of_this_one, None) == NOW


def test_nothing_is_accounted_while_events_are_marked_by_another_selection() -> None:
    # Whoever marks them has not noted the one that the site has from now on: he drops what only that one has.
    site = accounting(settled_at=NOW - 10, selected_from=0)
    assert accounted_ms(site, EVERYTHING) is None
    assert accounted_ms(site, SELECTED) == NOW
    assert accounted_ms(accounting(settled_at=NOW - 10), SELECTED) is None, "nobody has noted any"


def test_a_tag_absent_at_the_primary_is_not_served_and_keeps_the_moment_of_the_look_before() -> None:
    gone = replace(KNOWN, accounted_ms=NOW, seen=replace(SEEN, looked_at=NOW - MINUTE, gone_since=NOW))
    assert tag_point_ms(gone, A) == NOW - MINUTE
    assert not serves(gone)
    never = replace(gone, seen=replace(SEEN, looked_at=0, gone_since=NOW))
    assert tag_point_ms(never, A) is None


def test_a_tag_whose_digest_was_deleted_is_not_served_unless_a_holder_saw_it_since() -> None:
    deleted = owed(expects=frozenset({ABSENT}), marked_at=NOW - MINUTE, pushed_at=NOW - 3 * MINUTE)
    gone = replace(KNOWN, deleted=deleted)
    assert tag_point_ms(gone, A) == NOW - 3 * MINUTE
    assert not serves(gone)
    again = replace(gone, seen=replace(SEEN, looked_at=NOW - MINUTE))
    assert tag_point_ms(again, A) == NOW - MINUTE
    assert serves(again)


def test_a_tag_that_was_seen_anew_while_it_was_read_is_looked_at_again() -> None:
    assert not serves(replace(KNOWN, is_unclear=True))


def test_a_repository_is_unheard_of_until_an_event_a_comparison_or_a_holder_named_it() -> None:
    row = Row(repository="app")
    assert is_unheard_of(None, None, None)
    assert is_unheard_of(row, owed(), None), "what a pull marked"
    assert not is_unheard_of(None, owed(expects=frozenset({A})), None)
    assert not is_unheard_of(row, None, owed())
    assert not is_unheard_of(replace(row, last_synced_at=NOW), None, None)


def test_a_tag_of_a_repository_that_is_gone_or_renamed_is_not_served() -> None:
    assert not serves(replace(KNOWN, is_renamed_or_gone=True))


def place(known: Known) -> LinePlace:
    return place_of(known, now_ms=NOW, until_ms=NOW + 20_000)


def held(now_ms: int = NOW) -> Row:
    return Row(repository="app", lease_token="t", lease_expires=now_ms + 1000)


def test_an_equal_tag_is_served_before_its_digest_has_settled() -> None:
    """If it is all that events named since, and no older than promised."""
    shown = owed(shown=B, shown_at=NOW - 1000, shown_by=owed().mark, expects=frozenset({B}))
    assert serves(replace(KNOWN, owed=shown), B)
    assert serves(Known(accounted_ms=None, owed=replace(shown, expects=frozenset())), B)
    assert tag_point_ms(replace(KNOWN, owed=shown), B) == NOW - 1000
    assert not serves(replace(KNOWN, owed=shown), A)
    assert not serves(replace(KNOWN, owed=replace(shown, mark="marked since")), B)
    assert not serves(replace(KNOWN, owed=replace(shown, expects=frozenset({A, B}))), B)
    assert not serves(replace(KNOWN, owed=replace(shown, shown_at=NOW - 6 * MINUTE)), B)
    assert not serves(replace(KNOWN, owed=shown, is_renamed_or_gone=True), B)
    assert not serves(replace(KNOWN, owed=shown, shown_deleted=owed(marked_at=NOW)), B)
    assert serves(replace(KNOWN, owed=shown, shown_deleted=owed(marked_at=NOW - 2000)), B)
    assert serves(replace(KNOWN, owed=shown, deleted=owed(marked_at=NOW)), B)  # of the digest that it was before


def test_a_pull_marks_only_what_is_not_owed() -> None:
    assert place(KNOWN) is LinePlace.MARK
    assert place(replace(KNOWN, owed=owed())) is LinePlace.WAIT
    assert place(replace(KNOWN, owed=owed(), row=held())) is LinePlace.WAIT


def test_a_pull_brings_a_tag_that_waits_for_the_backfill_window_forward_once() -> None:
    waits = owed(due=NOW + 60 * MINUTE, walk=NOW - MINUTE)
    assert place(replace(KNOWN, owed=waits)) is LinePlace.FORWARD
    for known in (
        replace(waits, asked=True),
        replace(waits, expects=frozenset({A})),
        replace(waits, walk=None),
        replace(waits, failure="503", failed_at=NOW),
    ):
        assert place(replace(KNOWN, owed=known)) is LinePlace.NONE


def test_a_pulled_tag_does_not_wait_for_the_backfill_window() -> None:
    sync_registry, nobody = SyncRegistry(MemoryStore()), MagicMock()
    line = Line(sync_registry, nobody, nobody, nobody)
    line.put("app", Reference.tag("v1"), KNOWN, LinePlace.MARK)
    (found,) = sync_registry.owed("app")
    assert found.asked


def test_a_second_wake_is_sent_only_for_a_repository_that_nobody_holds() -> None:
    old = owed(marked_at=NOW - WAKE_MS, due=NOW - WAKE_MS)
    assert place(replace(KNOWN, owed=old)) is LinePlace.WAKE
    assert place(replace(KNOWN, owed=old, row=held())) is LinePlace.WAIT


def test_a_pull_does_not_wait_for_a_tag_that_cannot_come_in_time() -> None:
    assert place(replace(KNOWN, is_left_alone=True)) is LinePlace.NONE
    assert place(replace(KNOWN, owed=owed(), is_left_alone=True)) is LinePlace.NONE
    assert place(replace(KNOWN, owed=owed(due=None, parked=True))) is LinePlace.NONE
    assert place(replace(KNOWN, owed=owed(due=NOW + 30_000))) is LinePlace.NONE


def test_a_pull_retries_a_failed_tag_at_most_once_a_minute() -> None:
    def failed(ago_ms: int) -> Owed:
        return owed(due=NOW + 3_600_000, failure="500", failed_at=NOW - ago_ms, attempts=9)

    assert place(replace(KNOWN, owed=failed(RETRY_MS - 1))) is LinePlace.NONE
    assert place(replace(KNOWN, owed=failed(RETRY_MS))) is LinePlace.FORWARD
