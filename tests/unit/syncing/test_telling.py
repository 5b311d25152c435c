"""A holder announces arrivals while it works, and records a failure before it counts it."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from typing import Any

from tests.support.patience import PATIENCE_S
from tests.unit.syncing.test_holder import REPOSITORY, Nothing, Site

from geosync.announcing.announcer import Announcer, Listeners
from geosync.errors import Refused
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.outbox import SPREAD, ReplicationEvent
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.ending import Ending


class Bus:
    """EventBridge and SNS: keep what they are told. `told` is set by the first."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self.told = threading.Event()

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.tags += [json.loads(one["Detail"])["tag"] for one in Entries]
        return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}

    def publish_batch(self, **_: Any) -> dict[str, Any]:
        self.told.set()
        return {}


def telling() -> tuple[Site, Bus, Any]:
    """A site at which somebody listens, the bus, and the announcer."""
    site, bus, nothing = Site(), Bus(), Nothing()
    site.sync_registry = SyncRegistry(site.store, tells=True)
    heard: Any = bus
    metrics: Any = nothing
    logger: Any = logging.getLogger("telling")
    listeners = Listeners(lambda _: heard, topic_arn="arn", site="oregon")
    return site, bus, Announcer(site.sync_registry.outbox, listeners, logger=logger, metrics=metrics)


def push(site: Site, *tags: str) -> None:
    for tag in tags:
        image = site.primary.add_image(tag.encode(), tag=tag)
        site.sync_registry.mark(REPOSITORY, Reference.tag(tag), Mark(expects=image.digest))


def hold(site: Site, announcer: Any) -> Ending:
    holder = site.holder()
    holder._invocation = replace(holder._invocation, announcer=announcer)
    return holder.run()


def untold(site: Site) -> list[ReplicationEvent]:
    return [ReplicationEvent.from_item(item) for key, item in site.store.table.items() if key.repository in SPREAD]


def test_an_arrival_is_told_while_another_reference_is_still_copied() -> None:
    site, bus, announcer = telling()
    push(site, "quick", "slow")
    was_told: list[bool] = []

    def before(verb: str, what: str) -> None:
        if verb == "GET manifest" and what == "slow":
            was_told.append(bus.told.wait(PATIENCE_S))

    site.primary.before = before
    assert hold(site, announcer) is Ending.FINISHED
    assert was_told == [True]
    assert bus.tags == ["quick", "slow"]
    assert untold(site) == []


def test_every_arrival_is_told_before_the_holder_ends() -> None:
    site, bus, announcer = telling()
    push(site, *(f"v{number}" for number in range(12)))
    hold(site, announcer)
    assert sorted(bus.tags) == sorted(f"v{number}" for number in range(12))
    assert untold(site) == []


def test_a_reference_that_fails_for_good_is_recorded_with_its_reason() -> None:
    site, _, _ = telling()
    push(site, "v1")

    def before(verb: str, what: str) -> None:
        if verb == "GET manifest":
            raise Refused("primary:5000", "GET v1", status=400, codes=("MANIFEST_INVALID",))

    site.primary.before = before
    hold(site, None)
    (event,) = untold(site)
    assert (event.kind, event.parked, event.attempts, event.reason) == (
        "failed",
        True,
        1,
        "primary:5000: GET v1: 400 MANIFEST_INVALID",
    )


def test_with_arrivals_off_nothing_is_written() -> None:
    site = Site()
    push(site, "v1")
    assert hold(site, None) is Ending.FINISHED
    assert untold(site) == []
