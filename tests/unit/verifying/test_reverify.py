"""A requested verification: the rows that it makes due, and its message."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clock import FakeClock

from geosync.errors import MalformedMessage
from geosync.messages.work import VerifyMessage
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard, verification_shard
from geosync.sync_registry.transitions.verification import OFF_MS, Round
from geosync.verifying.reverify import make_due

NOW = 1_800_000_000_000
WEEK = 7 * 86_400_000


def row(repository: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "repository": repository,
        "item": "row",
        "state": "2",
        "verification_state": state,
        "verified_at": NOW - 1000,
        "due": NOW + WEEK,
        "due_shard": verification_shard(repository),
        **more,
    }


def due(store: MemoryStore) -> set[str]:
    """The repositories that are due for verification now."""
    return {
        key.repository
        for key, item in store.table.items()
        if item.get("due_shard") == verification_shard(key.repository) and item["due"] <= NOW
    }


def asked_for(store: MemoryStore) -> list[str]:
    """The repositories that are verified now though rolling verification is off; the others are put off."""
    return sorted(SyncRegistry(store).verification.asked_for(now_ms=NOW, limit=1000))


@pytest.mark.parametrize(("scope", "expected"), [("all", {"verified", "failed", "waits"}), ("failed", {"failed"})])
def test_all_or_the_failed_are_made_due(scope: Any, expected: set[str]) -> None:
    store = MemoryStore(
        [
            row("verified", "2"),
            row("failed", "3", verification_retry_at=NOW + 10),
            row("since", "2", verified_at=NOW + 1),
            row("worked-on", "2", due_shard=due_shard("worked-on"), lease_token="t", lease_expires=NOW + 10),
            row("at-it", "1"),
            row("waits", "0", verified_at=0, due=NOW - 5),
        ]
    )

    assert make_due(SyncRegistry(store), scope, NOW) == len(expected)
    assert due(store) == expected | {"waits"}
    assert make_due(SyncRegistry(store), scope, NOW) == 0, "asked twice, done once"
    for repository in expected:
        changed = store.get(Key(repository, "row"))
        assert changed is not None
        assert changed["verification_state"] == "0"
        assert "verification_retry_at" not in changed
    assert asked_for(store) == sorted(expected)


def test_many_are_made_due_in_shards_of_any_size() -> None:
    store = MemoryStore([row(f"group/{number}", "2") for number in range(1000)])

    assert make_due(SyncRegistry(store), "all", NOW) == 1000
    assert len(due(store)) == 1000


def test_verifications_nobody_asked_for_are_put_off_and_do_not_hide_requested_ones() -> None:
    many = [row(f"pushed-{number}", "0", verified_at=0, due=NOW - WEEK + number) for number in range(300)]
    store = MemoryStore([*many, row("failed", "3", due=NOW + 10)])
    make_due(SyncRegistry(store), "failed", NOW)

    assert asked_for(store) == ["failed"]
    assert due(store) == {"failed"}
    later = SyncRegistry(store).verification.due(now_ms=NOW + OFF_MS, limit=1000)
    assert len(later) == len(many) + 1, "with rolling verification on again all are verified"


def test_a_row_that_is_held_or_owed_is_not_put_off() -> None:
    held = row("held", "2", due=NOW - 1, due_shard=due_shard("held"), lease_token="t", lease_expires=NOW - 1)
    stale = row("stale", "2", due=NOW - 1, lease_token="t", lease_expires=NOW + 10)  # the index follows its table
    store = MemoryStore([held, stale])

    assert asked_for(store) == []
    assert store.table == MemoryStore([held, stale]).table


def test_a_request_stands_until_a_verification_succeeds() -> None:
    clock = FakeClock(NOW)
    store = MemoryStore([row("group/app", "2")])
    items = SyncRegistry(store, clock=clock).verification

    def at() -> Round:
        item = items.read("group/app")
        assert item is not None
        begun = items.start(item, phase="tags", now_ms=clock.now, asked=clock.now == NOW)
        assert begun is not None
        return begun

    items.keep(at(), NOW + 5)
    clock.now = NOW + 5
    assert items.asked_for(now_ms=clock.now, limit=10) == ["group/app"], "the day's requests were spent"
    items.fail(at(), "unreadable", now_ms=clock.now, jitter=0)
    clock.pass_(60)
    assert items.asked_for(now_ms=clock.now, limit=10) == ["group/app"], "it failed, and is tried again"
    items.succeed(at(), "equal", now_ms=clock.now, due_ms=clock.now)
    assert items.asked_for(now_ms=clock.now, limit=10) == []


@pytest.mark.parametrize(
    "message",
    [
        VerifyMessage(repository="group/app"),
        VerifyMessage(repository="group/app", asked_at=NOW),
        VerifyMessage(scope="all", asked_at=NOW),
        VerifyMessage(scope="failed", asked_at=NOW),
    ],
)
def test_a_message_is_read_as_it_was_written(message: VerifyMessage) -> None:
    assert VerifyMessage.from_json(message.to_json()) == message


@pytest.mark.parametrize(
    "fields",
    [
        "",
        ',"scope":"all"',
        ',"scope":"some","asked_at":1',
        ',"repository":"UPPER"',
        ',"repository":"group/app","asked_at":"now"',
        ',"repository":"group/app","asked_at":true',
        ',"repository":"group/app","scope":"all","asked_at":1',
    ],
)
def test_an_unclear_message_is_refused(fields: str) -> None:
    with pytest.raises(MalformedMessage):
        VerifyMessage.from_json('{"version":"1","kind":"verify"' + fields + "}")
