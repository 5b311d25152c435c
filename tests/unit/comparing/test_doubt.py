"""The breaker decides by all that was counted: behind other findings, and of comparisons that have not ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.clock import FakeClock
from tests.unit.comparing.test_repository import DIGEST, REPOSITORY, Tags

from geosync.comparing import doubt
from geosync.comparing.context import ComparisonContext
from geosync.comparing.missing import Removals
from geosync.comparing.repository import RepositoryComparison
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair
from geosync.pair.selection import Selection
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import ABSENT, Reference, Seen
from geosync.sync_registry.site.breaker import Breaker, Limits, State
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

LIMITS = Limits(share=0.5, tags=4, window_s=3600)
ALL = tuple(f"v{number}" for number in range(20))


class BreakerBetween(Breaker):
    """A breaker that lets a test step in after a comparison had its tags counted, before it notes them."""

    between: Callable[[], object] = staticmethod(lambda: None)

    def count_missing(self, repository: str, *, new: int, missing: int, of: int) -> None:
        super().count_missing(repository, new=new, missing=missing, of=of)
        self.between()

    def count_outside(self, repository: str, *, new: int, outside: int, of: int) -> None:
        super().count_outside(repository, new=new, outside=outside, of=of)
        self.between()


class Site:
    """A secondary that has the tags `ALL` of one repository."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.clock, self.store = FakeClock(), MemoryStore()
        self.sync_registry = SyncRegistry(self.store, clock=self.clock, limits=limits)
        self.breaker = BreakerBetween(self.store, limits, self.clock)
        self.note(REPOSITORY, ALL)

    def note(self, repository: str, tags: tuple[str, ...], finding: Finding | None = None) -> None:
        """Have the tags seen equal, or missing since now, or outside, where the finding says so."""
        lease = self.sync_registry.acquire(repository)
        assert lease is not None
        seen = Seen(
            digest=DIGEST,
            looked_at=1,
            seen_at=1,
            missing_since=self.clock.now if finding is not None and finding.missing else None,
            outside_since=self.clock.now if finding is not None and finding.outside else None,
        )
        self.sync_registry.record(lease, [(Reference.tag(tag), seen) for tag in tags])
        if finding is not None:
            self.sync_registry.record_finding(lease, finding, None)
        self.sync_registry.release(lease)

    def compare(self, *at_primary: str, selection: Selection | None = None, announced: bool = False) -> None:
        """Compare the repository, of which the primary has these tags; `announced` as deleted."""
        mark = Mark(expects=ABSENT) if announced else Mark()
        owed = self.sync_registry.mark(REPOSITORY, Reference.whole(), mark)
        lease = self.sync_registry.acquire(REPOSITORY)
        assert lease is not None
        held = HeldLease(self.sync_registry, lease, on_moved=lambda: None, on_lost=lambda _: None)
        context = ComparisonContext(
            pair=Pair(Repository(Tags(*at_primary), REPOSITORY), Repository(Tags(*ALL), REPOSITORY)),
            sync_registry=self.sync_registry,
            held=held,
            selection=selection or Selection(),
            check=lambda: None,
            clock=self.clock,
        )
        try:
            RepositoryComparison(context, removals=Removals(breaker=self.breaker, outside=True)).sync(owed)
        finally:
            self.sync_registry.release(lease)

    def decide(self) -> State:
        return doubt.decide(self.sync_registry, lambda: 0, primary=None, clock=self.clock)


@pytest.mark.parametrize("kind", ["missing", "outside"])
def test_a_decision_reads_behind_any_number_of_findings_that_are_accepted_or_outside(kind: str) -> None:
    site = Site()
    for number in range(LIMITS.tags + 1):
        name = f"archive/{number}"
        site.note(name, ("v1",), Finding(repository=name, found_at=site.clock.now, **{kind: 1}))  # type: ignore[arg-type]
    site.clock.pass_(1)
    site.breaker.resume()
    site.clock.pass_(1)
    site.compare(*ALL[6:])
    site.clock.pass_(61)

    assert site.decide().reason == "6 tags were found missing at the primary within 3600 s, last in team/app"


def test_a_decision_reads_no_tags_of_a_finding_that_an_operator_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.compare(*ALL[6:])
    site.clock.pass_(1)
    site.breaker.resume()
    site.clock.pass_(1)
    site.breaker.count_missing("other", new=9, missing=9, of=9)
    site.clock.pass_(61)
    monkeypatch.setattr(SyncRegistry, "seen_pages", None)

    assert not site.decide().stops


def test_while_a_comparison_that_counted_has_not_noted_its_tags_no_doubt_is_dismissed() -> None:
    site = Site()
    site.breaker.count_missing("other", new=9, missing=9, of=9)
    site.clock.pass_(61)
    site.breaker.between = site.decide

    site.compare(*ALL[6:])

    assert site.breaker.state().stops
    site.clock.pass_(61)
    assert site.decide().suspended


def test_a_comparison_that_does_not_come_to_its_end_counts_for_the_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()

    def vanish(held: HeldLease, finding: Finding, before: Finding | None) -> None:
        raise TimeoutError

    monkeypatch.setattr(HeldLease, "record_finding", vanish)
    with pytest.raises(TimeoutError):
        site.compare(*ALL[6:])
    site.clock.pass_(61)

    assert site.decide().suspended


def test_a_suspension_that_nothing_justifies_is_lifted_once_the_doubt_is_dismissed() -> None:
    site = Site()
    site.breaker.count_outside("back", new=1, outside=1, of=1)
    site.breaker.count_missing("other", new=1, missing=1, of=1)
    site.breaker.resume_if_back()
    assert site.breaker.state().suspended
    site.clock.pass_(61)

    state = site.decide()

    assert (state.stops, state.found) == (False, 0)


@pytest.mark.parametrize("whole", [False, True])
def test_a_comparison_that_has_not_ended_keeps_the_suspension_for_what_left_the_selection(*, whole: bool) -> None:
    site = Site(Limits(share=0.2, tags=4))
    site.breaker.between = site.breaker.resume_if_back
    patterns = {"exclude_repositories": REPOSITORY} if whole else {"exclude_tags": "v1*"}

    site.compare(*ALL, selection=Selection.parse(**patterns))

    assert site.breaker.state().suspended
    site.compare(*ALL)
    assert not site.breaker.state().suspended, "all is selected again"
    assert site.sync_registry.findings.get(REPOSITORY) is None


def test_of_an_announced_deletion_below_the_limits_no_finding_is_left() -> None:
    site = Site(Limits(share=1.0, tags=100))

    site.compare(announced=True)

    assert site.sync_registry.findings.get(REPOSITORY) is None
    assert {one.reference.value for one in site.sync_registry.owed(REPOSITORY)} == set(ALL)
