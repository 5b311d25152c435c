"""No event is lost: after a kill at any call, the bus and the topic get each event at least once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.announcing.crashes import CrashingSite

from geosync.sync_registry.items import Owed, Reference, Seen
from geosync.sync_registry.site.outbox import Outbox, ReplicationEvent

REFERENCE = Reference.tag("v1")
CALLS = 24
"""More than a holder or a minute makes here, so that each is killed at each of its calls."""


def lost_in(*kills: int) -> set[str]:
    site = CrashingSite(*kills)
    site.run()
    assert site.fate.killed == len(kills)
    assert (site.owed(), site.untold()) == ([], [])
    return site.lost()


def one_kill() -> list[tuple[int, ...]]:
    return [(sign * call,) for call in range(1, CALLS) for sign in (1, -1)]


def test_a_run_makes_fewer_calls_than_the_tests_kill_at() -> None:
    site = CrashingSite()
    site.run()
    assert site.lost() == set()
    assert 12 < site.fate.calls < 2 * CALLS


def test_a_kill_at_any_call_loses_no_event() -> None:
    two = [(first, sign * second) for (first,) in one_kill() for second in range(1, CALLS, 2) for sign in (1, -1)]
    assert {kills: lost for kills in [*one_kill(), *two] if (lost := lost_in(*kills))} == {}


def forget_first(self: Outbox, limit_ms: int = 0) -> list[ReplicationEvent]:
    taken, self._fresh = self._fresh, []
    self.forget(taken)
    return taken


def test_forgetting_an_event_before_it_was_told_would_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "take_fresh", forget_first)
    assert any(lost_in(*kills) for kills in one_kill())


def test_writing_an_event_apart_from_its_discharge_would_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def apart(self: Outbox, events: Sequence[ReplicationEvent | None]) -> None:
        for event in events:
            if event is not None:
                self._store.write(event.put(now_ms=self._clock.now_ms()))

    monkeypatch.setattr(Outbox, "puts", lambda *_: [])
    monkeypatch.setattr(Outbox, "note", apart)
    assert any(lost_in(*kills) for kills in one_kill())


def test_forgetting_an_event_that_the_topic_was_not_told_would_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geosync.announcing.announcer.Listeners._publish", lambda *_: set())
    assert lost_in()


def test_a_look_that_finds_the_digest_that_was_here_makes_no_event() -> None:
    owed = Owed(
        repository="group/app",
        reference=REFERENCE,
        mark="m",
        marked_at=1,
        owed_since=1,
        due=1,
        seen_digest="sha256:a",
        pushed_at=1,
    )
    again = Seen(digest="sha256:a", looked_at=2, seen_at=2)
    assert ReplicationEvent.of_discharge(owed, again) is None
    assert ReplicationEvent.of_discharge(owed, None) is None
    for one in ("gone_since", "missing_since", "outside_since"):
        stays = Seen(digest="sha256:b", looked_at=2, seen_at=2, **{one: 1})  # type: ignore[arg-type]
        assert ReplicationEvent.of_discharge(owed, stays) is None
    other = ReplicationEvent.of_discharge(owed, Seen(digest="sha256:b", looked_at=2, seen_at=3))
    assert other is not None
    assert (other.digest, other.at_ms, other.pushed_at_ms) == ("sha256:b", 3, None)  # no event announced it
