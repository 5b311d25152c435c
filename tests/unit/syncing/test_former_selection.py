"""A worker that began before the selection was changed: it goes on for its invocation, and lets nothing go by that."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.support.ahead_clock import AheadClock
from tests.support.clock import FakeClock
from tests.unit.syncing.test_holder import REPOSITORY, Site
from tests.unit.template.parts import FUNCTIONS

from geosync.errors import OutOfTime
from geosync.intake.intake import NOTED_FOR_S, Intake
from geosync.intake.marking import IntakeContext
from geosync.messages.geo_event import Heartbeat
from geosync.pair.selection import EVERYTHING, Selection
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.subscription import (
    CHECKED_FOR_S,
    FORMER_S,
    FORMER_WORKER_S,
    UPDATE_S,
    SubscriptionItem,
)
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.timing import ms
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.ending import Ending
from geosync.working.comparison import ComparisonWork

TAG = Reference.tag("v1")
FORMER = Selection.parse(exclude_tags="v*")


@pytest.fixture
def clock() -> AheadClock:
    return AheadClock()


@pytest.fixture
def site(clock: AheadClock) -> Site:
    """A site whose selection has just got `v1`, with a push of it that was marked since."""
    site = Site(clock=clock)
    for selection in (FORMER, EVERYTHING):
        site.sync_registry.subscription.note_selection(selection.fingerprint)
    pushed = site.primary.add_image(b"layer", tag=TAG.value)
    site.sync_registry.mark(REPOSITORY, TAG, Mark(expects=pushed.digest))
    return site


def owed(site: Site) -> set[Reference]:
    return {one.reference for one in site.sync_registry.owed(REPOSITORY)}


def test_a_tag_that_was_selected_meanwhile_stays_owed_for_a_worker_with_the_new_selection(site: Site) -> None:
    site.selection = FORMER
    assert site.hold() is Ending.OUT_OF_TIME
    assert owed(site) == {TAG}
    site.selection = EVERYTHING
    assert site.hold() is Ending.FINISHED
    assert TAG.value in site.secondary.tagged


def test_a_comparison_is_left_to_a_worker_with_the_new_selection(site: Site) -> None:
    whole = Reference.whole()
    site.sync_registry.mark(REPOSITORY, whole)
    site.selection = FORMER
    assert site.hold() is Ending.OUT_OF_TIME
    assert owed(site) == {TAG, whole}


def test_a_walk_through_the_catalogue_is_left_to_a_worker_with_the_new_selection(site: Site) -> None:
    site.selection = FORMER
    place: Any = type("Place", (), {"sync_registry": site.sync_registry, "logger": logging.getLogger("walk")})
    readiness: Any = type(
        "Readiness",
        (),
        {
            "registries": staticmethod(lambda: type("Registries", (), {"selection": site.selection})),
            "is_stopped": staticmethod(lambda: False),
        },
    )
    ComparisonWork(place, readiness, None).walk()  # type: ignore[arg-type]
    assert site.sync_registry.catalogue.latest() is None


def test_a_worker_that_started_long_after_the_note_decides(site: Site, clock: AheadClock) -> None:
    """Nobody has noted its selection yet: no event came since."""
    clock.ahead += ms(FORMER_WORKER_S)
    site.selection = FORMER
    assert site.hold() is Ending.FINISHED
    assert owed(site) == set()


def test_settings_read_long_after_the_note_are_newer_than_the_note() -> None:
    """The selection was changed twice within FORMER_WORKER_S, and no event told of the second change."""
    clock, store = FakeClock(), MemoryStore()
    noting = SubscriptionItem(store, clock)
    for selection in (EVERYTHING, FORMER):
        noting.note_selection(selection.fingerprint)
    clock.pass_(UPDATE_S - 1)
    before = SubscriptionItem(store, clock)
    clock.pass_(1)
    newer = SubscriptionItem(store, clock)
    for fingerprint in (EVERYTHING.fingerprint, "a third one"):
        newer.check_selection(fingerprint)
        with pytest.raises(OutOfTime):
            before.check_selection(fingerprint)


def test_a_former_environment_that_notes_late_is_set_right_within_half_a_minute() -> None:
    clock, store = FakeClock(), MemoryStore()
    sync_registry = SyncRegistry(store, clock=clock)
    nothing: Any = logging.getLogger("intake")

    def intake(selection: Selection) -> Intake:
        context = IntakeContext(
            role="secondary", sync_registry=sync_registry, selection=selection, registry_names=("a:5000", "b:5000")
        )
        return Intake(context, nothing, logger=nothing, metrics=nothing, clock=clock)

    def noted() -> str | None:
        known = sync_registry.subscription.read()
        return known.selection if known is not None else None

    former, present = intake(FORMER), intake(EVERYTHING)
    for one in (present, former):
        one.take([Heartbeat(id="beat", site="alpha", sent_at=clock.now, received_at=clock.now).to_json()])
    assert noted() == FORMER.fingerprint
    clock.pass_(NOTED_FOR_S)
    present.take([Heartbeat(id="beat", site="alpha", sent_at=clock.now, received_at=clock.now).to_json()])
    assert noted() == EVERYTHING.fingerprint


def test_a_selection_that_never_changed_costs_nobody_anything(clock: AheadClock) -> None:
    site = Site(clock=clock)
    site.selection = FORMER
    site.sync_registry.mark(REPOSITORY, TAG)
    assert site.hold() is Ending.FINISHED
    assert owed(site) == set()


def test_a_worker_asks_once_in_a_while_and_long_before_the_comparison_that_counts() -> None:
    clock, store = FakeClock(), MemoryStore()
    noting, asking = SubscriptionItem(store, clock), SubscriptionItem(store, clock)
    noting.note_selection(FORMER.fingerprint)
    asking.check_selection(FORMER.fingerprint)
    noting.note_selection(EVERYTHING.fingerprint)
    clock.pass_(CHECKED_FOR_S - 1)
    asking.check_selection(FORMER.fingerprint)
    clock.pass_(2)
    with pytest.raises(OutOfTime):
        asking.check_selection(FORMER.fingerprint)
    assert CHECKED_FOR_S <= FORMER_S / 4


def test_both_functions_time_out_within_the_reckoned_time() -> None:
    assert FUNCTIONS["LogCursorFunction"]["Timeout"] <= FORMER_S
    assert FUNCTIONS["SyncFunction"]["Timeout"] + UPDATE_S <= FORMER_WORKER_S, "and an update takes a while"
