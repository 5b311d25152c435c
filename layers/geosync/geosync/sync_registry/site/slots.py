"""Slots: the invocations of functions/sync that work for one namespace, an item each.

A slot is held for as long as its invocation may last, and given back earlier by whoever took it. One whose holder
vanished is free again when the invocation must have ended. So nothing renews it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.changes import Delete, Key, Update

Pool = Literal["live", "work"]
"""The queue whose wakes are bounded: each has so many invocations at a time."""
_DIGITS = 4  # an event source has at most 1,000


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that somebody has; `token` says who."""

    key: Key
    token: str


def prefix(pool: Pool, namespace: str) -> str:
    """The beginning of the sort keys of a namespace's slots; no name of a repository has a `#`."""
    return f"slot#{pool}#{namespace}#"


def free(items: list[Item], most: int, *, now_ms: int, token: str) -> int | None:
    """Return the number of a slot that nobody has at `now_ms`, None if all `most` are taken.

    `items` are those of the namespace. Who takes one at the same time begins to look at another number.
    """
    taken = {_number(item) for item in items if int(item.get("until", 0)) > now_ms}
    first = zlib.crc32(token.encode()) % most
    return next((number for one in range(most) if (number := (first + one) % most) not in taken), None)


def take(pool: Pool, namespace: str, number: int, *, now_ms: int, until_ms: int, token: str) -> tuple[Slot, Update]:
    """Take a slot until `until_ms`, if nobody has it.

    A write that was repeated after its answer got lost finds itself: the slot is ours already.
    """
    slot = Slot(Key(SITE, f"{prefix(pool, namespace)}{number:0{_DIGITS}}"), token)
    when = Attr("until").not_exists() | Attr("until").lte(now_ms) | Attr("token").eq(token)
    return slot, Update(key=slot.key, set={"until": until_ms, "token": token}, when=when)


def give_back(slot: Slot) -> Delete:
    """Give a slot back, if it was not given to somebody else."""
    return Delete(key=slot.key, when=Attr("token").eq(slot.token))


def _number(item: Item) -> int:
    return int(str(item["item"]).rpartition("#")[2])
