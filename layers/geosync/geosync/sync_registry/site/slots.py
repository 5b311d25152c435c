"""Slots: the invocations of functions/sync that work for one namespace, an item each.

They lie in partitions of their own, by namespace: whoever works on a repository takes one and gives it back, and the
site's partition takes 1,000 writes a second for all that concerns the whole site. A slot lasts as long as a lease.
Whoever took it renews it. One whose holder vanished is free again when it ran out, and its item goes some time later
(TTL `expire_at`).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Delete, Key, Update

Pool = Literal["live", "work"]
"""The queue whose wakes are bounded: each has so many invocations at a time."""
MOST = 1000
"""Invocations that one event source has at most."""
SPREAD = tuple(f"#slots-{number}" for number in range(8))
"""The partitions of all slots. Versions before had them in the site's, where they run out."""
FORGOTTEN_S = 3_600
"""Time after its end from which on a slot's item may go: more than clocks differ by."""
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that somebody has; `token` says who."""

    key: Key
    token: str

    @classmethod
    def numbered(cls, pool: Pool, namespace: str, number: int, token: str) -> Slot:
        """Slot `number` of a namespace."""
        return cls(Key(partition(namespace), f"{prefix(pool, namespace)}{number:0{_DIGITS}}"), token)


def partition(namespace: str) -> str:
    """The partition of a namespace's slots."""
    return SPREAD[zlib.crc32(namespace.encode()) % len(SPREAD)]


def prefix(pool: Pool, namespace: str) -> str:
    """The beginning of the sort keys of a namespace's slots; no name of a repository has a `#`."""
    return f"{all_of(pool)}{namespace}#"


def all_of(pool: Pool) -> str:
    """The beginning of the sort keys of all slots of a queue."""
    return f"slot#{pool}#"


def full(items: Iterable[Item], *, now_ms: int) -> frozenset[str]:
    """The namespaces that have all the slots that they may have at `now_ms`; `items` are the slots of one queue.

    Each slot says how many its namespace may have.
    """
    taken = [item for item in items if int(item.get("until", 0)) > now_ms]
    counts = Counter(map(_namespace, taken))
    return frozenset(_namespace(item) for item in taken if counts[_namespace(item)] >= int(item["most"]))


def free(items: list[Item], most: int, *, now_ms: int, token: str) -> int | None:
    """Return the number of a slot that nobody has at `now_ms`, None if all `most` are taken.

    `items` are those of the namespace. Who takes one at the same time begins to look at another number.
    """
    taken = {_number(item) for item in items if int(item.get("until", 0)) > now_ms}
    first = zlib.crc32(token.encode()) % most
    return next((number for one in range(most) if (number := (first + one) % most) not in taken), None)


def take(slot: Slot, most: int, *, now_ms: int, until_ms: int) -> Update:
    """Take a slot, one of `most`, until `until_ms`, if nobody has it.

    A write that was repeated after its answer got lost finds itself: the slot is ours already.
    """
    when = Attr("until").not_exists() | Attr("until").lte(now_ms) | Attr("token").eq(slot.token)
    return Update(key=slot.key, set={**_lasting(until_ms), "token": slot.token, "most": most}, when=when)


def renew(slot: Slot, *, until_ms: int) -> Update:
    """Keep a slot until `until_ms`, if it was not given to somebody else."""
    return Update(key=slot.key, set=_lasting(until_ms), when=Attr("token").eq(slot.token))


def give_back(slot: Slot) -> Delete:
    """Give a slot back, if it was not given to somebody else."""
    return Delete(key=slot.key, when=Attr("token").eq(slot.token))


def _lasting(until_ms: int) -> dict[str, int]:
    return {"until": until_ms, "expire_at": until_ms // 1000 + FORGOTTEN_S}


def _namespace(item: Item) -> str:
    return str(item["item"]).split("#")[2]


def _number(item: Item) -> int:
    return int(str(item["item"]).rpartition("#")[2])
