"""What a comparison brought before its events came is announced by the event of that push, and by no other."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

from tests.unit.syncing.test_holder import REPOSITORY
from tests.unit.syncing.test_sizes import TAG, World, push, seen

from geosync.intake.marking import IntakeContext, Marking
from geosync.messages.geo_event import EventName, GeoEvent
from geosync.pair.selection import EVERYTHING
from geosync.sync_registry.items import Owed, Seen
from geosync.sync_registry.table.changes import Key, Update
from geosync.syncing.ending import Ending


def brought(site: World) -> str:
    """Have a comparison find the second of two pushes, and bring it before the event of either came."""
    image = site.primary.add_image(b"second", tag="v1")
    push(site, image)
    site.store.write(Update(key=Key(REPOSITORY, TAG.seen_key), set={"unannounced": True, "suspected": True}))
    return image.digest


def take(site: World, digest: str | None, name: EventName = "updated") -> Owed | None:
    """Take in an event that was sent before the find; returns what is owed then."""
    metrics: Any = SimpleNamespace(put=lambda _: None)
    logger: Any = logging.getLogger("marking")
    context = IntakeContext(role="secondary", sync_registry=site.sync_registry, selection=EVERYTHING, registry_names=())
    event = GeoEvent(
        id="e",
        site="dublin",
        event_name=name,
        repository=REPOSITORY,
        tag="v1",
        digest=digest,
        media_type=None,
        occurred_at=None,
        received_at=seen(site).looked_at - 1000,
        source="r",
        correlation_id="c",
    )
    glance = site.sync_registry.look(REPOSITORY, TAG)
    Marking(context, logger=logger, metrics=metrics).mark(event, glance)
    return site.sync_registry.look(REPOSITORY, TAG).owed


def state(one: Seen) -> tuple[bool, bool]:
    return one.unannounced, one.suspected


def test_an_event_of_an_earlier_push_does_not_announce_a_later_find() -> None:
    site = World()
    second, first = brought(site), site.primary.add_image(b"first").digest
    events: tuple[tuple[str | None, EventName], ...] = ((first, "updated"), (None, "deleted"))
    for digest, name in events:
        assert take(site, digest, name) is not None
        assert state(seen(site)) == (True, True)
        site.ahead.ahead += 3_600_000  # the primary's tag has had time to become what the event names
        assert site.hold() is Ending.FINISHED
        assert site.sync_registry.look(REPOSITORY, TAG).owed is None
        assert (seen(site).digest, state(seen(site))) == (second, (True, True)), "a look announces nothing"
    owed = take(site, second)
    assert owed is not None
    assert owed.expects == {second}, "whoever discharges it measures the push that the comparison brought"
    assert state(seen(site)) == (False, False)
    assert site.hold() is Ending.FINISHED
    assert take(site, second) is None, "it came twice"


def test_an_event_without_a_digest_may_announce_the_find() -> None:
    site = World()
    brought(site)
    assert take(site, None) is not None
    assert state(seen(site)) == (False, False)
    assert site.hold() is Ending.FINISHED
    assert state(seen(site)) == (False, False)
