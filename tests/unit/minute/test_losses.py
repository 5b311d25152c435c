"""Notifications that may be lost: when that is decided, and when it is taken back."""

from __future__ import annotations

import itertools
from dataclasses import replace
from unittest.mock import Mock

import pytest
from tests.support.letters import letter
from tests.unit.minute.secondary import MINUTE, START, V1, V2, Secondary, see, sent

from geosync.messages.measurements import Measurements
from geosync.messages.queues import Queue
from geosync.minute import losses
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site.recovery import LOST
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.transitions.marks import Comparison, Mark
from geosync.syncing.measuring import Measuring


def find(secondary: Secondary, reference: Reference = V1, digest: str = "sha256:a") -> None:
    """A comparison finds a tag, copies it, and discharges it as unannounced."""
    now = secondary.clock.now
    comparison = Comparison(walk=now, unannounced=True)
    owed = secondary.sync_registry.mark("team/app", reference, Mark(pushed_at=now, comparison=comparison))
    secondary.sync_registry.suspected.record(owed)
    secondary.store.table.pop(Key("team/app", reference.owed_key))
    seen = {"digest": digest, "looked_at": now, "seen_at": now, "unannounced": True, "suspected": True}
    secondary.store.write(Update(key=Key("team/app", reference.seen_key), set=seen))


def lose(secondary: Secondary) -> None:
    """The same, and the queue was seen empty so long after that no event is on its way."""
    find(secondary)
    for _ in range(2):
        secondary.minute()
    assert secondary.status().lost is not None


