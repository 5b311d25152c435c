"""Delivered events join the comparison: a heartbeat never passes over a gap between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.minute.secondary import MINUTE, START, Secondary, sent

from geosync.operating import status
from geosync.operating.recovery_point import why_not_known
from geosync.sync_registry.items import Item
from geosync.sync_registry.site import subscription
from geosync.sync_registry.site.recovery import Recovery
from geosync.sync_registry.table.changes import Delete

NOT_JOINED = "no comparison is complete that began after the site subscribed to the primary's topic"

RESELECTED = "no comparison is complete that began after the selection changed"


def minutes(secondary: Secondary, number: int) -> status.Status:
    for _ in range(number - 1):
        secondary.minute()
    return secondary.minute()


def test_a_comparison_that_began_before_the_subscription_proves_nothing_of_what_is_delivered() -> None:
    secondary = Secondary()
    compared_at = START - 10 * MINUTE
    secondary.compared(compared_at)
    secondary.subscribe(START, "subscription-2")
    found = minutes(secondary, 4)
    assert (found.recovery_point, found.recovery.why) == (compared_at, NOT_JOINED)
    secondary.compared(secondary.clock.now - MINUTE)
    assert secondary.minute().recovery_point == sent(secondary, 1)
    assert secondary.status().recovery.why is None


@pytest.mark.parametrize(("seconds", "joins"), [(0, False), (29, False), (30, True)])
def test_a_comparison_joins_the_subscription_once_a_registry_had_time_to_write_a_tag(seconds: int, joins: bool) -> None:
    secondary = Secondary()
    secondary.subscribe(START, "subscription-2")
    secondary.compared(START + seconds * 1000)
    found = minutes(secondary, 4)
    assert found.recovery_point == (sent(secondary, 1) if joins else START + seconds * 1000)


def test_events_sent_while_the_subscription_was_gone_hold_the_recovery_point_back(secondary: Secondary) -> None:
    known = minutes(secondary, 4).recovery_point
    secondary.subscribe(secondary.clock.now, "subscription-2")  # somebody deleted the first
    found = minutes(secondary, 4)
    assert (found.recovery_point, found.recovery.why) == (known, NOT_JOINED)
    begun = secondary.clock.now
    secondary.compared(begun, proved_at=START - 10 * MINUTE, settled_at=START - 10 * MINUTE)
    assert secondary.minute().recovery_point == known, "the comparison goes on"
    secondary.compared(begun)
    assert secondary.minute().recovery_point == sent(secondary, 1)


def test_a_minute_that_cannot_look_at_the_subscription_accounts_for_nothing(secondary: Secondary) -> None:
    known = minutes(secondary, 4).recovery_point
    secondary.followed = replace(secondary.followed, is_subscribed=False)
    found = minutes(secondary, 3)
    assert found.recovery_point == known
    assert found.recovery.why == "the subscription to the primary's topic could not be looked at"
    secondary.followed = replace(secondary.followed, is_subscribed=True)
    assert secondary.minute().recovery_point == sent(secondary, 1)


def test_while_the_backfill_goes_on_heartbeats_are_accounted_for_its_end() -> None:
    secondary = Secondary()
    secondary.compared(START, proved_at=None, settled_at=None)
    found = minutes(secondary, 4)
    assert (found.recovery_point, found.recovery.why) == (None, None)
    assert found.recovery.sent_at == sent(secondary, 1)


def test_after_an_update_of_the_version_before_the_point_stands_until_a_comparison_is_complete(
    secondary: Secondary,
) -> None:
    secondary.store.write(Delete(key=subscription.KEY))
    before = START - 3 * MINUTE
    secondary.sync_registry.recovery.write(Recovery(sent_at=before, at=START - MINUTE, point=before))
    found = minutes(secondary, 3)
    assert (found.recovery_point, found.recovery.why) == (
        before,
        "the site has not subscribed to the primary's topic yet",
    )
    secondary.subscribe(secondary.clock.now)
    assert secondary.minute().recovery_point == before
    secondary.compared(secondary.clock.now)
    assert minutes(secondary, 2).recovery_point == sent(secondary, 1)


def test_a_subscription_of_the_future_is_seen_anew_once_the_clock_was_set_back() -> None:
    secondary = Secondary()
    secondary.subscribe(START + 60 * MINUTE, "subscription-2")
    secondary.subscribe(START, "subscription-2")
    known = secondary.sync_registry.subscription.read()
    assert known is not None
    assert (known.since, known.gapless_from) == (START, START + 30_000)
    secondary.subscribe(START + MINUTE, "subscription-2")
    assert secondary.sync_registry.subscription.read() == known


# ── another primary ──


def test_the_recovery_point_of_the_former_primary_is_not_told_as_that_of_another(secondary: Secondary) -> None:
    topic = secondary.followed.primary
    assert topic is not None
    secondary.sync_registry.catalogue.follow(topic)
    known = minutes(secondary, 4).recovery_point
    assert known is not None
    assert secondary.status().recovery_point == known
    assert status.read(secondary.sync_registry, primary=topic, clock=secondary.clock).recovery_point == known
    found = status.read(secondary.sync_registry, primary="arn:of:another", clock=secondary.clock)
    assert (found.recovery_point, found.recovery_point_but_parked, found.proved_at) == (None, None, None)
    assert why_not_known(found) == "no comparison of everything has begun"
    before = items(secondary)
    secondary.sync_registry.catalogue.follow("arn:of:another")
    after = status.read(secondary.sync_registry, primary="arn:of:another", clock=secondary.clock)
    assert before != items(secondary)
    assert replace(found, at=after.at) == after, "the minute forgets just that"


def items(secondary: Secondary) -> dict[str, Item]:
    return {key.item: item for key, item in secondary.store.table.items()}


def test_newly_selected_tags_are_not_claimed_before_a_comparison_that_began_afterwards(
    secondary: Secondary,
) -> None:
    secondary.sync_registry.subscription.note_selection("a")
    known = minutes(secondary, 4)
    assert known.recovery_point == sent(secondary, 1), "the first selection that is noted changes nothing"
    secondary.sync_registry.subscription.note_selection("a")
    assert secondary.minute().recovery_point == sent(secondary, 1)
    secondary.sync_registry.subscription.note_selection("b")
    found = secondary.minute()
    assert (found.recovery_point, found.proved_at, found.recovery_point_but_parked) == (None, None, None)
    assert found.recovery.why == why_not_known(found) == RESELECTED
    secondary.compared(secondary.clock.now + MINUTE - 1)  # an event may have been dropped by the former selection yet
    assert secondary.minute().recovery_point is None
    secondary.compared(secondary.clock.now)
    assert minutes(secondary, 3).recovery_point == sent(secondary, 1)


def test_a_selection_that_was_noted_before_a_clock_was_set_back_holds_nothing_up(secondary: Secondary) -> None:
    secondary.sync_registry.subscription.note_selection("a")
    secondary.sync_registry.subscription.note_selection("b")
    secondary.clock.now -= 60 * MINUTE
    secondary.sync_registry.subscription.record("subscription-1", settle_s=30.0)
    known = secondary.sync_registry.subscription.read()
    assert known is not None
    assert known.joins(secondary.clock.now + MINUTE)
