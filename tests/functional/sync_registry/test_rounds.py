"""How many requests of a status wait for each other: a person waits for each of these rounds."""

from __future__ import annotations

from typing import Any

import pytest
from tests.functional.sync_registry.conftest import TABLE
from tests.support.clock import FakeClock
from tests.support.filled import fill
from tests.support.rounds import Rounds

from geosync.operating import status
from geosync.sync_registry.items import PARKED_DUE_MS, Reference
from geosync.sync_registry.site.history import Observed
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard
from geosync.sync_registry.transitions.marks import Mark

OWED = 10_000
"""More in each partition of the index than a status reads of it: of 50,000 it reads the same."""
DIGEST = "sha256:" + "a" * 64


def _backlog(clock: FakeClock) -> MemoryStore:
    """So much is owed in a thousand repositories: what one mark writes, many times."""
    one, many = MemoryStore(), MemoryStore()
    SyncRegistry(one, clock=clock).mark("backlog/app-0", Reference.tag("v0"), Mark(expects=DIGEST))
    (item,) = one.table.values()
    for number in range(OWED):
        repository, tag = f"backlog/app-{number % 1000}", f"owed#tag#v{number // 1000}"
        named = {"repository": repository, "item": tag, "due_shard": due_shard(repository)}
        many.table[Key(repository, tag)] = {**item, **named}
    return many


def test_a_status_of_a_large_backlog_is_read_in_few_rounds(
    client: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog, parked = _backlog(clock), Key("backlog/app-7", "owed#tag#parked")
    like = backlog.table[Key("backlog/app-7", "owed#tag#v0")]
    backlog.table[parked] = {**like, "item": parked.item, "due": PARKED_DUE_MS, "parked": True}
    fill(client, TABLE, backlog)
    rounds = Rounds(client, monkeypatch)
    sync_registry = SyncRegistry(DynamoStore(client, TABLE, clock=clock), clock=clock, threads=rounds.threads)
    sync_registry.history.record(Observed(), now_ms=clock.now_ms())

    found: list[status.Status] = []
    counted = rounds.of(lambda: found.append(status.read(sync_registry, clock=clock)))

    assert counted.rounds == 5  # the site; the index; behind each full partition; items and leases; what was seen
    # 16 partitions, 8 again for what is parked in them and 8 for leases; the holds and the last hour.
    assert counted.requests == {"Query": 34, "BatchGetItem": 3 + 11 + 11}
    assert [(len(one.owed), one.more_owed, len(one.parked), one.more_parked) for one in found] == [
        (1000, True, 1, False)
    ]
