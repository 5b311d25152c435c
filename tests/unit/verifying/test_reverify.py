"""Verify now: what is made due, and the message that asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from geosync.errors import MalformedMessage
from geosync.messages.work import VerifyMessage
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard, verification_shard
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


@pytest.mark.parametrize(("scope", "expected"), [("all", {"verified", "failed"}), ("failed", {"failed"})])
def test_all_or_the_failed_are_made_due(scope: Any, expected: set[str]) -> None:
    store = MemoryStore(
        [
            row("verified", "2"),
            row("failed", "3", verification_retry_at=NOW + 10),
            row("since", "2", verified_at=NOW + 1),
            row("worked-on", "2", due_shard=due_shard("worked-on"), lease_token="t", lease_expires=NOW + 10),
            row("at-it", "1"),
        ]
    )

    assert make_due(SyncRegistry(store), scope, NOW) == len(expected)
    assert due(store) == expected
    for repository in expected:
        changed = store.get(Key(repository, "row"))
        assert changed is not None
        assert changed["verification_state"] == "0"
        assert "verification_retry_at" not in changed
    assert make_due(SyncRegistry(store), scope, NOW) == 0, "asked twice, done once"


def test_many_are_made_due_in_shards_of_any_size() -> None:
    store = MemoryStore([row(f"group/{number}", "2") for number in range(1000)])

    assert make_due(SyncRegistry(store), "all", NOW) == 1000
    assert len(due(store)) == 1000


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
def test_a_message_that_asks_for_nothing_clear_is_refused(fields: str) -> None:
    with pytest.raises(MalformedMessage):
        VerifyMessage.from_json('{"version":"1","kind":"verify"' + fields + "}")
