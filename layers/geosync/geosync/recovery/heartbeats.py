"""Heartbeats as a secondary keeps them: the newest moment at which the way from the primary was seen to be open."""

from __future__ import annotations

from contextlib import suppress

from boto3.dynamodb.conditions import Attr

from geosync.messages.geo_event import Heartbeat
from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update

KEY = Key(SITE, "heartbeat")


def record(store: Store, heartbeat: Heartbeat, *, now: int) -> None:
    """Keep `heartbeat` unless a newer one came before it: queues deliver in any order. `now` is in milliseconds."""
    newest = Attr("sent_at").not_exists() | Attr("sent_at").lt(heartbeat.sent_at)
    values = {"site": heartbeat.site, "sent_at": heartbeat.sent_at, "arrived_at": now}
    with suppress(ConditionFailed):
        store.write(Update(key=KEY, set=values, when=newest))
