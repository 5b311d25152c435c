"""Heartbeats: the primary's newest that arrived here, and at a primary the last that its own endpoint took.

heartbeat          site, sent_at, arrived_at: the way from the primary was last seen to be open then
heartbeat_posted   at: the primary's endpoint took one then (ms); failure: why it did not take the last one
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update

KEY, POSTED = Key(SITE, "heartbeat"), Key(SITE, "heartbeat_posted")
AHEAD_MS = 60_000
"""The most that clocks of two sites differ: a heartbeat that was sent later than this after its arrival is not true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHeartbeat:
    """The newest heartbeat of the primary that reached this site; times in milliseconds since the epoch."""

    site: str
    sent_at: int
    arrived_at: int

    @classmethod
    def from_item(cls, item: Item | None) -> LastHeartbeat | None:
        """Read the item `heartbeat`; None when there is none."""
        if item is None:
            return None
        return cls(
            site=str(item.get("site", "")),
            sent_at=whole_number(item, "sent_at"),
            arrived_at=whole_number(item, "arrived_at"),
        )


class Heartbeats:
    """Keeps the newest heartbeat."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> LastHeartbeat | None:
        """The newest heartbeat, None when none ever arrived."""
        return LastHeartbeat.from_item(self._store.get(KEY))

    def record(self, *, site: str, sent_at: int, arrived_at: int) -> None:
        """Keep a heartbeat unless a newer one came before it: queues deliver in any order. Times in milliseconds.

        One that says it was sent in the future was sent before a clock was set back, and gives way to any other.
        """
        newest = Attr("sent_at").not_exists() | Attr("sent_at").lt(sent_at) | Attr("sent_at").gt(arrived_at + AHEAD_MS)
        values = {"site": site, "sent_at": sent_at, "arrived_at": arrived_at}
        with suppress(ConditionFailed):
            self._store.write(Update(key=KEY, set=values, when=newest))


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedHeartbeat:
    """The last heartbeat that a primary's own endpoint took, at `at` (ms); None: it never took one.

    `failure` is why it did not take the last one; None: it did.
    """

    at: int | None = None
    failure: str | None = None

    @classmethod
    def from_item(cls, item: Item | None) -> PostedHeartbeat | None:
        """Read the item `heartbeat_posted`; None when none was ever posted."""
        if item is None:
            return None
        at, failure = item.get("at"), item.get("failure")
        return cls(at=at if isinstance(at, int) else None, failure=str(failure) if failure else None)


class PostedHeartbeats:
    """Keeps what became of the last heartbeat that this site posted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> PostedHeartbeat | None:
        """Read what became of it; None when none was ever posted."""
        return PostedHeartbeat.from_item(self._store.get(POSTED))

    def record(self, *, at: int) -> None:
        """Record that the endpoint took one at `at` (ms)."""
        self._store.write(Update(key=POSTED, set={"at": at}, remove=("failure",)))

    def record_failure(self, reason: str) -> None:
        """Record why the endpoint did not take the last one."""
        self._store.write(Update(key=POSTED, set={"failure": reason}))
