"""The items that concern the whole site, in one read, for whoever shows them together."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import Item
from geosync.sync_registry.site import breaker, catalogue, cursor, heartbeat, holds, letters, minute, recovery, sweep
from geosync.sync_registry.site.breaker import State
from geosync.sync_registry.site.catalogue import Walk, walk_of
from geosync.sync_registry.site.cursor import EventCursor
from geosync.sync_registry.site.heartbeat import LastHeartbeat, PostedHeartbeat
from geosync.sync_registry.site.letters import LettersLook
from geosync.sync_registry.site.recovery import Lost, Recovery
from geosync.sync_registry.site.sweep import LastSweep
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Store

_ITEMS = (
    holds.PAUSE,
    heartbeat.KEY,
    heartbeat.POSTED,
    catalogue.KEY,
    cursor.KEY,
    recovery.RECOVERY,
    recovery.LOST,
    recovery.REFUSED,
    minute.KEY,
    sweep.KEY,
    breaker.KEY,
    letters.KEY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The site is paused since `since` (milliseconds since the epoch)."""

    since: int
    reason: str

    @classmethod
    def from_item(cls, item: Item | None) -> Pause | None:
        """Read the item `pause`; None when there is none."""
        if item is None:
            return None
        return cls(since=whole_number(item, "since"), reason=str(item.get("reason", "")))


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteItems:
    """The items that concern the whole site, as one read found them. What the site does not have is None."""

    pause: Pause | None
    heartbeat: LastHeartbeat | None
    comparison: Walk | None
    """The latest walk through the primary's catalogue."""
    cursor: EventCursor | None
    recovery: Recovery
    lost: Lost | None
    has_refused: bool
    """True when a message could not be marked, and may still be in the DLQ."""
    last_minute: int | None
    last_sweep: LastSweep | None
    deletes: State
    letters: LettersLook | None
    """The last look into the DLQ."""
    posted_heartbeat: PostedHeartbeat | None = None
    """At a primary: the last heartbeat that its own endpoint took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """The items that say up to when every push is marked; see recovery/point.py."""

    comparison: Walk | None
    recovery: Recovery
    lost: Lost | None


class Overview:
    """Reads the items that concern the whole site."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> SiteItems:
        """Read all of them in one batch."""
        found = self._store.batch_get(_ITEMS)
        return SiteItems(
            pause=Pause.from_item(found.get(holds.PAUSE)),
            heartbeat=LastHeartbeat.from_item(found.get(heartbeat.KEY)),
            comparison=walk_of(found.get(catalogue.KEY)),
            cursor=EventCursor.from_item(found.get(cursor.KEY)),
            recovery=Recovery.from_item(found.get(recovery.RECOVERY)),
            lost=Lost.from_item(found.get(recovery.LOST)),
            has_refused=recovery.REFUSED in found,
            last_minute=minute.last_minute(found.get(minute.KEY)),
            last_sweep=LastSweep.from_item(found.get(sweep.KEY)),
            deletes=State.from_item(found.get(breaker.KEY)),
            letters=LettersLook.from_item(found.get(letters.KEY)),
            posted_heartbeat=PostedHeartbeat.from_item(found.get(heartbeat.POSTED)),
        )

    def accounting(self) -> Accounting:
        """Read what says up to when every push is marked, in one batch."""
        found = self._store.batch_get((catalogue.KEY, recovery.RECOVERY, recovery.LOST))
        return Accounting(
            comparison=walk_of(found.get(catalogue.KEY)),
            recovery=Recovery.from_item(found.get(recovery.RECOVERY)),
            lost=Lost.from_item(found.get(recovery.LOST)),
        )

    def pause(self) -> Pause | None:
        """The site's pause, None while it is not paused."""
        return Pause.from_item(self._store.get(holds.PAUSE))

    def end_pause(self, reason: str) -> None:
        """End the pause that has this very reason, and no other: somebody may have taken it over."""
        with suppress(ConditionFailed):
            self._store.write(Delete(key=holds.PAUSE, when=Attr("reason").eq(reason)))
