"""The recovery point: everything pushed before it is here and was seen; each thing that could make it lie stops it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tests.support.letters import letter
from tests.unit.minute.secondary import MINUTE, START, V1, V2, Secondary, park, see, sent

from geosync.comparing import catalogue
from geosync.messages.geo_event import GeoEvent
from geosync.sync_registry.items import ABSENT, MISSING, Reference
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site import walks
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Comparison, Mark


def test_the_recovery_point_follows_the_heartbeats_a_minute_behind(secondary: Secondary) -> None:
    assert secondary.minute().recovery_point == START - 10 * MINUTE, "the first has only just arrived"
    for _ in range(3):
        assert secondary.minute().recovery_point == sent(secondary, 1)


def test_before_the_first_comparison_is_complete_the_recovery_point_is_not_known() -> None:
    secondary = Secondary()
    for _ in range(3):
        assert secondary.minute().recovery_point is None


def test_without_heartbeats_the_recovery_point_stays_where_the_last_comparison_proved_it(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    known = secondary.minute().recovery_point
    for _ in range(10):
        secondary.clock.now += MINUTE
        found = secondary.reconcile()
    assert found.recovery_point == sent(secondary, 10) > (known or 0)
    assert found.heartbeat is not None
    assert found.at - found.heartbeat.arrived_at == 10 * MINUTE


def test_an_event_in_the_queue_stops_the_recovery_point(secondary: Secondary) -> None:
    """An event may be overtaken by the heartbeats that were sent after it: a queue delivers in any order."""
    for _ in range(2):
        secondary.minute()
    before = secondary.status().recovery_point
    secondary.queues.waiting = itertools.repeat(1)
    for _ in range(5):
        found = secondary.minute()
    assert found.recovery_point == before
    assert found.recovery.why == "events wait in the queue: 1"
    secondary.queues.waiting = itertools.cycle([3, 0, 2])  # busy, and empty now and then
    assert secondary.minute().recovery_point == sent(secondary, 1)


def test_the_recovery_point_is_the_oldest_owed_push_and_not_the_arrival_of_its_event(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    pushed = secondary.clock.now - 30 * MINUTE
    secondary.owe(secondary.clock.now - 20 * MINUTE)
    secondary.owe(pushed)  # the event of an earlier push of the tag, delivered later
    secondary.owe(secondary.clock.now, V2)
    secondary.sync_registry.mark("team/app", Reference.whole())  # to be compared: no push
    for _ in range(2):
        assert secondary.minute().recovery_point == pushed
    lost = secondary.status().would_be_lost
    assert (lost[0].repository, lost[0].reference, lost[0].pushed_at) == ("team/app", "v1", pushed)
    assert {one.reference for one in lost} == {"v1", "v2"}


def test_a_tag_that_only_waits_for_its_removal_is_no_loss(secondary: Secondary) -> None:
    """A DeletionDelay of weeks must not keep the recovery point back for weeks."""
    secondary.sync_registry.mark("team/app", V1, Mark(expects=ABSENT, pushed_at=secondary.clock.now))
    secondary.sync_registry.mark("team/app", V2, Mark(if_absent=frozenset({MISSING}), pushed_at=secondary.clock.now))
    for _ in range(3):
        secondary.minute()
    assert secondary.minute().recovery_point == sent(secondary, 1)
    assert secondary.status().would_be_lost == ()
    pushed_at = secondary.clock.now
    secondary.sync_registry.mark("team/app", V1, Mark(expects="sha256:a", pushed_at=pushed_at))
    assert [one.reference for one in secondary.minute().would_be_lost] == ["v1"], "pushed again meanwhile"


def test_the_recovery_point_stops_with_the_sweep(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    secondary.sweeps = False
    points = {secondary.minute().recovery_point for _ in range(15)}
    assert max(point or 0 for point in points) == START + 3 * MINUTE + 5 * MINUTE - MINUTE - 1000
    assert secondary.status().recovery.why == "the sweep does not run"


def test_an_unmarked_message_stops_the_recovery_point_until_it_is_replayed(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    before = secondary.status().recovery_point
    secondary.sync_registry.recovery.record_refused()
    assert secondary.minute().recovery_point == before
    assert secondary.status().recovery.why == "a message could not be marked, and is not in the DLQ yet"
    secondary.queues.letters = [letter(1, "no JSON", kind="refused")]
    for _ in range(3):
        assert secondary.minute().recovery_point == before
    assert secondary.status().recovery.why == "the DLQ holds messages that could not be marked: 1"
    secondary.queues.letters.clear()
    assert secondary.minute().recovery_point == sent(secondary, 1)
    assert not secondary.status().refused


def test_a_parked_reference_stops_the_recovery_point_but_not_that_of_the_others(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    pushed = secondary.clock.now - 30_000
    for _ in range(2):  # parked, pushed again, and parked again: two letters
        park(secondary, secondary.owe(pushed))
    for _ in range(3):
        found = secondary.minute()
    assert found.recovery_point == pushed
    assert found.recovery_point_but_parked == sent(secondary, 1)
    assert found.recovery.why is None
    assert len(secondary.queues.letters) == 1


def test_a_redriven_message_stops_the_recovery_point_beside_any_number_of_parked_references(
    secondary: Secondary,
) -> None:
    for _ in range(3):
        secondary.minute()
    for number in range(3):
        secondary.sync_registry.fail(secondary.owe(0, Reference.tag(f"v{number}")), "refused", parked=True)  # no letter
    secondary.minute()
    before = secondary.status().recovery.sent_at
    secondary.queues.letters.append(letter(9, '{"version":"1"}', kind="crashed"))
    assert secondary.minute().recovery.why == "the DLQ holds messages that could not be marked: 1"
    assert secondary.status().recovery.sent_at == before


def test_a_refused_message_that_was_replayed_is_forgotten_though_letters_of_references_stay(
    secondary: Secondary,
) -> None:
    for _ in range(3):
        secondary.minute()
    park(secondary, secondary.owe(0))
    secondary.sync_registry.recovery.record_refused()
    secondary.queues.letters.append(letter(9, "no JSON", kind="refused"))
    assert secondary.minute().recovery.why == "the DLQ holds messages that could not be marked: 1"
    secondary.queues.letters.pop()
    for _ in range(2):
        found = secondary.minute()
    assert found.recovery.why is None
    assert not secondary.status().refused
    assert found.recovery_point_but_parked == sent(secondary, 1)


def test_with_more_owed_than_is_read_the_recovery_point_stays(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    before = secondary.status().recovery_point
    for number in range(5):
        secondary.owe(secondary.clock.now - number, Reference.tag(f"v{number}"))
    assert secondary.status(most=3).recovery_point == before


# ── what makes a comparison complete ──


def walk(secondary: Secondary, repositories: int = 1) -> int:
    """A walk that has just ended."""
    times = {"started_at": secondary.clock.now, "finished_at": secondary.clock.now, "touched_at": secondary.clock.now}
    secondary.store.write(Update(key=catalogue_item.KEY, set=times | {"repositories": repositories}))
    return secondary.clock.now


def compare(secondary: Secondary, started_at: int, repository: str = "team/app") -> None:
    secondary.store.write(walks.count(started_at, repository, {walks.COMPARED: 1}, now_ms=secondary.clock.now))


def test_a_comparison_is_complete_once_all_its_finds_are_discharged() -> None:
    secondary = Secondary()
    started_at = walk(secondary, repositories=2)
    compare(secondary, started_at)
    for _ in range(3):
        assert secondary.minute().proved_at is None, "one of two repositories is compared"
    found = secondary.owe(0, comparison=Comparison(walk=started_at))
    compare(secondary, started_at, "team/other")
    for _ in range(3):
        assert secondary.minute().proved_at is None, "a tag that it found is owed"
    secondary.sync_registry.fail(found, "schema 1 is refused", parked=True)
    for _ in range(3):
        assert secondary.minute().proved_at is None, "a tag that it found is parked"
    assert secondary.status().recovery_point is None
    assert secondary.status().recovery_point_but_parked == sent(secondary, 1)
    secondary.store.table.pop(next(key for key in secondary.store.table if key.item == "owed#tag#v1"))
    secondary.minute()
    assert secondary.minute().proved_at == started_at
    assert secondary.status().recovery_point == sent(secondary, 1)


def test_a_tag_that_was_owed_when_a_comparison_found_it_counts_as_its_find(secondary: Secondary) -> None:
    """Its event tells of the last push; an earlier one of a gap, or that nobody announced, is not here either."""
    for _ in range(3):
        secondary.minute()
    proved_at, started_at = secondary.status().proved_at, walk(secondary)
    owed = secondary.owe(secondary.clock.now - 5 * MINUTE)
    assert secondary.status().recovery_point == owed.pushed_at
    secondary.sync_registry.note_different(owed, owed.pushed_at - MINUTE)
    secondary.sync_registry.note_different(owed, owed.pushed_at)
    compare(secondary, started_at)
    for _ in range(3):
        found = secondary.minute()
        assert found.comparison is not None
        assert not found.comparison.complete
    park(secondary, owed)
    for _ in range(3):
        found = secondary.minute()
    assert found.comparison is not None
    assert found.comparison.complete
    assert found.proved_at == proved_at
    assert found.recovery_point == owed.pushed_at - MINUTE
    assert found.recovery_point_but_parked == sent(secondary, 1)


def test_a_late_comparison_makes_nothing_owed(secondary: Secondary) -> None:
    owed = secondary.owe(START)
    secondary.store.table.clear()
    secondary.sync_registry.note_different(owed, 0)
    assert not secondary.store.table


def test_the_next_comparison_waits_for_a_moving_one_and_not_for_a_stalled_one() -> None:
    secondary = Secondary()
    started_at = walk(secondary, repositories=3)

    def is_due() -> bool:
        return catalogue.is_due(
            catalogue_item.CatalogueItem(secondary.store).latest(), now_ms=secondary.clock.now, every_s=120
        )

    for number in range(2):
        compare(secondary, started_at, f"team/app-{number}")
        for _ in range(3):
            secondary.minute()
            assert not is_due()
    secondary.clock.now += catalogue.STALLED_AFTER_MS
    assert is_due()


def test_a_walk_that_was_asked_for_is_due_at_once(secondary: Secondary) -> None:
    assert not catalogue.is_due(
        catalogue_item.CatalogueItem(secondary.store).latest(), now_ms=secondary.clock.now, every_s=0
    )
    catalogue_item.CatalogueItem(secondary.store).ask()
    assert catalogue.is_due(
        catalogue_item.CatalogueItem(secondary.store).latest(), now_ms=secondary.clock.now, every_s=0
    )
    assert catalogue.is_due(catalogue_item.CatalogueItem(MemoryStore()).latest(), now_ms=0, every_s=0)


# ── when an event says it was pushed ──


@pytest.mark.parametrize(
    ("occurred_at", "pushed_at"),
    [
        ("2026-11-24T05:45:04.878311822Z", 1_795_499_104_878),
        ("2026-11-24T06:45:04+01:00", 1_795_499_104_000),
        ("2026-11-24T05:45:04", 1_795_499_108_100),  # in no time zone: it says nothing
        ("2027-01-01T00:00:00Z", 1_795_499_108_100),  # a clock that is ahead
        ("yesterday", 1_795_499_108_100),
        (None, 1_795_499_108_100),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_a_push_has_the_age_of_its_earliest_report(occurred_at: str | None, pushed_at: int) -> None:
    event = GeoEvent(
        id="e",
        site="p",
        event_name="created",
        repository="a",
        tag="v1",
        digest=None,
        media_type=None,
        occurred_at=occurred_at,
        received_at=1_795_499_108_100,
        source="test",
        correlation_id="c",
    )
    assert event.pushed_at == pushed_at


def test_a_repeated_announcement_of_an_image_that_is_here_is_no_loss_and_holds_nothing_back(
    secondary: Secondary,
) -> None:
    secondary.compared(START)
    see(secondary, "sha256:a")
    secondary.owe(pushed_at=START - MINUTE)
    found = secondary.status()
    assert found.would_be_lost == ()
    assert found.recovery_point == START
    assert not found.nothing_owed, "it will be looked at all the same"


@pytest.mark.parametrize(
    ("seen", "mark"),
    [
        ({"digest": "sha256:before"}, {}),
        ({"digest": "sha256:a", "primary": "another"}, {}),
        ({"digest": "sha256:a"}, {"distrust": frozenset({"sha256:layer"})}),
    ],
    ids=["something else was seen", "seen under another primary", "verification found it broken"],
)
def test_an_announced_image_that_is_not_known_to_be_here_would_be_lost(
    secondary: Secondary, seen: dict[str, Any], mark: dict[str, Any]
) -> None:
    secondary.compared(START)
    see(secondary, **seen)
    secondary.owe(pushed_at=START - MINUTE, **mark)
    assert [one.reference for one in secondary.status().would_be_lost] == ["v1"]
    assert secondary.status().recovery_point == START - MINUTE


def test_a_repeated_announcement_whose_look_failed_would_be_lost(secondary: Secondary) -> None:
    secondary.compared(START)
    see(secondary, "sha256:a")
    secondary.sync_registry.fail(secondary.owe(pushed_at=START - MINUTE), "503")
    assert len(secondary.status().would_be_lost) == 1


def test_two_digests_announced_since_it_was_seen_would_be_lost(secondary: Secondary) -> None:
    secondary.compared(START)
    see(secondary, "sha256:a")
    for digest in ("sha256:b", "sha256:a"):
        secondary.sync_registry.mark("team/app", V1, Mark(expects=digest, pushed_at=START))
    assert len(secondary.status().would_be_lost) == 1


def test_an_unreadable_record_of_a_look_counts_as_no_look(secondary: Secondary) -> None:
    secondary.compared(START)
    see(secondary, "sha256:a", looked_at="nonsense")
    secondary.owe(pushed_at=START)
    assert len(secondary.status().would_be_lost) == 1