def test_after_a_lost_notification_the_recovery_point_is_what_comparisons_prove(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    lose(secondary)
    for _ in range(3):
        assert secondary.minute().recovery_point == START - 10 * MINUTE
    secondary.compared(secondary.clock.now)
    assert secondary.minute().recovery_point == secondary.clock.now - MINUTE, (
        "no event has come since: it may still be silent"
    )
    secondary.sync_registry.cursor.record(event_id="e", received_at=secondary.clock.now)
    assert secondary.minute().recovery_point == sent(secondary, 1)
    assert secondary.status().lost is None


def test_a_comparison_ends_no_distrust_before_its_finds_are_decided(secondary: Secondary) -> None:
    """Copies kept the events queue busy when it was complete."""
    for _ in range(3):
        secondary.minute()
    lose(secondary)
    began = secondary.minute().at
    for _ in range(5):
        secondary.minute()
    find(secondary)
    secondary.compared(began)
    secondary.sync_registry.cursor.record(event_id="e", received_at=secondary.clock.now)
    secondary.queues.waiting = itertools.repeat(1)
    for _ in range(3):
        assert secondary.minute().recovery_point == began
    secondary.queues.waiting = itertools.repeat(0)
    found = secondary.minute()
    assert found.recovery_point == began
    assert found.lost is not None
    assert found.lost.count == 2


def test_a_notification_that_only_came_late_was_not_lost(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    lose(secondary)
    for _ in range(2):  # delivered twice
        secondary.sync_registry.suspected.take_back("team/app", V1)
    assert secondary.status().lost is None
    assert secondary.minute().recovery_point == sent(secondary, 1)


def lags_of(secondary: Secondary) -> int:
    """How many lags a worker measures that discharges V1 now."""
    owed = secondary.sync_registry.look("team/app", V1).owed
    assert owed is not None
    client = Mock()
    measuring = Measuring(Queue(client, "measurements"), secondary.clock)
    measuring.note_synced(owed)
    measuring.send()
    said = Measurements.parse(client.send_message.call_args.kwargs["MessageBody"])
    assert said.synced == 1
    return sum(said.lags_ms.values())


@pytest.mark.parametrize(("later_push", "measured"), [(None, 0), ("sha256:b", 1)])
def test_a_push_that_was_counted_as_lost_is_not_measured_once_its_event_comes(
    secondary: Secondary, later_push: str | None, measured: int
) -> None:
    """It is in the history: a month counts each push once. What was pushed since is measured as ever."""
    lose(secondary)
    pushed_at = secondary.clock.now - 3 * MINUTE
    for _ in range(2):  # delivered twice
        secondary.sync_registry.suspected.take_back("team/app", V1)
        secondary.owe(pushed_at)
    if later_push is not None:
        secondary.sync_registry.mark("team/app", V1, Mark(expects=later_push, pushed_at=secondary.clock.now))
    lease = secondary.sync_registry.acquire("team/app")
    assert lease is not None
    (owed,) = secondary.sync_registry.owed("team/app")
    assert lags_of(secondary) == measured
    now = secondary.clock.now
    assert secondary.sync_registry.discharge(lease, owed, Seen(digest="sha256:a", looked_at=now, seen_at=now))
    secondary.owe(pushed_at)
    assert lags_of(secondary) == 1, "what was counted is said of one look alone"


def test_a_loss_that_the_version_before_counted_stays_counted(secondary: Secondary) -> None:
    """Nobody knows whether the item counts this one."""
    see(secondary, "sha256:a", unannounced=True)
    lost = {"count": 1, "first_at": START, "last_at": START, "found_in": "team/app", "reference": "v1"}
    secondary.store.write(Update(key=LOST, set=lost))
    secondary.sync_registry.suspected.take_back("team/app", V1)
    assert secondary.status().lost is not None


def test_the_event_of_a_loss_that_is_forgotten_takes_back_no_later_one(secondary: Secondary) -> None:
    suspected, found = secondary.sync_registry.suspected, {V1: "sha256:a", V2: "sha256:b"}
    for reference, digest in found.items():
        secondary.clock.now += MINUTE
        find(secondary, reference, digest)
        for _ in range(3):
            secondary.minute()
        assert secondary.status().lost is not None
        if reference == V1:
            secondary.compared(secondary.clock.now)
            secondary.sync_registry.cursor.record(event_id="later", received_at=secondary.clock.now + 1)
            assert secondary.minute().lost is None
    suspected.take_back("team/app", V1)
    assert secondary.status().lost is not None, "V2 is lost all the same"
    suspected.take_back("team/app", V2)
    assert secondary.status().lost is None


def test_a_minute_that_decides_about_some_suspicions_says_that_others_are_open(
    secondary: Secondary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "MOST", 1)
    for reference, digest in ((V1, "sha256:a"), (V2, "sha256:b")):
        find(secondary, reference, digest)
    secondary.sync_registry.suspected.take_back("team/app", V1)
    secondary.sync_registry.suspected.take_back("team/app", V2)
    assert [secondary.reconcile().recovery.undecided for _ in range(2)] == [1, 0]


def test_an_event_that_waits_while_a_comparison_overtakes_it_is_never_lost(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    secondary.queues.waiting = itertools.repeat(1)
    find(secondary)
    for _ in range(5):
        found = secondary.minute()
        assert found.lost is None
        assert found.recovery.why == "events wait in the queue: 1"
    secondary.sync_registry.suspected.take_back("team/app", V1)  # the event is marked
    secondary.queues.waiting = itertools.repeat(0)
    for _ in range(3):
        assert secondary.minute().lost is None
    assert secondary.told == []
    assert secondary.status().recovery_point == sent(secondary, 1)


def test_a_loss_is_decided_only_after_the_queue_was_seen_empty_past_the_find(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    before = secondary.status().recovery.sent_at
    secondary.clock.now += MINUTE
    find(secondary)
    found = secondary.reconcile()
    assert found.lost is None
    assert found.recovery.why == "the events of what a comparison found may be on their way: 1"
    assert secondary.status().recovery.sent_at == before
    secondary.clock.now += MINUTE - 1
    assert secondary.reconcile().lost is None
    secondary.clock.now += 1
    lost = secondary.reconcile().lost
    assert lost is not None
    assert (lost.count, lost.repository, lost.reference) == (1, "team/app", "v1")
    assert [(one.repository, one.reference) for one in secondary.told] == [("team/app", V1)], "the metric agrees"
    assert secondary.reconcile().lost == lost
    assert len(secondary.told) == 1


def test_while_the_dlq_holds_an_unmarked_event_no_loss_is_recorded(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    secondary.queues.letters = [letter(1, '{"version":"9"}', kind="refused")]
    find(secondary)
    for _ in range(3):
        assert secondary.minute().lost is None
    secondary.queues.letters.clear()
    assert secondary.minute().lost is not None


@pytest.mark.parametrize("announced", [True, False])
def test_a_find_that_was_marked_again_before_it_was_discharged_is_not_lost(
    secondary: Secondary, announced: bool
) -> None:
    """The holder of the find died, or lost the reference to an event; what is owed is found out by the next attempt."""
    comparison = Comparison(walk=secondary.clock.now, unannounced=True)
    owed = secondary.sync_registry.mark("team/app", V1, Mark(pushed_at=secondary.clock.now, comparison=comparison))
    secondary.sync_registry.suspected.record(owed)
    secondary.sync_registry.mark("team/app", V1, Mark(expects="sha256:a" if announced else None, pushed_at=START))
    for _ in range(20):
        assert secondary.minute().lost is None
    assert secondary.told == []
    assert secondary.status().recovery.why is None, "no suspicion stays for ever"


@pytest.mark.parametrize(("named", "is_lost"), [("sha256:a", False), ("sha256:b", True)])
def test_an_event_that_is_marked_announces_what_it_names_and_no_other_push(
    secondary: Secondary, named: str, is_lost: bool
) -> None:
    find(secondary)
    secondary.sync_registry.mark("team/app", V1, Mark(expects=named, pushed_at=START))
    for _ in range(3):
        secondary.minute()
    assert (secondary.status().lost is not None) is is_lost


def test_a_later_look_of_a_comparison_announces_nothing(secondary: Secondary) -> None:
    """What the minute has not decided yet is kept when the tag is compared again."""
    find(secondary)
    lease = secondary.sync_registry.acquire("team/app")
    assert lease is not None
    seen = secondary.sync_registry.seen("team/app", [V1])[V1]
    secondary.sync_registry.record(lease, [(V1, replace(seen, looked_at=secondary.clock.now))])
    for _ in range(2):
        found = secondary.minute()
    assert found.lost is not None


def test_a_push_that_may_fall_into_a_gap_of_the_subscription_is_not_counted_as_lost(secondary: Secondary) -> None:
    """Nobody delivered an event of it, whether the registry announced it or not."""
    for _ in range(3):
        secondary.minute()
    secondary.subscribe(secondary.clock.now, "subscription-2")
    find(secondary)
    for _ in range(3):
        found = secondary.minute()
        assert found.lost is None
    assert found.recovery.undecided == 0, "no suspicion stays for ever"
    assert secondary.told == []
    secondary.sync_registry.suspected.take_back("team/app", V1)
    assert secondary.status().lost is None


def test_an_unannounced_push_of_a_tag_seen_equal_after_the_gap_is_lost(secondary: Secondary) -> None:
    secondary.subscribe(secondary.clock.now, "subscription-2")
    for _ in range(3):
        secondary.minute()
    lose(secondary)
    assert len(secondary.told) == 1


def test_an_event_of_an_excused_gap_takes_back_no_other_loss(secondary: Secondary) -> None:
    secondary.subscribe(secondary.clock.now, "subscription-2")
    find(secondary)
    for _ in range(3):
        secondary.minute()
    lost = {"count": 1, "first_at": START, "last_at": START, "found_in": "team/web", "reference": "v1"}
    secondary.store.write(Update(key=LOST, set=lost))
    secondary.sync_registry.suspected.take_back("team/app", V1)
    assert secondary.status().lost is not None


def test_while_the_subscription_cannot_be_looked_at_nothing_is_decided(secondary: Secondary) -> None:
    for _ in range(3):
        secondary.minute()
    secondary.followed = replace(secondary.followed, is_subscribed=False)
    find(secondary)
    for _ in range(3):
        assert secondary.minute().lost is None
    secondary.followed = replace(secondary.followed, is_subscribed=True)
    assert secondary.minute().lost is not None


def test_a_find_of_the_version_before_is_decided_by_its_rule(secondary: Secondary) -> None:
    find(secondary)
    (one,) = secondary.sync_registry.suspected.read(limit=1)
    secondary.store.write(Update(key=one.key, remove=("since",)))
    secondary.subscribe(secondary.clock.now, "subscription-2")
    for _ in range(2):
        secondary.minute()
    assert secondary.status().lost is not None
