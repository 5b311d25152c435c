"""The primary's newest heartbeat that arrived here: when the way from the primary was last seen to be open."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update

KEY = Key(SITE, "heartbeat")


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
        """Keep a heartbeat unless a newer one came before it: queues deliver in any order. Times in milliseconds."""
        newest = Attr("sent_at").not_exists() | Attr("sent_at").lt(sent_at)
        values = {"site": site, "sent_at": sent_at, "arrived_at": arrived_at}
        with suppress(ConditionFailed):
            self._store.write(Update(key=KEY, set=values, when=newest))
