"""A tag that is pushed again and again ends on the last digest, whatever the registry shows when it tells of a push.

A registry sends its event before it writes the tag. Here the proxy in front of it makes that visible: each push shows a
second late, so that every look right after an event finds an older digest.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.integration.secondary import Secondary, pushed
from tests.support.images import ImageMaker, Made

from geosync.sync_registry.items import SYNCED

REPUSHES = 60
LATE = 0.5
CONSUMERS = 4
"""Invocations at a time, as the event source's bound has it."""


@pytest.fixture
def make(secondary: Secondary) -> Iterator[ImageMaker]:
    """An image maker that pushes through the proxy, so that the proxy knows when each tag was written."""
    with ImageMaker(secondary.primary_proxy.url, seed=time.time_ns()) as maker:
        yield maker


class Consumers:
    """Invocations that take events off a queue while they are pushed."""

    def __init__(self, secondary: Secondary) -> None:
        self._secondary = secondary
        self._events: queue.Queue[str | None] = queue.Queue()
        self._threads = [threading.Thread(target=self._work) for _ in range(CONSUMERS)]

    def __enter__(self) -> Callable[[Made], None]:
        for thread in self._threads:
            thread.start()
        return lambda made: self._events.put(pushed(made).to_json())

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._events.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (body := self._events.get()) is not None:
            self._secondary.worker.receive(body)


@pytest.mark.parametrize("late", [0.0, LATE])
def test_a_tag_pushed_again_and_again_ends_on_the_last_digest(
    secondary: Secondary, make: ImageMaker, repository: str, late: float
) -> None:
    if late:
        secondary.primary_proxy.show_tags_late(late)
    layer = make.layer(repository, 2000)
    with Consumers(secondary) as told:
        for _ in range(REPUSHES):
            last = make.image(repository, "latest", layers=0, reuse=[layer])
            told(last)
    secondary.sweep_until(lambda: not secondary.owed(repository), passing=0)
    assert secondary.digest(repository, "latest") == last.digest
    assert secondary.row(repository).state == SYNCED
    assert not secondary.dlq.messages


def test_every_single_push_that_shows_late_is_found(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    """Each push is the last one of its own tag, and none of them is there yet when its event comes."""
    secondary.primary_proxy.show_tags_late(LATE)
    layer = make.layer(repository, 2000)
    tags = [f"v{number}" for number in range(20)]
    last: dict[str, Made] = {}
    with Consumers(secondary) as told:
        for _round in range(3):
            for tag in tags:
                last[tag] = make.image(repository, tag, layers=0, reuse=[layer])
                told(last[tag])
    secondary.sweep_until(lambda: not secondary.owed(repository), passing=0)
    assert {tag: secondary.digest(repository, tag) for tag in tags} == {tag: made.digest for tag, made in last.items()}
