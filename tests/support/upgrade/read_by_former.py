"""What the previous release makes of a table and of messages that today's code wrote: for the way back.

It runs with the kept release's library on the path, and with nothing of today's but these pages of tests. It reads a
JSON document: `prefix`, `now_ms`, `items` (sets as `{"set": […]}`) and `messages`. It prints the kinds of items that it
`read` something of, what it `worked` off, and what it took each message for.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.support.upgrade import reading
from tests.support.upgrade.former_table import Stopped

from geosync.messages.reading import read_message
from geosync.sync_registry.items import Item
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore

LATER_MS = 3_600_000
OWED = ("digest", "failed", "flight", "large", "parked", "whole")


def work_off(known: SyncRegistry, prefix: str) -> dict[str, str | None]:
    """Have one holder after the other see everything that is owed; the states of the rows then."""
    states: dict[str, str | None] = {}
    for name in OWED:
        repository = f"{prefix}/{name}"
        for one in known.owed(repository):
            if one.parked:
                known.mark(repository, one.reference)
        lease = known.acquire(repository)
        assert lease is not None, repository
        for one in known.due(repository):
            assert known.discharge(lease, one, None)
        assert known.finish(lease)
        row = known.row(repository)
        states[name] = row.state if row is not None else None
    return states


def main(prefix: str, now_ms: int, items: list[Item], messages: list[str]) -> None:
    table = [{name: _value(value) for name, value in item.items()} for item in items]
    store = MemoryStore(table)
    known = SyncRegistry(store, clock=Stopped(now_ms), tells=True)
    read = [kind for kind, value in reading.everything(known, prefix, now_ms).items() if value]
    known.resume()
    later = SyncRegistry(store, clock=Stopped(now_ms + LATER_MS))
    worked = work_off(later, prefix)
    counted = later.counters.read()
    kept = [[item["repository"], item["item"]] for item in store.table.values()]
    taken = [type(read_message(body)).__name__ for body in messages]
    rows = [counted.rows, counted.synced, counted.failed] if counted is not None else None
    json.dump({"read": read, "worked": worked, "rows": rows, "kept": kept, "taken": taken}, sys.stdout)


def _value(value: Any) -> Any:
    return frozenset(value["set"]) if isinstance(value, dict) and set(value) == {"set"} else value


if __name__ == "__main__":
    main(**json.load(sys.stdin))
