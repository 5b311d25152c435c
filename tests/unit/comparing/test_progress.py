"""The state of a comparison, what it has still to look at, and its time left."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock

from geosync.comparing.missing import Removals
from geosync.comparing.progress import Progress, progress_of
from geosync.comparing.rows import Rows
from geosync.pair.selection import Selection
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.catalogue import PACES, CatalogueItem, Walk, WalkPace
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

NOW = 1_700_000_000_000
MINUTE = 60_000


def progress(*, compared: int, of: int, settled: int = 0, found: int = 0, **more: object) -> Progress:
    values: dict[str, object] = {"started_at": NOW - 3_600_000, "at": NOW, "listed": True, "complete": False, "tags": 0}
    values |= {"repositories": of, "compared": compared, "found": found, "settled": settled}
    return Progress(**{**values, **more})  # type: ignore[arg-type]


def test_a_repository_that_the_catalogue_does_not_list_is_counted_with_the_others() -> None:
    clock = FakeClock()
    sync_registry = SyncRegistry(MemoryStore(), clock=clock)
    sync_registry.mark("team/unlisted", Reference.tag("v1"))
    lease = sync_registry.acquire("team/unlisted")
    assert lease is not None
    sync_registry.release(lease)
    removals = Removals(breaker=sync_registry.breaker)
    rows = Rows(sync_registry, Selection(), removals, check=lambda: None, on_death=lambda _: None)
    clock.pass_(1)
    walk = sync_registry.catalogue.begin(now_ms=clock.now, after=sync_registry.catalogue.latest())
    for _ in range(2):
        rows.walk(walk)
        far = progress_of(sync_registry, walk, now_ms=clock.now)
        assert (walk.repositories, far.repositories, far.compared, far.to_compare) == (0, 1, 0, 1)


def test_a_backfill_settles_from_its_last_copy_until_it_is_complete() -> None:
    assert progress(compared=3, of=4).state == "running"
    assert progress(compared=4, of=4, settled=1, found=2).state == "running"
    assert progress(compared=4, of=4, listed=False).state == "running"
    settling = progress(compared=4, of=4, settled=2, found=2)
    assert (settling.state, settling.seconds_left) == ("settling", 0.0)
    assert progress(compared=4, of=4, complete=True).state == "finished"


@pytest.mark.parametrize(
    ("compared", "settled", "pace", "expected"),
    [
        (50, 30, WalkPace(at=NOW - 2 * MINUTE, compared=40, settled=30), None),  # nothing is copied lately
        (50, 60, WalkPace(at=NOW - 2 * MINUTE, compared=40, settled=50), 600.0),  # 50 repositories, 5 a minute
        (100, 60, WalkPace(at=NOW - 2 * MINUTE, compared=100, settled=20), 120.0),  # 40 tags, 20 a minute
        (50, 60, WalkPace(at=NOW - 30_000, compared=40, settled=50), None),  # less than a minute was seen
        (5, 60, WalkPace(at=NOW - 2 * MINUTE, compared=0, settled=50), None),  # less than a tenth is done
        (50, 1, WalkPace(at=NOW - 2 * MINUTE, compared=40, settled=0), None),
        (50, 60, WalkPace(at=NOW - 20 * MINUTE, compared=40, settled=50), None),  # too long ago
    ],
)
def test_the_time_left_follows_the_pace_of_the_last_minutes_or_is_not_known(
    compared: int, settled: int, pace: WalkPace, expected: float | None
) -> None:
    assert progress(compared=compared, of=100, settled=settled, found=100, paces=(pace,)).seconds_left == expected


def test_an_earlier_long_wait_does_not_change_the_time_left() -> None:
    """It began an hour ago, waited for a registry, and does ten a minute now: what is left takes a minute."""
    pace = WalkPace(at=NOW - MINUTE, compared=80, settled=0)
    assert progress(compared=90, of=100, paces=(pace,)).seconds_left == 60.0
    assert progress(compared=90, of=100).seconds_left is None


def test_the_pace_of_the_last_minutes_is_kept() -> None:
    items = CatalogueItem(MemoryStore())
    walk: Walk | None = items.note_finished(items.begin(now_ms=NOW, after=items.latest()), now_ms=NOW)
    for minute in range(10):
        assert walk is not None
        pace = WalkPace(at=NOW + minute * MINUTE, compared=minute, settled=2 * minute)
        walk = items.note_progress(walk, pace, clean=False)
    assert walk is not None
    assert [one.compared for one in walk.paces] == list(range(10 - PACES, 10))
    assert items.begin(now_ms=NOW + 3_600_000, after=items.latest()).paces == ()


def test_the_names_of_a_whole_catalogue_are_counted_whoever_replicates_them() -> None:
    items = CatalogueItem(MemoryStore())
    walk = items.begin(now_ms=NOW, after=items.latest())
    walk = items.note_page(walk, ["a", "b", "c"], selected=1, now_ms=NOW)
    assert (walk.named, walk.counted, walk.repositories) == (3, None, 1)
    walk = items.note_finished(items.note_page(walk, [], selected=0, now_ms=NOW), now_ms=NOW + 5)
    assert (walk.counted, walk.counted_at) == (3, NOW)
    walk = items.begin(now_ms=NOW + MINUTE, after=items.latest())
    assert (walk.named, walk.counted, walk.counted_at) == (0, 3, NOW)
