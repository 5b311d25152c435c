"""A look that was made since a pull began: which reading of the sync registry proves one, and which does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from geosync.reading.freshness import Known
from geosync.reading.line import Line, LinePlace, place_of
from geosync.reading.since import SinceAsked
from geosync.sync_registry.decisions import Look
from geosync.sync_registry.items import Owed, Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

A, B = (f"sha256:{letter * 64}" for letter in "ab")
NOW = 1_800_000_000_000
SEEN = Seen(digest=A, looked_at=NOW - 1000, seen_at=NOW - 1000)
KNOWN = Known(accounted_ms=NOW, seen=SEEN)


def owed(mark: str, **changes: Any) -> Owed:
    about: dict[str, Any] = {"marked_at": NOW, "owed_since": NOW, "due": NOW} | changes
    return Owed(repository="app", reference=Reference.tag("v1"), mark=mark, **about)


def test_a_look_before_the_pull_proves_nothing_however_recent() -> None:
    since = SinceAsked(KNOWN)
    assert since.shown(KNOWN) is None
    assert since.shown(replace(KNOWN, seen=replace(SEEN, looked_at=NOW + 10**9))) is None


def test_the_discharge_of_a_mark_older_than_the_pull_proves_nothing() -> None:
    """The look that discharges it may have been made before the pull began."""
    known = replace(KNOWN, owed=owed("before"))
    since = SinceAsked(known)
    since.note(known)
    discharged = replace(KNOWN, seen=replace(SEEN, looked_at=NOW))
    since.note(discharged)
    assert since.shown(discharged) is None
    since.note_marked(discharged)  # so the pull marks it itself
    assert since.shown(discharged) is None
    assert since.shown(replace(KNOWN, seen=Seen(digest=B, looked_at=NOW + 5, seen_at=NOW + 5))) == B


def test_the_discharge_of_a_later_mark_is_a_proof_whoever_made_the_mark() -> None:
    since = SinceAsked(replace(KNOWN, owed=owed("before")))
    since.note(replace(KNOWN, owed=owed("later")))
    assert since.shown(replace(KNOWN, seen=replace(SEEN, looked_at=NOW))) == A


def test_a_discharge_without_a_look_proves_nothing() -> None:
    """The selection changed, and what was seen is what it was; or the tag stays though the primary has none."""
    since = SinceAsked(KNOWN)
    since.note_marked(KNOWN)
    assert since.shown(KNOWN) is None
    assert since.shown(replace(KNOWN, seen=None)) is None
    assert since.shown(replace(KNOWN, seen=replace(SEEN, looked_at=NOW, gone_since=NOW))) is None
    # A copy whose holder died was found here, and the primary was not asked.
    assert since.shown(replace(KNOWN, seen=Seen(digest=B, looked_at=0, seen_at=NOW))) is None


def test_an_equal_look_after_a_later_mark_is_a_proof_before_the_discharge() -> None:
    first = owed("before", shown=A, shown_by="before")
    since = SinceAsked(replace(KNOWN, owed=first))
    assert since.shown(replace(KNOWN, owed=first)) is None
    later = replace(KNOWN, owed=owed("later"))
    since.note(later)
    assert since.shown(later) is None
    assert since.shown(replace(KNOWN, owed=owed("later", shown=A, shown_by="before"))) is None
    assert since.shown(replace(KNOWN, owed=owed("later", shown=B, shown_by="later"))) == B


def test_a_request_for_another_look_takes_no_look_from_earlier_waiters() -> None:
    """Each pull of a tag that is put off gets a look of its own mark; the next one's mark leaves it that."""
    early, late = (SinceAsked(replace(KNOWN, owed=owed(mark))) for mark in ("first", "second"))
    shown = replace(KNOWN, owed=owed("third", shown=B, shown_by="second"))
    assert early.shown(shown) == B
    assert late.shown(shown) is None  # the look of that mark may have been made before it began
    assert SinceAsked(shown).shown(shown) is None
    assert late.shown(replace(KNOWN, owed=owed("fourth", shown=B, shown_by="third"))) == B


def test_a_look_for_an_earlier_mark_proves_nothing_even_when_noted_later() -> None:
    since = SinceAsked(replace(KNOWN, owed=owed("before", shown=A, shown_by="long before")))
    for mark in ("before", "later"):
        assert since.shown(replace(KNOWN, owed=owed(mark, shown=A, shown_by="long before"))) is None
        assert since.shown(replace(KNOWN, owed=owed(mark, shown=B, shown_by="before"))) is None


