"""A primary follows nobody, and what it proved as a secondary is forgotten once no promotion shows it any more."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock

from geosync.minute.comparison import PROMOTION_MS, SHOWN_MS, follow_nobody
from geosync.sync_registry.site import catalogue
from geosync.sync_registry.site.promotions import Promotion
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.memory import MemoryStore

BEGAN = 1_800_000_000_000
PROMOTION = Promotion(token="promote-1", began_at=BEGAN, events_waiting=0, dead_letters=0)


@pytest.fixture
def sync_registry() -> SyncRegistry:
    store = MemoryStore()
    store.write(
        Update(
            key=catalogue.KEY, set={"following": "arn:of:the:former", "started_at": 1, "proved_at": 1, "settled_at": 1}
        )
    )
    return SyncRegistry(store)


def forgets(sync_registry: SyncRegistry, now_ms: int) -> bool:
    follow_nobody(sync_registry, clock=FakeClock(now_ms))
    walk = sync_registry.catalogue.latest()
    return walk is None


def test_without_a_promotion_the_comparison_is_forgotten_at_once(sync_registry: SyncRegistry) -> None:
    assert forgets(sync_registry, BEGAN)
    assert forgets(sync_registry, BEGAN)


def test_a_promotion_that_ends_shows_first_what_is_missing(sync_registry: SyncRegistry) -> None:
    sync_registry.promotions.begin(PROMOTION)
    assert not forgets(sync_registry, BEGAN + 5_000)
    sync_registry.promotions.end(PROMOTION, PROMOTION.unmarked, at=BEGAN + 30_000)
    assert not forgets(sync_registry, BEGAN + 30_000 + SHOWN_MS - 1)
    assert forgets(sync_registry, BEGAN + 30_000 + SHOWN_MS)


def test_an_interrupted_promotion_keeps_the_comparison_for_the_time_of_one_promotion(
    sync_registry: SyncRegistry,
) -> None:
    sync_registry.promotions.begin(PROMOTION)
    assert not forgets(sync_registry, BEGAN + PROMOTION_MS + SHOWN_MS - 1)
    assert forgets(sync_registry, BEGAN + PROMOTION_MS + SHOWN_MS)
