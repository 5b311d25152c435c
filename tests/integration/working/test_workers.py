"""Retries and backfill are bounded by the workers: each goes on with what is due next that no other has."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import pytest
from tests.integration.secondary import PATIENCE_S, Secondary
from tests.support.images import ImageMaker

from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import SYNCED, Reference
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.holder import Holder
from geosync.working.worker import ENOUGH_S

WORKERS, DUE = 3, 12


def owe(secondary: Secondary, make: ImageMaker, repository: str, count: int) -> list[str]:
    """Push an image to each of `count` repositories, and mark it."""
    names = [f"{repository}/app-{number}" for number in range(count)]
    for name in names:
        made = make.image(name, "v1", layers=1)
        secondary.sync_registry.mark(name, Reference.tag("v1"), Mark(expects=made.digest))
    return names


def work(secondary: Secondary, repository: str) -> None:
    """One invocation of functions/sync that the work queue woke."""
    if secondary.worker.receive(WorkMessage(repository=repository, reason="sweep").to_json()):
        secondary.worker.go_on()


def test_a_few_workers_work_off_everything_that_is_due_without_another_minute(
    secondary: Secondary, make: ImageMaker, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = owe(secondary, make, repository, DUE)
    lock, held = Lock(), Counter[str]()
    run = Holder.run

    def noted(holder: Holder) -> Any:
        with lock:
            held[holder._repository] += 1
        return run(holder)

    monkeypatch.setattr(Holder, "run", noted)
    woken = secondary.sync_registry.due_repositories(WORKERS)
    with ThreadPoolExecutor(WORKERS) as invocations:
        list(invocations.map(work, [secondary] * WORKERS, woken))
    assert [secondary.row(name).state for name in names] == [SYNCED] * DUE
    assert secondary.sync_registry.due_repositories() == []
    assert held == Counter(names), "each had one holder, though the workers choose from the same list"
    assert secondary.primary_proxy.counts()["GET", "blob"] == 2 * DUE, "a layer and a config each, once"


def test_a_worker_stops_when_the_site_is_paused(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    names = owe(secondary, make, repository, 2)
    secondary.worker.receive(WorkMessage(repository=names[0], reason="sweep").to_json())
    secondary.sync_registry.pause()
    secondary.worker.go_on()
    assert secondary.sync_registry.due_repositories() == [names[1]]
    assert secondary.row(names[0]).state == SYNCED


def test_a_worker_stops_when_a_registry_is_on_hold(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    names = owe(secondary, make, repository, 2)
    secondary.sync_registry.hold(secondary.registries.primary.name, reason="503")
    secondary.reset()
    secondary.worker.go_on()
    assert secondary.requests() == 0
    assert sorted(secondary.sync_registry.due_repositories()) == names


def test_a_worker_begins_nothing_that_it_has_no_time_for(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    names = owe(secondary, make, repository, 2)
    secondary.deadline.set(ENOUGH_S - 1)
    secondary.worker.go_on()
    assert sorted(secondary.sync_registry.due_repositories()) == names
    secondary.deadline.set(ENOUGH_S + 60)
    secondary.worker.go_on()
    assert secondary.sync_registry.due_repositories() == []


def test_a_row_that_cannot_be_read_keeps_no_worker_from_the_others(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    names = owe(secondary, make, repository, 3)
    key = next(key for key in secondary.store.table if key.repository == names[1])
    secondary.store.table[key._replace(item="row")] = {"repository": names[1], "item": "row", "revision": "seven"}
    started = time.monotonic()
    secondary.worker.go_on()
    assert time.monotonic() - started < PATIENCE_S, "it ends"
    assert [secondary.row(name).state for name in (names[0], names[2])] == [SYNCED] * 2
    assert secondary.dlq.messages == []