def test_a_postponed_tag_gets_a_new_look_and_a_tag_in_work_is_waited_for() -> None:
    def place(known: Owed | None) -> LinePlace:
        return place_of(replace(KNOWN, owed=known), now_ms=NOW, until_ms=NOW + 20_000, anew=True)

    assert place(None) is LinePlace.MARK
    assert place(owed("m")) is LinePlace.WAIT
    assert place(owed("m", due=NOW + 30_000)) is LinePlace.ANEW
    assert place(owed("m", due=NOW + 5_000)) is LinePlace.ANEW
    assert place(owed("m", due=NOW + 30_000, failure="503", failed_at=NOW)) is LinePlace.NONE
    assert place(owed("m", due=None, parked=True)) is LinePlace.NONE


def test_many_who_ask_cause_one_mark() -> None:
    sync_registry: Any = SyncRegistry(MemoryStore())
    line = Line(sync_registry, *[_Nobody()] * 3)  # type: ignore[arg-type]
    reference = Reference.tag("v1")
    assert line.put("app", reference, KNOWN, LinePlace.MARK)
    (first,) = sync_registry.owed("app")
    assert line.put("app", reference, KNOWN, LinePlace.MARK)
    assert [one.mark for one in sync_registry.owed("app")] == [first.mark]


def test_one_of_many_waiters_asks_for_another_look() -> None:
    sync_registry: Any = SyncRegistry(MemoryStore())
    line = Line(sync_registry, *[_Nobody()] * 3)  # type: ignore[arg-type]
    reference = Reference.tag("v1")
    first = sync_registry.mark("app", reference)
    assert sync_registry.postpone(first, first.marked_at + 30_000, shown=Look(A, first.marked_at + 1))
    (put_off,) = sync_registry.owed("app")
    assert (put_off.shown, put_off.shown_at) == (A, first.marked_at + 1)
    known = replace(KNOWN, owed=put_off)
    assert [line.put("app", reference, known, LinePlace.ANEW) for _ in range(3)] == [True, False, False]
    (anew,) = sync_registry.owed("app")
    assert anew.mark != put_off.mark
    assert (anew.shown, anew.shown_by) == (A, put_off.mark)  # of those who waited for that look
    assert anew.due is not None
    assert put_off.due is not None
    assert anew.due < put_off.due
    # What it takes to prove that it stays is as it was.
    assert (anew.marked_at, anew.owed_since) == (put_off.marked_at, put_off.owed_since)


def test_a_tag_that_failed_or_was_parked_meanwhile_gets_no_new_look() -> None:
    for parked in (False, True):
        sync_registry: Any = SyncRegistry(MemoryStore())
        first = sync_registry.mark("app", Reference.tag("v1"))
        assert sync_registry.postpone(first, first.marked_at + 30_000)
        (put_off,) = sync_registry.owed("app")
        failed = sync_registry.fail(put_off, "503", parked=parked)
        assert not sync_registry.look_anew(put_off)
        (now,) = sync_registry.owed("app")
        assert (now.mark, now.due, now.parked) == (failed.mark, failed.due, parked)


def test_successive_pulls_of_a_postponed_tag_share_its_looks() -> None:
    """Ten pulls begin after each look: each ends with the second look at the latest that is made after it began."""
    sync_registry: Any = SyncRegistry(MemoryStore())
    line = Line(sync_registry, *[_Nobody()] * 3)  # type: ignore[arg-type]
    reference = Reference.tag("v1")
    first = sync_registry.mark("app", reference)
    assert sync_registry.postpone(first, first.marked_at + 3_600_000, shown=Look(A, first.marked_at + 1))
    waiting: list[tuple[int, SinceAsked]] = []
    waited: list[int] = []
    for look in range(20):
        for _ in range(10):  # the first asks for another look before anybody else has read what the last one showed
            known = replace(KNOWN, owed=sync_registry.owed("app")[0])
            waiting.append((look, SinceAsked(known)))
            if place_of(known, now_ms=first.marked_at, until_ms=first.marked_at, anew=True) is LinePlace.ANEW:
                line.put("app", reference, known, LinePlace.ANEW)
        known = replace(KNOWN, owed=sync_registry.owed("app")[0])
        waited += [look - began for began, since in waiting if since.shown(known) == A]
        waiting = [(began, since) for began, since in waiting if since.shown(known) is None]
        (owed_now,) = sync_registry.owed("app")  # a holder looks
        assert sync_registry.postpone(owed_now, first.marked_at + 3_600_000, shown=Look(A, first.marked_at + 1))
    assert len(waited) >= 180
    assert max(waited) <= 2


class _Nobody:
    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None
