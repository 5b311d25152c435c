"""Whose turn it is: the choice of repositories goes round the namespaces."""

from __future__ import annotations

import pytest

from geosync.clock import Clock
from geosync.sync_registry import sweep
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sweep import round_the_namespaces
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import SHARDS


class Ticking(Clock):
    """A clock in which every look is a moment later."""

    def __init__(self) -> None:
        self.now = 1_000

    def now_ms(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def sync_registry() -> SyncRegistry:
    return SyncRegistry(MemoryStore(), clock=Ticking())


def test_each_namespace_has_its_turn_and_each_repository_comes_once() -> None:
    names = ["a/1", "a/2", "a/3", "b/1", "c", "b/2", "a/4"]
    assert list(round_the_namespaces(names)) == ["a/1", "b/1", "c", "a/2", "b/2", "a/3", "a/4"]


@pytest.mark.parametrize("failed", [False, True])
def test_a_namespace_of_a_thousand_due_repositories_keeps_one_of_another_waiting_for_one_turn(
    sync_registry: SyncRegistry, failed: bool
) -> None:
    for number in range(1_000):
        sync_registry.mark(f"busy/app-{number}", Reference.tag("v1"))
    sync_registry.mark("quiet/app", Reference.tag("v1"))
    if failed:
        for name in [f"busy/app-{number}" for number in range(1_000)] + ["quiet/app"]:
            (owed,) = sync_registry.owed(name)
            sync_registry.fail(owed, "503")
        sync_registry._clock.now += 3_600_000  # type: ignore[attr-defined]
    assert "quiet/app" in sync_registry.due_repositories(2)
    assert len(sync_registry.due_repositories(1_001)) == 1_001


def test_the_sweep_skips_a_held_repository_and_takes_the_next_of_its_namespace(sync_registry: SyncRegistry) -> None:
    for number in range(5):
        sync_registry.mark(f"busy/app-{number}", Reference.tag("v1"))
    held = sync_registry.due_repositories(1)
    assert sync_registry.acquire(held[0]) is not None
    assert held[0] not in sync_registry.due_repositories(5)
    assert len(sync_registry.due_repositories(5)) == 4


@pytest.mark.parametrize("failed", [False, True])
def test_a_skipped_repository_takes_no_place_among_the_candidates(
    sync_registry: SyncRegistry, failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "WINDOW", 20)
    names = [*(f"full/app-{number}" for number in range(100)), "quiet/app"]
    for name in names:
        sync_registry.mark(name, Reference.tag("v1"))
        if failed:
            (owed,) = sync_registry.owed(name)
            sync_registry.fail(owed, "503")
    sync_registry._clock.now += 3_600_000  # type: ignore[attr-defined]
    assert sync_registry.due_repositories(5, skip=lambda name: name.startswith("full/")) == ["quiet/app"]


def test_the_sweep_skips_a_bounded_number_of_keys(sync_registry: SyncRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "PASSED_OVER", 7)
    for number in range(300):
        sync_registry.mark(f"full/app-{number}", Reference.tag("v1"))
    asked: list[str] = []

    def skip(name: str) -> bool:
        asked.append(name)
        return True

    assert sync_registry.due_repositories(5, skip=skip) == []
    assert len(asked) == 7 * len(SHARDS)
