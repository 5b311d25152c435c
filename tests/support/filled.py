"""Puts into a table what many transitions would have written: on moto each costs as much as a thousand in memory."""

from __future__ import annotations

from typing import Any

from boto3.dynamodb.types import TypeSerializer

from geosync.sync_registry.table.memory import MemoryStore

_BATCH = 25


def fill(dynamodb: Any, table: str, store: MemoryStore) -> None:
    """Put every item of `store` into `table`, in the place of what is there under its key."""
    serialize = TypeSerializer().serialize
    items = [{name: serialize(value) for name, value in item.items()} for item in store.table.values()]
    for start in range(0, len(items), _BATCH):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + _BATCH]]
        dynamodb.batch_write_item(RequestItems={table: puts})
