"""The breaker, the findings and the forgetting of rows, on both stores."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock
from tests.support.noted import note_finding

from geosync.comparing.missing import Removals
from geosync.comparing.rows import Rows
from geosync.pair.selection import Selection
from geosync.sync_registry import forgetting
from geosync.sync_registry.items import Lease, Reference, Seen
from geosync.sync_registry.site.breaker import Breaker, Limits
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.counters import Counters, RowCounts
from geosync.sync_registry.site.findings import Finding, Findings
from geosync.sync_registry.site.listing import Listing
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Store


@pytest.fixture
def counted(store: Store, clock: FakeClock) -> Breaker:
    return Breaker(store, Limits(share=0.5, tags=5, window_s=60), clock)


def finding(repository: str, missing: int, of: int = 10) -> Finding:
    return Finding(repository=repository, found_at=1, of=of, missing=missing)


def test_a_share_of_a_repository_suspends(counted: Breaker) -> None:
    counted.count_missing("app", new=2, missing=2, of=4)
    assert not counted.state().stops
    counted.count_missing("app", new=1, missing=3, of=4)
    doubted = counted.state()
    assert doubted.doubt == "3 of the 4 tags of app are missing at the primary"
    assert doubted.stops
    assert not doubted.suspended, "it is to be decided first"
    counted.suspend(doubted, doubted.doubt)
    assert (counted.state().reason, counted.state().doubted_at) == (doubted.doubt, None)


def test_a_doubt_is_not_dismissed_if_anything_was_counted_or_it_was_renewed_since(counted: Breaker) -> None:
    counted.count_missing("app", new=3, missing=3, of=4)
    doubted = counted.state()
    counted.count_missing("b", new=1, missing=1, of=9)
    counted.dismiss(doubted, found=0)
    assert (counted.state().stops, counted.state().found, counted.state().doubts) == (True, 4, 1)
    doubted = counted.state()
    counted.count_missing("other", new=0, missing=3, of=4)
    counted.dismiss(doubted, found=0)
    assert (counted.state().stops, counted.state().found, counted.state().doubts) == (True, 4, 2)
    counted.dismiss(counted.state(), found=2)
    assert (counted.state().stops, counted.state().found) == (False, 2)
    counted.count_missing("app", new=4, missing=1, of=10)
    assert counted.state().stops, "what is missing counts on"


def test_a_doubt_stays_until_it_is_decided_though_little_is_found_yet(counted: Breaker) -> None:
    counted.count_outside("other", new=3, outside=3, of=4)
    counted.count_missing("app", new=3, missing=3, of=4)
    counted.resume_if_back()
    state = counted.state()
    assert (state.suspended, state.doubt is not None, state.found) == (True, True, 3)


@pytest.mark.parametrize("is_back", [True, False])
@pytest.mark.parametrize("kind", ["missing", "outside"])
def test_findings_are_read_again_if_anything_is_counted_meanwhile(
    counted: Breaker, kind: str, monkeypatch: pytest.MonkeyPatch, *, is_back: bool
) -> None:
    counted.count_outside("a", new=3, outside=3, of=4)
    found = Finding(repository="b", found_at=1, of=1, missing=0 if is_back else 1)
    reads: list[list[Finding]] = []

    def read(findings: Findings, *, limit: int) -> list[Finding]:
        if not reads and kind == "missing":
            counted.count_missing("b", new=1, missing=1, of=10)
        elif not reads:
            counted.count_outside("b", new=1, outside=1, of=10)
        reads.append([found] if reads else [])
        return reads[-1]

    monkeypatch.setattr(Findings, "going", read)
    counted.resume_if_back()
    assert (len(reads), counted.state().suspended) == (2, not is_back)


def test_the_site_s_number_is_that_of_one_window(counted: Breaker, clock: FakeClock) -> None:
    counted.count_missing("a", new=3, missing=3, of=10)
    clock.pass_(61)
    counted.count_missing("b", new=3, missing=3, of=10)
    assert not counted.state().stops
    counted.count_missing("c", new=3, missing=3, of=10)
    assert counted.state().doubt == "6 tags were found missing at the primary within 60 s, last in c"
    since = counted.state().doubted_at
    clock.pass_(1)
    counted.count_missing("d", new=9, missing=9, of=10)
    assert counted.state().doubted_at == since, "the first reason is kept"
    counted.suspend(counted.state(), "why")
    assert counted.state().suspended_at == since


def test_tags_outside_the_selection_are_counted_with_those_that_are_missing(counted: Breaker) -> None:
    counted.count_missing("a", new=3, missing=3, of=10)
    counted.count_outside("b", new=2, outside=2, of=10)
    assert not counted.state().suspended
    counted.count_outside("c", new=1, outside=1, of=10)
    assert counted.state().reason == (
        "3 tags were found missing at the primary and 3 tags were found outside the selection within 60 s, last in c"
    )


def test_each_kind_has_its_first_reason_and_an_operator_accepts_both(counted: Breaker) -> None:
    counted.count_outside("a", new=3, outside=3, of=4)
    counted.count_outside("b", new=1, outside=1, of=1)
    counted.count_missing("c", new=1, missing=1, of=1)
    doubted = counted.state()
    assert doubted.doubt is not None
    counted.suspend(doubted, doubted.doubt)
    state = counted.state()
    outside = "3 of the 4 tags of a are outside the selection"
    assert state.reason == f"1 of the 1 tags of c are missing at the primary; {outside}"
    assert (state.found, state.found_outside) == (1, 4)

    assert counted.resume()

    state = counted.state()
    assert (state.suspended, state.reason, state.found, state.found_outside) == (False, None, 0, 0)


def test_a_suspension_stays_while_too_much_is_outside(counted: Breaker, store: Store) -> None:
    counted.count_outside("a", new=3, outside=3, of=5)
    three = Finding(repository="a", found_at=1, of=2, outside=3)
    note_finding(store, three, None)
    counted.resume_if_back()
    assert counted.state().suspended
    note_finding(store, Finding(repository="a", found_at=1, of=3, outside=2), three)
    counted.resume_if_back()
    assert not counted.state().suspended


def test_a_missing_tag_may_be_removed_after_the_window_or_once_it_was_accepted(
    counted: Breaker, store: Store, clock: FakeClock
) -> None:
    missed = clock.now
    assert not counted.may_remove(missed, counted.state())
    clock.pass_(60)
    assert counted.may_remove(missed, counted.state())
    counted.count_missing("app", new=9, missing=9, of=9)
    assert not counted.may_remove(missed, counted.state())
    assert Breaker(store, Limits(), clock).resume()
    assert counted.may_remove(clock.now, counted.state())
    clock.pass_(1)
    assert not counted.may_remove(clock.now, counted.state())


def test_a_suspension_is_lifted_when_few_enough_are_missing(counted: Breaker, store: Store) -> None:
    counted.count_missing("a", new=6, missing=6, of=6)
    counted.suspend(counted.state(), "why")
    for one in (finding("a", 6, 6), finding("b", 2), finding("c", 3)):
        note_finding(store, one, None)
    counted.resume_if_back()
    assert counted.state().suspended
    note_finding(store, finding("a", 1), finding("a", 6, 6))
    counted.resume_if_back()
    assert counted.state().suspended, "six are missing in all"
    note_finding(store, finding("c", 0), finding("c", 3))
    counted.resume_if_back()
    assert not counted.state().suspended
    assert [one.repository for one in Findings(store).going(limit=9)] == ["a", "b"]


def test_a_repository_is_forgotten_whole_and_no_other(
    store: Store, sync_registry: SyncRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "PER_TRANSACTION", 2)
    for name in ("group/app", "group/app2"):
        lease = sync_registry.knock(name)
        assert lease is not None
        for number in range(5):
            owed = sync_registry.mark(name, Reference.tag(f"v{number}"))
            sync_registry.discharge(lease, owed, Seen(digest="sha256:a", looked_at=1, seen_at=1))
            sync_registry.mark(name, Reference.tag(f"owed{number}"))
        sync_registry.release(lease)
        note_finding(store, finding(name, 1), None)
    selection = Selection.parse(exclude_repositories="group/app")

    died: list[Lease] = []
    rows = Rows(
        sync_registry,
        selection,
        Removals(breaker=sync_registry.breaker),
        check=lambda: None,
        on_death=died.append,
    )
    forgotten = rows.walk(Walk(started_at=0, touched_at=0))

    assert not died
    assert forgotten == 1
    assert Listing(store).names(limit=9) == ["group/app2"]
    assert sync_registry.row("group/app") is None
    assert not sync_registry.owed("group/app")
    assert not sync_registry.seen_tags("group/app", limit=9)
    assert len(sync_registry.owed("group/app2")) == len(sync_registry.seen_tags("group/app2", limit=9)) == 5
    assert [one.repository for one in Findings(store).page(limit=9)] == ["group/app2"]
    assert Counters(store).read() == RowCounts(rows=1)
