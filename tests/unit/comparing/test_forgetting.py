"""Repositories outside the selection whose holder vanished: nobody forgets one unsaid, or while a write may land."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.clock import FakeClock
from tests.support.noted import note_finding

from geosync.comparing.missing import Removals
from geosync.comparing.rows import Rows
from geosync.errors import OutOfTime
from geosync.pair.selection import Selection
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Lease, Reference
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.findings import Dismissal, Finding
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

REPOSITORY = "team/app"


class Site:
    """A site that does not replicate `team/app` any more, whose last holder vanished over a tag of it."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), MemoryStore()
        self.sync_registry = SyncRegistry(self.store, clock=self.clock)
        self.vanished: list[Lease] = []
        self.rows = self.walker(Selection.parse(exclude_repositories=REPOSITORY))

    def walker(self, selection: Selection, check: Callable[[], None] = lambda: None) -> Rows:
        removals = Removals(breaker=self.sync_registry.breaker)
        return Rows(self.sync_registry, selection, removals, check=check, on_death=self.vanished.append)

    def vanish(self) -> Lease:
        """Have a holder take the repository and name a tag, and vanish; let its lease run out."""
        lease = self.acquire()
        named = frozenset({Reference.tag("v1").seen_key})
        HeldLease(self.sync_registry, lease).work_on(named, at_once=True)
        self.clock.pass_(self.sync_registry.timing.lease_s + 1)
        return lease

    def acquire(self) -> Lease:
        lease = self.sync_registry.acquire(REPOSITORY)
        assert lease is not None
        return lease


@pytest.fixture
def site() -> Site:
    return Site()


def test_while_a_write_may_land_the_row_keeps_what_its_vanished_holder_worked_on(site: Site) -> None:
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    site.vanish()
    assert not site.rows.forget(REPOSITORY)
    lease = site.acquire()
    assert (lease.deaths, lease.working_on) == (1, frozenset({"tag#v1"})), "whoever works on it counts the death"
    assert [one.reference.value for one in site.sync_registry.left_behind(lease)] == ["v1"]
    assert not site.vanished


def test_forgetting_a_repository_reports_its_vanished_holder(site: Site) -> None:
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    site.vanish()
    site.clock.pass_(site.sync_registry.timing.suspect_s)
    assert site.rows.forget(REPOSITORY)
    assert site.sync_registry.row(REPOSITORY) is None
    assert [(one.repository, one.deaths, one.working_on) for one in site.vanished] == [
        (REPOSITORY, 1, frozenset({"tag#v1"}))
    ]


def test_forgetting_a_released_repository_records_no_vanished_holder(site: Site) -> None:
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    site.sync_registry.release(site.acquire())
    assert site.rows.forget(REPOSITORY)
    assert not site.vanished


@pytest.mark.parametrize("before_it_ends", [0, 1], ids=["before it begins", "in between"])
def test_with_no_time_left_the_repository_is_released(site: Site, before_it_ends: int) -> None:
    """Else whoever comes next would count a death."""
    site.sync_registry.mark(REPOSITORY, Reference.tag("v1"))
    checks: list[None] = []

    def check() -> None:
        checks.append(None)
        if len(checks) > before_it_ends:
            raise OutOfTime("the site selects something else by now")

    rows = site.walker(Selection.parse(exclude_repositories=REPOSITORY), check=check)
    with pytest.raises(OutOfTime):
        rows.forget(REPOSITORY)
    assert site.acquire().deaths == 0
    assert [one.reference.value for one in site.sync_registry.owed(REPOSITORY)] == ["v1"]
    assert not site.vanished


def test_a_repository_that_is_gone_stays_listed_while_tags_of_somebody_else_are_left(site: Site) -> None:
    """Each walk has it compared, until a comparison finds no such tag; a finding that was dismissed stays dismissed."""
    registry, rows = site.sync_registry, site.walker(Selection())
    found = Finding(repository=REPOSITORY, found_at=1, extra=1, extra_names=("other",), gone=True)
    registry.release(site.acquire())
    note_finding(site.store, found, None)
    dismissed = Dismissal(at=1, by="somebody", reason="stays")
    assert registry.findings.dismiss(found, dismissed)

    def walk() -> int:
        site.clock.pass_(1)
        return rows.walk(Walk(started_at=site.clock.now, touched_at=0))

    assert walk() == 0
    lease = site.acquire()
    (whole,) = registry.due(REPOSITORY)
    assert whole.reference == Reference.whole()
    note_finding(site.store, replace(found, found_at=2), found)
    assert registry.findings.get(REPOSITORY) == replace(found, dismissed=dismissed)
    registry.discharge(lease, whole, None)
    assert registry.finish(lease)
    assert walk() == 0

    lease = site.acquire()
    note_finding(site.store, replace(found, extra=0, extra_names=()), found)
    registry.discharge(lease, registry.due(REPOSITORY)[0], None)
    assert registry.finish(lease)
    assert walk() == 1
    assert registry.row(REPOSITORY) is None


def test_an_empty_row_is_kept_while_a_write_may_land_and_dropped_later(site: Site) -> None:
    site.vanish()
    gone = Finding(repository=REPOSITORY, found_at=1, of=0, missing=0, gone=True)
    note_finding(site.store, gone, None)
    rows = site.walker(Selection())

    def walk() -> int:
        site.clock.pass_(1)
        return rows.walk(Walk(started_at=site.clock.now, touched_at=0))

    assert walk() == 0
    row = site.sync_registry.row(REPOSITORY)
    assert row is not None
    assert row.working_on == {"tag#v1"}
    assert not site.vanished
    site.clock.pass_(site.sync_registry.timing.suspect_s)
    assert walk() == 1
    assert site.sync_registry.row(REPOSITORY) is None
    assert [one.deaths for one in site.vanished] == [1]
