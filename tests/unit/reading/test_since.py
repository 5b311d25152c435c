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


def test_what_was_seen_before_the_pull_is_no_proof_however_new() -> None:
    since = SinceAsked(KNOWN)
    assert since.shown(KNOWN) is None
    assert since.shown(replace(KNOWN, seen=replace(SEEN, looked_at=NOW + 10**9))) is None


def test_the_payment_of_a_mark_that_was_there_before_the_pull_is_no_proof() -> None:
    """The look that pays it may have been made before the pull began."""
    known = replace(KNOWN, owed=owed("before"))
    since = SinceAsked(known)
    since.note(known)
    paid = replace(KNOWN, seen=replace(SEEN, looked_at=NOW))
    since.note(paid)
    assert since.shown(paid) is None
    since.note_marked(paid)  # so the pull marks it itself
    assert since.shown(paid) is None
    assert since.shown(replace(KNOWN, seen=Seen(digest=B, looked_at=NOW + 5, seen_at=NOW + 5))) == B


def test_the_payment_of_a_later_mark_is_a_proof_whoever_made_it() -> None:
    since = SinceAsked(replace(KNOWN, owed=owed("before")))
    since.note(replace(KNOWN, owed=owed("later")))
    assert since.shown(replace(KNOWN, seen=replace(SEEN, looked_at=NOW))) == A


def test_a_mark_that_was_paid_without_a_look_proves_nothing() -> None:
    """The selection changed, and what was seen is what it was; or the tag stays though the primary has none."""
    since = SinceAsked(KNOWN)
    since.note_marked(KNOWN)
    assert since.shown(KNOWN) is None
    assert since.shown(replace(KNOWN, seen=None)) is None
    assert since.shown(replace(KNOWN, seen=replace(SEEN, looked_at=NOW, gone_since=NOW))) is None


def test_what_both_registries_showed_since_a_later_mark_is_a_proof_before_it_is_paid() -> None:
    first = owed("before", shown=A)
    since = SinceAsked(replace(KNOWN, owed=first))
    assert since.shown(replace(KNOWN, owed=first)) is None
    later = replace(KNOWN, owed=owed("later"))
    since.note(later)
    assert since.shown(later) is None
    assert since.shown(replace(KNOWN, owed=owed("later", shown=B))) == B


def test_what_was_put_off_is_looked_at_anew_and_what_somebody_is_at_is_waited_for() -> None:
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


def test_of_many_who_want_another_look_one_asks_for_it() -> None:
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
    assert anew.shown is None  # that look was made before
    assert anew.due is not None
    assert put_off.due is not None
    assert anew.due < put_off.due
    # What it takes to prove that it stays is as it was.
    assert (anew.marked_at, anew.owed_since) == (put_off.marked_at, put_off.owed_since)


class _Nobody:
    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None
