"""The items that concern the whole site, in one read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from geosync.errors import CorruptItem
from geosync.sync_registry.items import ROW, SYNCED, Item, Reference, Row, Seen
from geosync.sync_registry.site import (
    breaker,
    catalogue,
    cursor,
    drills,
    heartbeat,
    letters,
    minute,
    pause,
    recovery,
    subscription,
    sweep,
)
from geosync.sync_registry.site.breaker import State
from geosync.sync_registry.site.catalogue import Walk, walk_of
from geosync.sync_registry.site.cursor import EventCursor
from geosync.sync_registry.site.drills import LastDrill
from geosync.sync_registry.site.heartbeat import LastHeartbeat, PostedHeartbeat
from geosync.sync_registry.site.letters import LettersLook
from geosync.sync_registry.site.pause import Pause
from geosync.sync_registry.site.recovery import Lost, Recovery
from geosync.sync_registry.site.subscription import Subscription
from geosync.sync_registry.site.sweep import LastSweep
from geosync.sync_registry.table.changes import Key, Store

_ITEMS = (
    pause.KEY,
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
    subscription.KEY,
    *drills.KEYS,
)
_ACCOUNTING = (catalogue.KEY, recovery.RECOVERY, recovery.LOST, subscription.KEY)
_OF_ITS_PRIMARY = _ACCOUNTING
"""What a site forgets when it follows another primary (catalogue.CatalogueItem.follow)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteItems:
    """The items that concern the whole site, as one read found them. An item that the site does not have is None."""

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
    subscription: Subscription | None = None
    """The subscription that delivers the primary's geo events; None: none was ever seen."""
    last_drill: LastDrill | None = None
    """The last drill that ended here; None: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """The items that say up to when every push is marked; see recovery/point.py."""

    comparison: Walk | None
    recovery: Recovery
    lost: Lost | None
    subscription: Subscription | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingBeside:
    """The same, with what one read beside it found of a reference.

    `seen` is what was last seen of it, None where that cannot be read. `is_synced`: its repository's row says that
    nothing is owed there, so that no holder works on anything that is. A marked reference may still be owed: if its
    knock failed, the row changes only when the sweep finds it.
    """

    site: Accounting
    seen: Seen | None
    is_synced: bool


class Overview:
    """Reads the items that concern the whole site."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, primary: str | None = None) -> SiteItems:
        """Read all of them in one batch.

        `primary` names the primary that the site is to follow, as in SyncRegistry. Until functions/reconcile has
        recorded the change, what is known of the former one is left out: it proves nothing.
        """
        found = self._found(_ITEMS, primary)
        return SiteItems(
            pause=Pause.from_item(found.get(pause.KEY)),
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
            subscription=Subscription.from_item(found.get(subscription.KEY)),
            last_drill=LastDrill.among(found),
        )

    def accounting(self, primary: str | None = None) -> Accounting:
        """Read what says up to when every push is marked, in one batch; `primary` as in `read`."""
        return _accounting(self._found(_ACCOUNTING, primary))

    def accounting_beside(self, primary: str | None, repository: str, reference: Reference) -> AccountingBeside:
        """Read the same, and what was seen of a reference, in one batch."""
        seen_key, row_key = Key(repository, reference.seen_key), Key(repository, ROW)
        found = self._found((*_ACCOUNTING, seen_key, row_key), primary)
        seen, is_synced = None, False
        with suppress(CorruptItem):
            seen = Seen.under(primary, found.get(seen_key))
        with suppress(CorruptItem):
            is_synced = row_key in found and Row.from_item(found[row_key]).state == SYNCED
        return AccountingBeside(site=_accounting(found), seen=seen, is_synced=is_synced)

    def _found(self, keys: Iterable[Key], primary: str | None) -> Mapping[Key, Item]:
        found = self._store.batch_get(keys)
        following = found.get(catalogue.KEY, {}).get("following")
        if primary is None or following is None or following == primary:
            return found
        return {key: item for key, item in found.items() if key not in _OF_ITS_PRIMARY}


def _accounting(found: Mapping[Key, Item]) -> Accounting:
    return Accounting(
        comparison=walk_of(found.get(catalogue.KEY)),
        recovery=Recovery.from_item(found.get(recovery.RECOVERY)),
        lost=Lost.from_item(found.get(recovery.LOST)),
        subscription=Subscription.from_item(found.get(subscription.KEY)),
    )
