"""Where tags may still be written: what a change of a site's role waits for."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock

from geosync.sync_registry.items import Lease, Reference, Seen
from geosync.sync_registry.owed_index import TagWriters
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

APP, V1 = "group/app", Reference.tag("v1")
NOBODY = TagWriters(held=(), left={})


class Site:
    """A sync registry, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sync_registry = SyncRegistry(MemoryStore(), clock=self.clock)

    def acquire(self) -> Lease:
        lease = self.sync_registry.acquire(APP)
        assert lease is not None
        return lease

    def writers(self) -> TagWriters:
        return self.sync_registry.owed_index.tag_writers(now_ms=self.clock.now, suspect_ms=60_000)

    def left_s(self) -> float:
        """Seconds for which a write may still land where nobody holds the repository."""
        found = self.writers()
        assert found.held == ()
        assert set(found.left) == {APP}
        return (found.left[APP] - self.clock.now) / 1000


@pytest.fixture
def site() -> Site:
    return Site()


def test_nobody_writes_where_a_holder_let_go(site: Site) -> None:
    assert site.writers() == NOBODY
    lease = site.acquire()
    assert site.writers() == TagWriters(held=(APP,), left={})
    site.sync_registry.release(lease)
    assert site.writers() == NOBODY


def test_a_write_of_a_holder_that_vanished_may_land_a_minute_after_its_lease(site: Site) -> None:
    site.acquire()
    site.clock.pass_(60)
    assert site.left_s() == 60
    site.clock.pass_(59.999)
    assert site.left_s() == 0.001
    site.clock.pass_(0.001)
    assert site.writers() == NOBODY


@pytest.mark.parametrize("ending", ["released", "finished", "failed"])
def test_a_write_without_an_answer_may_land_though_its_holder_let_go(site: Site, ending: str) -> None:
    owed = site.sync_registry.mark(APP, V1)
    lease = site.sync_registry.suspect(site.acquire())
    if ending == "finished":
        site.sync_registry.postpone(owed, lease.suspect_until)
    if ending == "failed":
        site.sync_registry.fail(owed, "500")
    if ending == "released":
        site.sync_registry.release(lease)
    else:
        assert site.sync_registry.finish(lease)
    site.clock.pass_(10)
    assert site.left_s() == 50
    site.clock.pass_(50)
    assert site.writers() == NOBODY


def test_a_write_may_still_land_after_another_holder_or_a_knock(site: Site) -> None:
    site.sync_registry.release(site.sync_registry.suspect(site.acquire()))
    site.clock.pass_(10)
    again = site.acquire()
    assert site.writers() == TagWriters(held=(APP,), left={})
    site.sync_registry.release(again)
    assert site.left_s() == 50
    assert not site.sync_registry.tell(APP)
    site.clock.pass_(49)
    assert site.left_s() == 1


def test_a_row_kept_for_a_late_write_leaves_the_index_with_its_next_holder(site: Site) -> None:
    owed = site.sync_registry.mark(APP, V1)
    site.sync_registry.release(site.sync_registry.suspect(site.acquire()))
    site.clock.pass_(60)
    lease = site.acquire()
    now = site.clock.now
    assert site.sync_registry.discharge(lease, owed, Seen(digest="sha256:a", looked_at=now, seen_at=now))
    assert site.sync_registry.finish(lease)
    assert site.sync_registry.due_repositories() == []
    assert site.sync_registry.owed_index.names(most=9) == []
