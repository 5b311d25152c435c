"""Tables that hold what many transitions would have written: on moto each costs as much as a thousand in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from geosync.clock import Clock
from geosync.sync_registry.counted import Counted
from geosync.sync_registry.items import ROW, Item, Reference, Row
from geosync.sync_registry.site import counters
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.table.shards import due_shard
from geosync.sync_registry.transitions.marks import Mark

REPOSITORIES = 1000
_BATCH = 25


def backlog(clock: Clock, owed: int) -> MemoryStore:
    """Make a store with `owed` owed tags in REPOSITORIES named `backlog/app-<number>`, as that many marks would."""
    one, many = MemoryStore(), MemoryStore()
    mark = Mark(expects="sha256:" + "a" * 64)
    SyncRegistry(one, clock=clock).mark("backlog/app-0", Reference.tag("v0"), mark)
    (item,) = one.table.values()
    for number in range(owed):
        repository, tag = f"backlog/app-{number % REPOSITORIES}", f"owed#tag#v{number // REPOSITORIES}"
        named = {"repository": repository, "item": tag, "due_shard": due_shard(repository)}
        many.table[Key(repository, tag)] = {**item, **named}
    return many


def more_synced(store: MemoryStore, like: str, rows: int) -> None:
    """Put in more repositories like the synced one `like`: items, index entries and counts."""
    items = [item for key, item in store.table.items() if key.repository == like]
    row = Row.from_item(store.table[Key(like, ROW)])
    for number in range(rows):
        name, row_id = f"{like}-{number}", 1_000_000 + number
        for item in items:
            _put(store, {**item, "repository": name, **({"id": row_id} if item["item"] == ROW else {})})
        _put(store, {"repository": "#rows", "item": f"name#{name}", "id": row_id})
        _put(store, {"repository": "#rows", "item": f"id#{row_id}", "name": name})
    for change in counters.moved(like, Counted(), row.counted, rows=1):
        store.write(replace(change, add={name: rows * by for name, by in change.add.items()}))


def _put(store: MemoryStore, item: Item) -> None:
    store.table[Key(item["repository"], item["item"])] = item


def fill(dynamodb: Any, table: str, store: MemoryStore) -> None:
    """Put every item of `store` into `table`, in the place of any item with its key."""
    serialize = TypeSerializer().serialize
    items = [{name: serialize(value) for name, value in item.items()} for item in store.table.values()]
    for start in range(0, len(items), _BATCH):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + _BATCH]]
        dynamodb.batch_write_item(RequestItems={table: puts})
