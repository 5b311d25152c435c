"""Backfills that are large: pushes stay ahead of them, and their price per repository and their memory stay flat."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, pushed

from geosync.messages.work import CatalogueMessage, WorkMessage
from geosync.sync_registry.items import SYNCED, Reference
from geosync.sync_registry.timing import Timing

WORKERS = 2
"""Wakes that are worked on at once, as WorkConcurrency has it."""
BETWEEN = 20
"""Tags that are written from one push to the next."""
LOOKS = 5
"""A thread that is about to end may hold a buffer yet; a leak is there at every look."""
KEPT_BYTES = 2048
"""Most of what one repository leaves: the table's times, a digest. A manifest with its image is more."""
ONCE = ("catalog", "referrers")
"""Requests that a registry gets once, not for each repository: the latter finds out that it has no such API."""


def test_pushes_stay_ahead_of_hundreds_of_tags_of_the_same_repository(
    plain_registry: Place, second_registry: Place, repository: str, record_property: Callable[[str, object], None]
) -> None:
    """What a push waits for is counted in the tags that are written between its event and its own tag."""
    tags, pushes = 600, 8
    secondary = Secondary(plain_registry, second_registry, timing=Timing())

    def written() -> list[str]:
        """The tags in the order in which the secondary's registry got them."""
        done = secondary.secondary_proxy.exchanges.copy()
        puts = (one for one in done if (one.method, one.kind, one.status) == ("PUT", "tag", 201))
        return [one.path.rpartition("/")[2] for one in puts]

    def is_at_work() -> bool:
        return not backfill.done()

    with (
        closing(secondary),
        plain_registry.maker(seed=1) as make,
        ThreadPoolExecutor(WORKERS) as invocations,
    ):
        there = make.image(repository, "v0", layers=1)
        for number in range(1, tags):
            make.retag(there, f"v{number}")
        secondary.sync_registry.mark(repository, Reference.whole())
        backfill = invocations.submit(secondary.sweep)
        told: dict[str, int] = {}
        for number in range(pushes):
            made = make.image(repository, f"pushed-{number}", layers=1)
            told[made.reference] = len(written())
            secondary.receive(pushed(made))
            while len(written()) < told[made.reference] + BETWEEN and is_at_work():
                time.sleep(0.01)
        while not told.keys() <= set(written()) and is_at_work():
            time.sleep(0.01)
        still_owed = len(secondary.sync_registry.owed(repository, limit=2 * tags))
        secondary.deadline.set(0)
        backfill.result()
    order = written()
    waited = {tag: order.index(tag) - at for tag, at in told.items()}
    record_property("waited", waited)
    assert 0 < still_owed < tags, "the backfill went on all the time, and was not over"
    assert max(waited.values()) < tags / 2, "behind the tags that were owed before, it would wait for most of them"


@dataclass(frozen=True, kw_only=True)
class Backfilled:
    """What a backfill took: the registries' requests for each repository, and our own bytes at the end."""

    requests: dict[tuple[str, str, str], float]
    kept: int
    most: tuple[str, ...]
    """The lines that hold most of them."""


@pytest.fixture(scope="module")
def backfills(start_registry: StartRegistry) -> dict[int, Backfilled]:
    """Backfills of 10 and of 50 repositories, each from and to registries of its own."""
    return {count: backfill_of(start_registry, count) for count in (10, 50)}


def test_a_repository_costs_the_same_among_10_and_among_50(backfills: dict[int, Backfilled]) -> None:
    assert backfills[50].requests == backfills[10].requests
    assert sum(backfills[50].requests.values()) == 11


def test_memory_does_not_grow_with_the_number_of_repositories(backfills: dict[int, Backfilled]) -> None:
    assert backfills[50].kept < backfills[10].kept + 40 * KEPT_BYTES, backfills[50].most


def kept_bytes() -> tuple[int, tuple[str, ...]]:
    """The bytes that our own code holds now, without the table and without garbage in cycles."""
    gc.collect()
    ours = tracemalloc.Filter(True, "*/layers/geosync/*")
    store = tracemalloc.Filter(False, "*/sync_registry/*")
    traces = tracemalloc.take_snapshot().filter_traces([ours, store])
    lines = traces.statistics("lineno")
    return sum(one.size for one in lines), tuple(map(str, lines[:5]))


def pauses() -> Iterator[None]:
    """Pauses between looks, in which a thread can free its buffers."""
    for _ in range(LOOKS):
        yield
        time.sleep(0.2)


def backfill_of(start_registry: StartRegistry, count: int) -> Backfilled:
    """Push an image to each of `count` repositories, then have them found and copied as reconcile and sync do."""
    primary = Place(registry=start_registry(RegistrySpec(name=f"primary-of-{count}")))
    to = Place(registry=start_registry(RegistrySpec(name=f"secondary-of-{count}")))
    with closing(Secondary(primary, to)) as secondary, primary.maker(seed=count) as make:
        images = [make.image(f"team/app-{number}", "v1", layers=1) for number in range(count)]
        tracemalloc.start()
        secondary.receive(CatalogueMessage().to_json())
        with ThreadPoolExecutor(WORKERS) as invocations:
            while due := secondary.sync_registry.due_repositories(limit=count):
                wakes = [WorkMessage(repository=name, reason="sweep").to_json() for name in due]
                list(invocations.map(secondary.worker.receive, wakes))
        kept, most = min(kept_bytes() for _ in pauses())
        tracemalloc.stop()
        requests = {
            (name, *key): value / count
            for name, proxy in (("primary", secondary.primary_proxy), ("secondary", secondary.secondary_proxy))
            for key, value in proxy.counts().items()
            if key[1] not in ONCE
        }
        for made in images:
            assert secondary.digest(made.repository, "v1") == made.digest
            assert secondary.row(made.repository).state == SYNCED
        return Backfilled(requests=requests, kept=kept, most=most)
